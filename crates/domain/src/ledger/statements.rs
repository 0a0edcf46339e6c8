//! The ledger's SQL statements: the reads before a decision and the writes after it.
//!
//! Lock doctrine: one statement locks the accounts in the order of their identifiers. Every writer
//! keeps this order, so two of them never wait for each other. `FOR NO KEY UPDATE` lets the foreign
//! keys of other tables pass. A later statement looks up the idempotency keys: a statement that
//! waits for a lock still sees the snapshot from before the wait, and would miss a transfer that
//! committed meanwhile under the same key.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use neobank_db::driver::{FromSql, Row, ToSql, Type};
use neobank_db::{
    Autocommit, DatabaseError, Executor as _, Prepared, ServerError, Transaction, Written, pipeline,
};
use neobank_entity::banking::{accounts, transfers};
use neobank_entity::enums::TransferType;
use neobank_entity::functions::banking::{
    PostTransfers, PostTransfersOptimistic, PostTransfersPipelined, PostUnlessRejected,
};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::decision::{
    AccountState, CompletedTransfer, Decision, LedgerState, NewTransfer, OriginalTransfer, Rules,
    Written as WrittenRows,
};
use super::execution::Batch;
use super::hold_statements;
use super::open_days;
use super::queries::{
    self, COMPLETED_TRANSFERS, FIND_TRANSFERS, GROUP_TRANSFERS, INCREMENT_VERSION, LOCK_ACCOUNTS,
    LOCKED_BY_OTHERS, ORIGINAL_TRANSFERS, READ_ACCOUNTS,
};
use super::receipt::{EntryReceipt, Receipt};
use crate::accounts::limits;
use crate::{AccountId, Currency, GroupId, HoldEventId, HoldId, Money, TransferId};

/// Makes the transaction's commit wait until it is durable, on this server and on the standbys that
/// the server waits for, whatever the defaults of role, database or session are. Stronger settings
/// stay. A transaction with row locks on accounts has something to commit, because row locks are
/// written to the log; a transaction that has written nothing waits for nothing.
const COMMIT_DURABLY: &str = "\
SELECT pg_catalog.set_config('synchronous_commit', 'on', true)
WHERE pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) ANY ('{off,local,remote_write}'::pg_catalog.text[])";

/// Posts transfers whose accounts are locked: one element of each array for each transfer.
static POST_TRANSFERS: LazyLock<Call> = LazyLock::new(|| {
    Call::of(
        &PostTransfers::TYPES,
        &format!("SELECT {}", PostTransfers::CALL),
    )
});

/// Posts transfers that were decided without locks, if their preconditions hold.
static POST_OPTIMISTIC: LazyLock<Call> = LazyLock::new(|| {
    Call::timed(
        &PostTransfersOptimistic::TYPES,
        PostTransfersOptimistic::CALL,
    )
});

/// As [`POST_OPTIMISTIC`], behind a predecessor that is still in flight.
static POST_PIPELINED: LazyLock<Call> =
    LazyLock::new(|| Call::timed(&PostTransfersPipelined::TYPES, PostTransfersPipelined::CALL));

/// Posts the transfers that the database accepts, and returns a row for each of the others.
static POST_UNLESS_REJECTED: LazyLock<Call> = LazyLock::new(|| {
    let columns = "place, rejected_sqlstate, rejected_message, rejected_detail, rejected_hint, \
                   rejected_schema, rejected_table, rejected_column, rejected_constraint";
    let sql = format!("SELECT {columns} FROM {}", PostUnlessRejected::CALL);
    Call::of(&PostUnlessRejected::TYPES, &sql)
});

/// The statement that calls a function, with the types of its parameters.
struct Call {
    sql: String,
    types: Vec<Type>,
}

impl Call {
    fn of(types: &[u32], sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            // Each is a built-in type. The server would reject a call with one too few.
            types: types.iter().copied().filter_map(Type::from_oid).collect(),
        }
    }

    /// Returns the call of a function whose result is the time of its start; the statement adds the
    /// time of its end.
    fn timed(types: &[u32], call: &str) -> Self {
        let sql = format!("SELECT {call} AS now, pg_catalog.clock_timestamp() AS written");
        Self::of(types, &sql)
    }

    /// Sends a timed call, which commits.
    async fn write(
        &'static self,
        autocommit: Autocommit<'_>,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Posted, DatabaseError> {
        let written = autocommit.write(&self.sql, &self.types, parameters).await?;
        Ok(Posted::from(written))
    }
}

/// The parameters of a posting function in the order of its call: the columns of the transfers and
/// the named arguments.
macro_rules! parameters {
    ($function:ident, $columns:expr $(, $argument:ident: $value:expr)* $(,)?) => {
        $function::<&(dyn ToSql + Sync)> {
            transfer_id: &$columns.transfer_id,
            transfer_type: &$columns.transfer_type,
            amount: &$columns.amount,
            currency_code: &$columns.currency_code,
            description: &$columns.description,
            idempotency_key: &$columns.idempotency_key,
            request_hash: &$columns.request_hash,
            posted_at: &$columns.posted_at,
            from_account_id: &$columns.debit.account_id,
            from_entry_number: &$columns.debit.entry_number,
            from_balance: &$columns.debit.running_balance,
            debit_id: &$columns.debit.transaction_id,
            debit_description: &$columns.debit.description,
            to_account_id: &$columns.credit.account_id,
            to_entry_number: &$columns.credit.entry_number,
            to_balance: &$columns.credit.running_balance,
            credit_id: &$columns.credit.transaction_id,
            credit_description: &$columns.credit.description,
            group_id: &$columns.group_id.values,
            reverses_transfer_id: &$columns.reverses_transfer_id.values,
            hold_id: &$columns.hold_id.values,
            actor: &$columns.actor.values,
            metadata: &$columns.metadata.values,
            value_date: &$columns.value_date.values,
            $($argument: $value,)*
        }
        .parameters()
    };
}

/// As [`parameters!`], with the [`Preconditions`] in the form of [`PreconditionColumns`].
macro_rules! optimistic_parameters {
    ($function:ident, $columns:expr, $preconditions:expr $(, $argument:ident: $value:expr)* $(,)?) => {
        parameters!(
            $function,
            $columns,
            fence_account_id: &$preconditions.fence_account_id,
            fence_version: &$preconditions.fence_version,
            read_set_account_id: &$preconditions.account_id,
            read_set_version: &$preconditions.version,
            read_set_balance: &$preconditions.balance,
            read_set_held: &$preconditions.held,
            read_set_limit: &$preconditions.overdraft_limit,
            read_set_status: &$preconditions.status,
            unused_key: &$preconditions.unused_key,
            batch_lock: &$preconditions.batch_lock,
            hold_events: &$columns.hold_events,
            $($argument: $value,)*
        )
    };
}

/// The rows of a decision that exist, with their times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) transfers: HashMap<TransferId, DateTime<Utc>>,
    pub(super) hold_events: HashMap<HoldEventId, DateTime<Utc>>,
}

impl Found {
    /// Returns true if none of the rows exists.
    pub(super) fn is_empty(&self) -> bool {
        self.transfers.is_empty() && self.hold_events.is_empty()
    }

    /// Returns true if all of these rows exist.
    pub(super) fn is_all_of(&self, written: &WrittenRows) -> bool {
        self.transfers.len() == written.transfers.len()
            && self.hold_events.len() == written.hold_events.len()
    }
}

/// The statements that are prepared on one connection.
pub(super) struct Statements {
    lock_accounts: Prepared,
    read_completed: Prepared,
    post_transfers: Prepared,
}

/// The columns of new transfers, as arrays for one statement.
#[derive(Default)]
pub(super) struct TransferColumns {
    transfer_id: Vec<Uuid>,
    transfer_type: Vec<&'static str>,
    amount: Vec<Decimal>,
    currency_code: Vec<&'static str>,
    description: Vec<String>,
    idempotency_key: Vec<Option<String>>,
    request_hash: Vec<Option<Vec<u8>>>,
    posted_at: Vec<DateTime<Utc>>,
    debit: EntryColumns,
    credit: EntryColumns,
    group_id: Sparse<Uuid>,
    reverses_transfer_id: Sparse<Uuid>,
    hold_id: Sparse<Uuid>,
    actor: Sparse<String>,
    metadata: Sparse<serde_json::Value>,
    value_date: Sparse<NaiveDate>,
    hold_events: Option<serde_json::Value>,
}

/// A column that most batches leave empty.
struct Sparse<T> {
    /// None until the first value.
    values: Option<Vec<Option<T>>>,
    length: usize,
}

impl<T> Default for Sparse<T> {
    fn default() -> Self {
        Self {
            values: None,
            length: 0,
        }
    }
}

impl<T> Sparse<T> {
    fn push(&mut self, value: Option<T>) {
        if value.is_some() || self.values.is_some() {
            let values = self.values.get_or_insert_default();
            values.resize_with(self.length, || None);
            values.push(value);
        }
        self.length = self.length.saturating_add(1);
    }
}

/// The columns of one side of new transfers.
#[derive(Default)]
struct EntryColumns {
    account_id: Vec<Uuid>,
    entry_number: Vec<i64>,
    running_balance: Vec<Decimal>,
    transaction_id: Vec<Uuid>,
    description: Vec<String>,
}

impl Statements {
    /// Prepares the statements that the connection has not prepared yet.
    pub(super) async fn prepare(transaction: &Transaction) -> Result<Self, DatabaseError> {
        Ok(Self {
            lock_accounts: transaction
                .prepare(&LOCK_ACCOUNTS, &[Type::UUID_ARRAY])
                .await?,
            read_completed: transaction
                .prepare(&COMPLETED_TRANSFERS, &[Type::TEXT_ARRAY])
                .await?,
            post_transfers: transaction
                .prepare(&POST_TRANSFERS.sql, &POST_TRANSFERS.types)
                .await?,
        })
    }

    /// Locks the accounts and reads what the decision needs, in one round trip.
    pub(super) async fn lock_and_read(
        &self,
        transaction: &Transaction,
        batch: &Batch<'_>,
        rules: Rules,
    ) -> Result<LedgerState, DatabaseError> {
        // Before the accounts, so that others can use them while the batch waits for a closing.
        let open_days = if batch.names_a_day {
            open_days::lock(transaction, &batch.accounts).await?
        } else {
            BTreeMap::new()
        };
        let keys = &batch.keys;
        let accounts: Vec<Uuid> = batch.accounts.iter().map(|one| one.as_uuid()).collect();
        let accounts: [&(dyn ToSql + Sync); 1] = [&accounts];
        let locked = transaction.read_prepared(&self.lock_accounts, &accounts);
        let (locked, completed) = if keys.is_empty() {
            (locked.await?, Vec::new())
        } else {
            let keys: [&(dyn ToSql + Sync); 1] = [&keys];
            // Both are sent at once, and the second runs after the first holds the locks.
            pipeline(
                locked,
                transaction.read_prepared(&self.read_completed, &keys),
            )
            .await?
        };
        let now = match locked.first() {
            Some(row) => column(row, queries::NOW)?,
            // None of the accounts exists, and a value date is rejected with today's window.
            None => transaction.fetch_value(queries::server_time()).await?,
        };
        let mut state = LedgerState::new(now);
        state.rules = rules;
        state.accounts = locked
            .iter()
            .map(account_state)
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        state.completed = completed
            .iter()
            .map(completed_transfer)
            .collect::<Result<HashMap<_, _>, _>>()?;
        hold_statements::read_holds(transaction, batch, &mut state).await?;
        state.open_days = open_days;
        read_limits(transaction, &mut state).await?;
        read_groups(transaction, &mut state).await?;
        if batch.changes_holds {
            hold_statements::read_group_holds(transaction, batch, &mut state).await?;
        }
        if !batch.originals.is_empty() {
            state.originals = read_originals(transaction, &batch.originals).await?;
        }
        Ok(state)
    }

    /// Locks the accounts, and returns which of these rows exist then.
    pub(super) async fn find_written(
        transaction: &Transaction,
        accounts: &[AccountId],
        written: &WrittenRows,
    ) -> Result<Found, DatabaseError> {
        let lock = transaction
            .prepare(&LOCK_ACCOUNTS, &[Type::UUID_ARRAY])
            .await?;
        let find = transaction
            .prepare(&FIND_TRANSFERS, &[Type::UUID_ARRAY])
            .await?;
        let accounts: Vec<Uuid> = accounts.iter().map(|account| account.as_uuid()).collect();
        let ids = written.transfers.iter();
        let transfers: Vec<Uuid> = ids.map(|id| id.as_uuid()).collect();
        let (accounts, transfers): ([&(dyn ToSql + Sync); 1], [&(dyn ToSql + Sync); 1]) =
            ([&accounts], [&transfers]);
        let (_, found) = pipeline(
            transaction.read_prepared(&lock, &accounts),
            transaction.read_prepared(&find, &transfers),
        )
        .await?;
        let transfer = |row| {
            let transfer_id = column::<Uuid>(row, transfers::Column::TransferId.as_str())?;
            let posted_at = column(row, transfers::Column::PostedAt.as_str())?;
            Ok::<_, DatabaseError>((transfer_id.into(), posted_at))
        };
        let transfers = found.iter().map(transfer).collect::<Result<_, _>>()?;
        let hold_events = if written.hold_events.is_empty() {
            HashMap::new()
        } else {
            hold_statements::find_hold_events(transaction, &written.hold_events).await?
        };
        Ok(Found {
            transfers,
            hold_events,
        })
    }

    /// Commits a transaction that holds locks on accounts and has written nothing, so that every
    /// row that it saw is as durable as its own commit.
    pub(super) async fn commit_durably(transaction: Transaction) -> Result<(), DatabaseError> {
        let durably = transaction.prepare(COMMIT_DURABLY, &[]).await?;
        transaction.execute_and_commit(&[(&durably, &[])]).await?;
        Ok(())
    }

    /// As [`Self::commit_durably`], for a transaction that the caller commits later.
    pub(super) async fn become_durable(transaction: &Transaction) -> Result<(), DatabaseError> {
        let durably = transaction.prepare(COMMIT_DURABLY, &[]).await?;
        transaction.execute_prepared(&durably, &[]).await?;
        Ok(())
    }

    /// Increments an account's version, so that a statement whose fence has the older version
    /// fails.
    pub(super) async fn increment_version(
        transaction: &Transaction,
        account: AccountId,
    ) -> Result<(), DatabaseError> {
        let increment = transaction
            .prepare(&INCREMENT_VERSION, &[Type::UUID])
            .await?;
        transaction
            .execute_prepared(&increment, &[&account.as_uuid()])
            .await?;
        Ok(())
    }

    /// Returns the accounts that another session has locked at this moment, and locks the others.
    pub(super) async fn locked_by_others(
        transaction: &Transaction,
        accounts: &[AccountId],
    ) -> Result<HashSet<AccountId>, DatabaseError> {
        let find = transaction
            .prepare(&LOCKED_BY_OTHERS, &[Type::UUID_ARRAY])
            .await?;
        let accounts: Vec<Uuid> = accounts.iter().map(|account| account.as_uuid()).collect();
        let rows = transaction.read_prepared(&find, &[&accounts]).await?;
        rows.iter()
            .map(|row| Ok(column::<Uuid>(row, accounts::Column::AccountId.as_str())?.into()))
            .collect()
    }

    /// Waits for the lock of an account, which the transaction holds from then on.
    pub(super) async fn wait_for_lock(
        transaction: &Transaction,
        account: AccountId,
    ) -> Result<(), DatabaseError> {
        let lock = transaction
            .prepare(&LOCK_ACCOUNTS, &[Type::UUID_ARRAY])
            .await?;
        transaction
            .read_prepared(&lock, &[&vec![account.as_uuid()]])
            .await?;
        Ok(())
    }

    /// Writes and commits in one round trip.
    pub(super) async fn write_and_commit(
        &self,
        transaction: Transaction,
        transfers: &TransferColumns,
    ) -> Result<(), DatabaseError> {
        transaction
            .execute_and_commit(&[(
                &self.post_transfers,
                &parameters!(PostTransfers, transfers, hold_events: &transfers.hold_events),
            )])
            .await?;
        Ok(())
    }

    /// Writes the transfers that the database accepts. Returns the indexes of the others, each with
    /// the database's error, or with none where the database rejects a transfer that it depends on.
    pub(super) async fn post_unless_rejected(
        transaction: &Transaction,
        transfers: &TransferColumns,
    ) -> Result<BTreeMap<usize, Option<DatabaseError>>, DatabaseError> {
        let post = transaction
            .prepare(&POST_UNLESS_REJECTED.sql, &POST_UNLESS_REJECTED.types)
            .await?;
        let rows = transaction
            .read_prepared(
                &post,
                &parameters!(PostUnlessRejected, transfers, hold_events: &transfers.hold_events),
            )
            .await?;
        rows.iter()
            .map(|row| {
                let place = usize::try_from(column::<i32>(row, "place")?);
                let place = place.ok().and_then(|place| place.checked_sub(1));
                Ok((place.ok_or_else(|| unreadable("place"))?, caught(row)?))
            })
            .collect()
    }

    /// Writes in one round trip, inside the caller's transaction.
    pub(super) async fn write(
        &self,
        transaction: &Transaction,
        transfers: &TransferColumns,
    ) -> Result<(), DatabaseError> {
        let parameters = parameters!(PostTransfers, transfers, hold_events: &transfers.hold_events);
        transaction
            .execute_prepared(&self.post_transfers, &parameters)
            .await?;
        Ok(())
    }
}

/// Reads accounts without locks. An account that does not exist is omitted.
pub(super) async fn read_optimistic(
    autocommit: Autocommit<'_>,
    accounts: &[AccountId],
) -> Result<Vec<(AccountId, AccountState)>, DatabaseError> {
    let accounts: Vec<Uuid> = accounts.iter().map(|account| account.as_uuid()).collect();
    let rows = autocommit
        .read(&READ_ACCOUNTS, &[Type::UUID_ARRAY], &[&accounts])
        .await?;
    rows.iter().map(account_state).collect()
}

/// Posts an optimistic decision and commits it, in one round trip.
pub(super) async fn write_optimistic(
    autocommit: Autocommit<'_>,
    transfers: &TransferColumns,
    preconditions: &Preconditions,
) -> Result<Posted, DatabaseError> {
    let columns = PreconditionColumns::of(preconditions);
    let Some(predecessor) = &preconditions.predecessor else {
        let parameters = optimistic_parameters!(PostTransfersOptimistic, transfers, columns);
        return POST_OPTIMISTIC.write(autocommit, &parameters).await;
    };
    let predecessor_transfer = predecessor.transfer.as_uuid();
    let parameters = optimistic_parameters!(
        PostTransfersPipelined,
        transfers,
        columns,
        predecessor_batch_lock: &predecessor.batch_lock,
        predecessor_transfer_id: &predecessor_transfer,
    );
    POST_PIPELINED.write(autocommit, &parameters).await
}

/// The result of a committed [`write_optimistic`].
pub(super) struct Posted {
    /// The server's times; an error where they cannot be read. The transfers are committed in both
    /// cases.
    pub(super) times: Result<PostedTimes, DatabaseError>,
    /// False when the wait for the standbys was cancelled.
    pub(super) replicated: bool,
}

/// The server's times of one posting statement.
pub(super) struct PostedTimes {
    /// The start of the statement, which is the time of its transfers.
    pub(super) now: DateTime<Utc>,
    /// The time from there until the server could commit.
    pub(super) writing: Duration,
}

impl From<Written> for Posted {
    fn from(written: Written) -> Self {
        Self {
            times: PostedTimes::of(&written),
            replicated: written.replicated,
        }
    }
}

impl PostedTimes {
    fn of(written: &Written) -> Result<Self, DatabaseError> {
        let row = written.rows.first().ok_or(DatabaseError::NoRow)?;
        let now: DateTime<Utc> = column(row, "now")?;
        let written: DateTime<Utc> = column(row, "written")?;
        // Negative when the server's clock was set back meanwhile.
        let writing = written.signed_duration_since(now).to_std();
        Ok(Self {
            now,
            writing: writing.unwrap_or_default(),
        })
    }
}

/// The preconditions of a decision that was made without locks. The database rejects the decision
/// unless they hold.
pub(super) struct Preconditions {
    /// The fence: one of the accounts. Once its version is incremented, the decision is never
    /// written.
    pub(super) fence: AccountId,
    pub(super) fence_version: i64,
    /// The accounts of rejected requests, as the decision leaves them.
    pub(super) read_set: ReadSetColumns,
    /// The keys of rejected requests, which no transfer may have.
    pub(super) unused_keys: Vec<String>,
    /// The advisory lock that the statement holds until it has ended, for a successor to wait for.
    pub(super) batch_lock: Option<i64>,
    /// The statement in flight whose speculative state the decision depends on.
    pub(super) predecessor: Option<Predecessor>,
}

/// A statement that is in flight, or has just ended.
pub(super) struct Predecessor {
    /// The advisory lock that it holds until it has ended.
    pub(super) batch_lock: i64,
    /// One of its transfers, which exists only if it has committed.
    pub(super) transfer: TransferId,
}

/// The read set: everything of accounts that a rejection can depend on, as arrays for one
/// statement.
#[derive(Default)]
pub(super) struct ReadSetColumns {
    account_id: Vec<Uuid>,
    version: Vec<i64>,
    balance: Vec<Decimal>,
    held: Vec<Decimal>,
    overdraft_limit: Vec<Option<Decimal>>,
    status: Vec<&'static str>,
}

impl<'a> FromIterator<&'a AccountState> for ReadSetColumns {
    fn from_iter<I: IntoIterator<Item = &'a AccountState>>(accounts: I) -> Self {
        let mut columns = Self::default();
        for account in accounts {
            columns.account_id.push(account.account_id.as_uuid());
            columns.version.push(account.version);
            columns.balance.push(account.balance);
            columns.held.push(account.held);
            columns.overdraft_limit.push(account.overdraft_limit);
            columns.status.push(account.status.as_str());
        }
        columns
    }
}

/// Preconditions as parameters. An empty read set, the usual case, and an empty list of keys are
/// null.
struct PreconditionColumns<'a> {
    fence_account_id: Uuid,
    fence_version: i64,
    account_id: Option<&'a Vec<Uuid>>,
    version: Option<&'a Vec<i64>>,
    balance: Option<&'a Vec<Decimal>>,
    held: Option<&'a Vec<Decimal>>,
    overdraft_limit: Option<&'a Vec<Option<Decimal>>>,
    status: Option<&'a Vec<&'static str>>,
    unused_key: Option<&'a Vec<String>>,
    batch_lock: Option<i64>,
}

impl<'a> PreconditionColumns<'a> {
    fn of(preconditions: &'a Preconditions) -> Self {
        let read_set = Some(&preconditions.read_set).filter(|set| !set.account_id.is_empty());
        Self {
            fence_account_id: preconditions.fence.as_uuid(),
            fence_version: preconditions.fence_version,
            account_id: read_set.map(|columns| &columns.account_id),
            version: read_set.map(|columns| &columns.version),
            balance: read_set.map(|columns| &columns.balance),
            held: read_set.map(|columns| &columns.held),
            overdraft_limit: read_set.map(|columns| &columns.overdraft_limit),
            status: read_set.map(|columns| &columns.status),
            unused_key: Some(&preconditions.unused_keys).filter(|keys| !keys.is_empty()),
            batch_lock: preconditions.batch_lock,
        }
    }
}

impl TransferColumns {
    /// Returns what a decision writes as columns.
    pub(super) fn of(decision: Decision) -> Self {
        let mut columns = Self {
            hold_events: hold_statements::parameter(&decision.hold_events),
            ..Self::default()
        };
        for transfer in decision.transfers {
            columns.push(transfer);
        }
        columns
    }

    fn push(&mut self, new: NewTransfer) {
        let NewTransfer {
            receipt,
            description,
            debit_description,
            credit_description,
            key,
            group_id,
            actor,
            metadata,
            value_date,
            capture: _,
        } = new;
        let (key, hash) = key.map(|(key, hash)| (key, hash.to_vec())).unzip();
        self.transfer_id.push(receipt.transfer_id.as_uuid());
        self.transfer_type.push(receipt.transfer_type.as_str());
        self.amount.push(receipt.amount.amount());
        self.currency_code.push(receipt.amount.currency().code());
        self.description.push(description);
        self.idempotency_key.push(key);
        self.request_hash.push(hash);
        self.posted_at.push(receipt.posted_at);
        self.debit.push(&receipt.debit, debit_description);
        self.credit.push(&receipt.credit, credit_description);
        self.group_id.push(group_id.map(GroupId::as_uuid));
        self.reverses_transfer_id
            .push(receipt.reverses.map(TransferId::as_uuid));
        self.hold_id.push(receipt.hold.map(HoldId::as_uuid));
        self.actor.push(actor.map(|actor| actor.to_string()));
        self.metadata
            .push(metadata.map(|metadata| metadata.to_value()));
        self.value_date.push(value_date);
    }
}

impl EntryColumns {
    fn push(&mut self, entry: &EntryReceipt, description: String) {
        self.account_id.push(entry.account_id.as_uuid());
        self.entry_number.push(entry.entry_number);
        self.running_balance.push(entry.running_balance.amount());
        self.transaction_id.push(entry.transaction_id.as_uuid());
        self.description.push(description);
    }
}

/// Reads the limits of the locked accounts that have some, with their uses.
async fn read_limits(
    transaction: &Transaction,
    state: &mut LedgerState,
) -> Result<(), DatabaseError> {
    let limited = state.accounts.values().filter(|one| one.has_limits);
    let limited: Vec<AccountId> = limited.map(|one| one.account_id).collect();
    if limited.is_empty() {
        return Ok(());
    }
    for (account, found) in limits::read(transaction, &limited, state.now).await? {
        if let Some(account) = state.accounts.get_mut(&account) {
            account.limits.push(found);
        }
    }
    Ok(())
}

/// Reads the transfers of the completed groups.
async fn read_groups(
    transaction: &Transaction,
    state: &mut LedgerState,
) -> Result<(), DatabaseError> {
    let of_transfers = state.completed.values().filter_map(|one| one.group_id);
    let of_holds = state.completed_holds.values();
    let groups = of_transfers.chain(of_holds.filter_map(|one| one.group_id));
    let groups: Vec<Uuid> = groups.map(|group| group.as_uuid()).collect();
    if groups.is_empty() {
        return Ok(());
    }
    let find = transaction
        .prepare(&GROUP_TRANSFERS, &[Type::UUID_ARRAY])
        .await?;
    let rows = transaction.read_prepared(&find, &[&groups]).await?;
    let mut members: HashMap<GroupId, Vec<Receipt>> = HashMap::new();
    for row in &rows {
        let group: Uuid = column(row, transfers::Column::GroupId.as_str())?;
        members
            .entry(group.into())
            .or_default()
            .push(posted_receipt(row)?);
    }
    for completed in state.completed.values_mut() {
        if let Some(group) = completed.group_id {
            completed.group = members.remove(&group).unwrap_or_default();
        }
    }
    for completed in state.completed_holds.values_mut() {
        if let Some(group) = completed.group_id {
            completed.group_transfers = members.remove(&group).unwrap_or_default();
        }
    }
    Ok(())
}

/// Reads transfers with the sums of their reversals. Their accounts are locked, so no reversal is
/// missed.
async fn read_originals(
    transaction: &Transaction,
    originals: &[TransferId],
) -> Result<BTreeMap<TransferId, OriginalTransfer>, DatabaseError> {
    use transfers::Column;
    let originals: Vec<Uuid> = originals.iter().map(|id| id.as_uuid()).collect();
    let find = transaction
        .prepare(&ORIGINAL_TRANSFERS, &[Type::UUID_ARRAY])
        .await?;
    let rows = transaction.read_prepared(&find, &[&originals]).await?;
    let original = |row: &Row| {
        let id = |column_name: Column| column::<Uuid>(row, column_name.as_str());
        Ok((
            TransferId::from(id(Column::TransferId)?),
            OriginalTransfer {
                transfer_type: transfer_type(row)?,
                from: id(Column::FromAccountId)?.into(),
                to: id(Column::ToAccountId)?.into(),
                amount: money(row, Column::Amount.as_str())?,
                reversed: column(row, queries::REVERSED)?,
            },
        ))
    };
    rows.iter().map(original).collect()
}

fn account_state(row: &Row) -> Result<(AccountId, AccountState), DatabaseError> {
    use accounts::Column;
    let account_id = AccountId::from(column::<Uuid>(row, Column::AccountId.as_str())?);
    let overdraft_limit: Option<Decimal> = column(row, Column::OverdraftLimit.as_str())?;
    let opened_at: DateTime<Utc> = column(row, Column::OpenedAt.as_str())?;
    let state = AccountState {
        account_id,
        account_number: column(row, Column::AccountNumber.as_str())?,
        currency: currency(row)?,
        status: column::<&str>(row, Column::AccountStatus.as_str())?
            .parse()
            .map_err(|_| unreadable(Column::AccountStatus.as_str()))?,
        balance: column(row, Column::CurrentBalance.as_str())?,
        held: column(row, Column::HeldBalance.as_str())?,
        overdraft_limit,
        opened_at: overdraft_limit.is_some().then_some(opened_at),
        last_entry_number: column(row, Column::LastEntryNumber.as_str())?,
        last_entry_at: column(row, Column::LastEntryAt.as_str())?,
        version: column(row, Column::Version.as_str())?,
        has_limits: column(row, Column::HasLimits.as_str())?,
        limits: Vec::new(),
    };
    Ok((account_id, state))
}

fn completed_transfer(row: &Row) -> Result<(String, CompletedTransfer), DatabaseError> {
    use transfers::Column;
    let request_hash = column::<&[u8]>(row, Column::RequestHash.as_str())?
        .try_into()
        .map_err(|_| unreadable(Column::RequestHash.as_str()))?;
    let group_id: Option<Uuid> = column(row, Column::GroupId.as_str())?;
    Ok((
        column(row, Column::IdempotencyKey.as_str())?,
        CompletedTransfer {
            request_hash,
            receipt: posted_receipt(row)?,
            group_id: group_id.map(GroupId::from),
            group: Vec::new(),
        },
    ))
}

/// Reads the receipt of a posted transfer.
fn posted_receipt(row: &Row) -> Result<Receipt, DatabaseError> {
    use transfers::Column;
    let money = |name| money(row, name);
    let entry = |id, account, number, balance| {
        Ok::<_, DatabaseError>(EntryReceipt {
            transaction_id: column::<Uuid>(row, id)?.into(),
            account_id: column::<Uuid>(row, account)?.into(),
            entry_number: column(row, number)?,
            running_balance: money(balance)?,
        })
    };
    let reverses: Option<Uuid> = column(row, Column::ReversesTransferId.as_str())?;
    let hold: Option<Uuid> = column(row, Column::HoldId.as_str())?;
    Ok(Receipt {
        transfer_id: column::<Uuid>(row, Column::TransferId.as_str())?.into(),
        transfer_type: transfer_type(row)?,
        amount: money(Column::Amount.as_str())?,
        debit: entry(
            queries::DEBIT_ID,
            Column::FromAccountId.as_str(),
            Column::FromEntryNumber.as_str(),
            queries::FROM_BALANCE,
        )?,
        credit: entry(
            queries::CREDIT_ID,
            Column::ToAccountId.as_str(),
            Column::ToEntryNumber.as_str(),
            queries::TO_BALANCE,
        )?,
        posted_at: column(row, Column::PostedAt.as_str())?,
        reverses: reverses.map(TransferId::from),
        hold: hold.map(HoldId::from),
    })
}

fn transfer_type(row: &Row) -> Result<TransferType, DatabaseError> {
    let name = transfers::Column::TransferType.as_str();
    column::<&str>(row, name)?
        .parse()
        .map_err(|_| unreadable(name))
}

/// Reads an amount in the currency of its row.
pub(super) fn money(row: &Row, name: &str) -> Result<Money, DatabaseError> {
    let currency = currency(row)?;
    column::<Decimal>(row, name)
        .and_then(|amount| Money::new(amount, currency).map_err(|_| unreadable(name)))
}

/// Returns the error in a row of [`POST_UNLESS_REJECTED`], if the row has one.
fn caught(row: &Row) -> Result<Option<DatabaseError>, DatabaseError> {
    let text = |name: &str| {
        let text = column::<Option<String>>(row, name)?;
        // The server returns the empty text for a missing field.
        Ok::<_, DatabaseError>(text.filter(|text| !text.is_empty()))
    };
    let Some(sqlstate) = text("rejected_sqlstate")? else {
        return Ok(None);
    };
    let message = text("rejected_message")?.unwrap_or_default();
    let mut error = ServerError::caught(sqlstate, message);
    error.detail = text("rejected_detail")?;
    error.hint = text("rejected_hint")?;
    error.schema = text("rejected_schema")?;
    error.table = text("rejected_table")?;
    error.column = text("rejected_column")?;
    error.constraint = text("rejected_constraint")?;
    Ok(Some(Box::new(error).into()))
}

fn currency(row: &Row) -> Result<Currency, DatabaseError> {
    let name = accounts::Column::CurrencyCode.as_str();
    Currency::from_code(column(row, name)?).map_err(|_| unreadable(name))
}

pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, name: &str) -> Result<T, DatabaseError> {
    row.try_get(name).map_err(|error| DatabaseError::Row {
        reason: error.to_string(),
    })
}

pub(super) fn unreadable(name: &str) -> DatabaseError {
    DatabaseError::Row {
        reason: format!("{name} holds a value that this version does not know"),
    }
}
