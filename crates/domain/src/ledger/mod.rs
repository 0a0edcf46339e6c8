//! The ledger: the only code that moves money.
//!
//! Each call is a list of requests: the ledger **locks and reads** the accounts, **decides** in
//! pure Rust ([`decide`]), **writes** and **commits**. A single transfer is the list of length one.
//! It costs two round trips to the server: `BEGIN`, the locks and the look-up of keys travel
//! together, and so do the writes and the commit. An account in the account cache is neither locked
//! nor read: the ledger decides on the cached account, and one round trip writes and commits. The
//! database validates the cached versions in that round trip. On a conflict it writes nothing, and
//! the ledger takes the locks.
//!
//! Concurrent callers share transactions ([`group_commit`]).
//!
//! The database checks every entry against its account and its transfer, and moves the balances
//! itself, so a fault here becomes an error there and not a wrong balance.

mod account_cache;
mod actor;
mod builder;
mod decision;
mod engine;
mod error;
mod execution;
pub mod group_commit;
mod group_reversal;
mod hold_cursor;
mod hold_statements;
pub mod holds;
mod in_doubt;
mod metadata;
mod open_days;
mod optimistic;
mod originals;
mod queries;
mod receipt;
mod rejected;
mod rejection;
mod request;
mod statements;

use std::sync::Arc;
use std::time::{Duration, Instant};

use neobank_db::{Database, DatabaseError, Transaction};

pub use account_cache::AccountCacheMetrics;
pub use actor::{Actor, NotAnActor};
pub use builder::LedgerBuilder;
pub use decision::{
    AccountState, CompletedHold, CompletedTransfer, DESCRIPTION_LENGTH_MAX, Decision, HoldState,
    IDEMPOTENCY_KEY_LENGTH_MAX, IdentifiedRequest, Identifiers, LedgerState, NewHoldEvent,
    NewTransfer, OpenDays, OriginalTransfer, Rules, decide,
};
pub use error::LedgerError;
pub use hold_cursor::{HoldCursor, NotAHoldCursor};
pub use holds::{Hold, HoldEvent, HoldFilter};
pub use metadata::{Metadata, MetadataError};
pub use neobank_entity::enums::{EntryType, HoldEventType, HoldStatus, TransferType};
pub use receipt::{
    EntryReceipt, GroupReceipt, HoldReceipt, NotAReferenceNumber, Outcome, Receipt,
    ReferenceNumber, StepReceipt,
};
pub use rejection::Rejection;
pub use request::{
    AdjustmentRequest, AmountLimit, Attributes, CaptureRequest, Comparison, Condition,
    ExchangeError, ExchangeRequest, ExpiryRequest, Given, GroupRequest, HoldReference, HoldRequest,
    JournalLine, Measure, PostingKind, PostingRequest, Quote, ReleaseRequest, Request,
    ReversalRequest, Rounding, StepCondition, SystemAccount, TransferRequest,
};

use crate::{GroupId, change_log};
use engine::Engine;
use execution::{Batch, KEY_RACES_MAX, WholeBatch, is_key_race};
use group_commit::{GroupCommitMetrics, GroupCommitOptions, GroupCommitOptionsError, Queue};
use statements::{Statements, TransferColumns};

/// Moves money. Cheap to clone: all clones share the account cache and the queue of group commit,
/// so one ledger for the whole process is best.
///
/// # Example
///
/// ```no_run
/// use neobank_db::{Database, DatabaseConfig};
/// use neobank_domain::{
///     AccountId, Currency, Ledger, LedgerError, Money, Rejection, TransferRequest,
/// };
///
/// # async fn example(from: AccountId, to: AccountId) -> Result<(), Box<dyn std::error::Error>> {
/// let ledger = Ledger::new(Database::connect(DatabaseConfig::from_environment()?).await?);
/// let amount = Money::parse("250.00", Currency::from_code("CZK")?)?;
/// let request = TransferRequest::new(from, to, amount)
///     .with_description("Rent")
///     .with_idempotency_key("rent-2026-11");
/// match ledger.transfer(request).await {
///     Ok(receipt) => {
///         println!("{} leaves {}", receipt.reference_number(), receipt.debit.running_balance);
///     }
///     Err(LedgerError::Rejected(Rejection::InsufficientFunds { available, .. })) => {
///         println!("only {available}");
///     }
///     Err(other) => return Err(other.into()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Ledger {
    engine: Engine,
    /// The actor of every request.
    actor: Option<Actor>,
    /// None when each call has a transaction of its own.
    queue: Option<Arc<Queue>>,
}

impl Ledger {
    /// The most requests in one call. A transaction locks each account and holds each request in
    /// memory.
    pub const REQUESTS_MAX: usize = 50_000;

    /// The default limit on the accounts in the account cache. Each takes about 300 bytes.
    pub const ACCOUNT_CACHE_CAPACITY: usize = 65_536;

    /// Returns a ledger with the default settings; [`Ledger::builder`] takes others.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self::builder(database).build_validated()
    }

    /// Starts a ledger with settings of its own.
    pub fn builder(database: Database) -> LedgerBuilder {
        LedgerBuilder::new(database)
    }

    /// Returns a ledger with a queue of its own that shares this one's account cache.
    ///
    /// Two queues keep one kind of caller from filling the other's: give a bulk job a queue with
    /// its own `waiting_max`.
    ///
    /// # Errors
    ///
    /// [`GroupCommitOptionsError`] names the limit that is out of its range.
    pub fn with_group_commit(
        &self,
        options: GroupCommitOptions,
    ) -> Result<Self, GroupCommitOptionsError> {
        options.validate()?;
        Ok(Self {
            queue: Some(Arc::new(Queue::new(&self.engine, options))),
            engine: self.engine.clone(),
            actor: self.actor.clone(),
        })
    }

    /// Returns a ledger that gives each call a transaction of its own and shares this one's account
    /// cache.
    #[must_use]
    pub fn without_group_commit(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            queue: None,
            actor: self.actor.clone(),
        }
    }

    /// Returns a handle whose calls end by a deadline, or by an earlier one of this handle.
    ///
    /// A request that has not been decided on by its deadline is not executed, and its caller gets
    /// [`DeadlineExceeded`](neobank_db::DatabaseError::DeadlineExceeded). The caller of a request
    /// that has been decided on waits for the commit for a second longer than the deadline; then it
    /// gets [`LedgerError::Unknown`], while the ledger still executes the request or resolves its
    /// outcome.
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        Self {
            engine: self.engine.with_deadline(deadline),
            queue: self.queue.clone(),
            actor: self.actor.clone(),
        }
    }

    /// Returns a handle whose requests the ledger records as those of an actor. It shares the
    /// account cache and the queue.
    #[must_use]
    pub fn acting_as(&self, actor: Actor) -> Self {
        Self {
            actor: Some(actor),
            ..self.clone()
        }
    }

    /// Begins a transaction whose changes of customers, accounts and preferences the database
    /// records as those of this handle's actor ([`change_log`]).
    ///
    /// The caller makes the changes in the transaction and commits it.
    ///
    /// # Errors
    ///
    /// [`Rejection::ActorRequired`] without an actor where [`LedgerBuilder::require_actor`] asks for
    /// one, and [`LedgerError::Database`].
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use neobank_domain::{AccountId, Ledger, accounts};
    /// # async fn example(ledger: Ledger, id: AccountId) -> Result<(), Box<dyn std::error::Error>> {
    /// let teller = ledger.acting_as("teller:42".parse()?);
    /// let change = teller.begin_change().await?;
    /// accounts::freeze(&change, id).await?;
    /// change.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn begin_change(&self) -> Result<Transaction, LedgerError> {
        let requires_actor = self.engine.rules.requires_actor;
        if requires_actor && self.actor.is_none() {
            return Err(Rejection::ActorRequired.into());
        }
        let transaction = self.engine.database.begin().await?;
        change_log::begin_as(&transaction, self.actor.as_ref(), requires_actor).await?;
        Ok(transaction)
    }

    /// Counts of the optimistic attempts and of the cached accounts since the ledger was built.
    #[must_use]
    pub fn account_cache_metrics(&self) -> AccountCacheMetrics {
        self.engine.account_cache.metrics()
    }

    /// Counts of group commit since the ledger was built; all are zero without group commit.
    #[must_use]
    pub fn group_commit_metrics(&self) -> GroupCommitMetrics {
        let metrics = self.queue.as_deref().map(Queue::metrics);
        metrics.unwrap_or_default()
    }

    /// The database that the ledger works on.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.engine.database
    }

    /// Moves an amount from one account to another, durably.
    ///
    /// The transfer shares its transaction with those of other callers ([`group_commit`]). A caller
    /// that drops this future before the request is decided on withdraws it; after that the ledger
    /// executes it to the end.
    ///
    /// # Errors
    ///
    /// * [`LedgerError::Rejected`] with the reason; nothing was changed.
    /// * [`LedgerError::Database`] for a failure that changed nothing.
    /// * [`LedgerError::NotReplicated`] when the transfer is committed and a standby may lack it.
    /// * [`LedgerError::Unknown`] when the answer to a commit was lost and the database could not
    ///   be asked for its outcome within [`Ledger::in_doubt_limit`]. Until then the ledger resolves
    ///   the outcome, and posts the transfer again if it did not happen.
    /// * [`LedgerError::Overloaded`] when [`GroupCommitOptions::waiting_max`] requests wait
    ///   already, and [`LedgerError::Stopped`] when the runtime was shut down.
    pub async fn transfer(&self, request: TransferRequest) -> Result<Receipt, LedgerError> {
        self.submit(request).await
    }

    /// As [`Ledger::transfer`], for a request of any kind that moves money.
    ///
    /// # Errors
    ///
    /// As [`Ledger::transfer`]; [`Rejection::NoTransfer`] for a hold or a release, which the ledger
    /// does not execute.
    pub async fn submit(&self, request: impl Into<Request>) -> Result<Receipt, LedgerError> {
        let request = request.into();
        if !request.can_move_money() {
            return Err(Rejection::NoTransfer.into());
        }
        Ok(self.execute(request).await?.into_receipt()?)
    }

    /// As [`Ledger::transfer`], for a request of any kind, with the whole outcome: it tells a new
    /// posting from the replay of an earlier one. A rejection is an error.
    ///
    /// # Errors
    ///
    /// As [`Ledger::transfer`].
    pub async fn outcome(&self, request: impl Into<Request>) -> Result<Outcome, LedgerError> {
        match self.execute(request.into()).await? {
            Outcome::Rejected(rejection) => Err(rejection.into()),
            outcome => Ok(outcome),
        }
    }

    /// As [`Ledger::transfer`], for requests that are posted together or not at all.
    ///
    /// # Errors
    ///
    /// As [`Ledger::transfer`]; [`Rejection::GroupStep`] names the step that was rejected.
    pub async fn submit_group(&self, group: GroupRequest) -> Result<GroupReceipt, LedgerError> {
        let outcome = self.execute(group.into()).await?;
        Ok(outcome.into_group_receipt()?)
    }

    /// Moves the money of an earlier transfer back, in whole or in part, durably.
    ///
    /// # Errors
    ///
    /// As [`Ledger::transfer`].
    pub async fn reverse(&self, reversal: ReversalRequest) -> Result<Receipt, LedgerError> {
        self.submit(reversal).await
    }

    /// Reverses every transfer of a group and releases what remains of the holds that it has made,
    /// the last step first, as a group of its own. `idempotency_key` and `description` are those of
    /// the new group. A hold that has ended has nothing to release, and what other requests have
    /// captured of it stays.
    ///
    /// # Errors
    ///
    /// As [`Ledger::submit_group`]. An unknown group is a group without steps:
    /// [`Rejection::GroupSize`]. [`Rejection::ReleasedByGroup`] for a group that has released
    /// another hold than its own, which cannot be reserved again.
    pub async fn reverse_group(
        &self,
        group: GroupId,
        description: impl Into<String> + Send,
        idempotency_key: Option<String>,
    ) -> Result<GroupReceipt, LedgerError> {
        let mut reversal = self.reversal_of_group(group).await?;
        reversal = reversal.with_description(description);
        reversal.idempotency_key = idempotency_key;
        self.submit_group(reversal).await
    }

    /// Returns the group that reverses another one, as [`Ledger::reverse_group`] posts it, without a
    /// description and a key.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`], and [`Rejection::ReleasedByGroup`].
    pub async fn reversal_of_group(&self, group: GroupId) -> Result<GroupRequest, LedgerError> {
        let mut reversal = GroupRequest::new();
        reversal.steps = group_reversal::steps(&self.engine.database, group).await?;
        Ok(reversal)
    }

    async fn execute(&self, mut request: Request) -> Result<Outcome, LedgerError> {
        let requests = std::slice::from_mut(&mut request);
        let Engine {
            database,
            account_cache,
            ..
        } = &self.engine;
        originals::resolve(database, Some(account_cache), requests).await?;
        match &self.queue {
            Some(queue) => {
                let deadline = self.engine.database.deadline();
                queue.submit(request, self.actor.clone(), deadline).await
            }
            None => single(self.run_all(&[request]).await?),
        }
    }

    /// Executes a batch: its requests in their order, in one transaction of their own. Each has its
    /// own outcome and sees the balances that the requests before it left. A rejected one does not
    /// affect the others.
    ///
    /// # Errors
    ///
    /// * [`LedgerError::TooManyRequests`] above [`Ledger::REQUESTS_MAX`], counting each step of a
    ///   group; no request was executed.
    /// * [`LedgerError::Database`]; no request was executed.
    /// * [`LedgerError::NotReplicated`] when the requests are committed and a standby may lack them.
    /// * [`LedgerError::Unknown`], as [`Ledger::transfer`].
    pub async fn submit_all(&self, requests: &[Request]) -> Result<Vec<Outcome>, LedgerError> {
        let Engine {
            database,
            account_cache,
            ..
        } = &self.engine;
        let requests = originals::resolved(database, Some(account_cache), requests).await?;
        self.run_all(&requests).await
    }

    async fn run_all(&self, requests: &[Request]) -> Result<Vec<Outcome>, LedgerError> {
        let batch = Batch::new(requests, self.actor.as_ref())?;
        let mut whole = WholeBatch(batch.requests.len());
        Ok(execution::run(&self.engine, &batch, &mut whole).await?)
    }

    /// The longest time for which the ledger resolves a commit without an answer before it returns
    /// [`LedgerError::Unknown`]:
    /// [`DatabaseConfig::in_doubt_limit`](neobank_db::DatabaseConfig::in_doubt_limit).
    #[must_use]
    pub fn in_doubt_limit(&self) -> Duration {
        self.engine.in_doubt_limit()
    }

    /// The longest time of one attempt at a batch when the server's answer is lost or never comes:
    /// [`DatabaseConfig::silence_limit`](neobank_db::DatabaseConfig::silence_limit) until the
    /// ledger closes its connection, and [`Ledger::in_doubt_limit`] until it knows the outcome or
    /// returns [`LedgerError::Unknown`].
    ///
    /// The ledger begins no further attempt after that time, so a batch ends within twice as long:
    /// with the defaults within 204 seconds when a server stands still, and usually as soon as it
    /// answers again. With group commit, the wait for a worker and, where another session holds an
    /// account, [`lock_timeout`](neobank_db::DatabaseConfig::lock_timeout) come on top. With a
    /// deadline, a call ends two seconds after it at the latest.
    #[must_use]
    pub fn call_limit(&self) -> Duration {
        self.engine.call_limit()
    }

    /// As [`Ledger::transfer`], inside the caller's transaction: durable when that commits. A
    /// rejection undoes only the transfer and leaves the transaction usable.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Rejected`], [`LedgerError::Database`].
    pub async fn transfer_in(
        &self,
        transaction: &mut Transaction,
        request: TransferRequest,
    ) -> Result<Receipt, LedgerError> {
        self.submit_in(transaction, request).await
    }

    /// As [`Ledger::submit`], inside the caller's transaction.
    ///
    /// # Errors
    ///
    /// As [`Ledger::transfer_in`].
    pub async fn submit_in(
        &self,
        transaction: &mut Transaction,
        request: impl Into<Request>,
    ) -> Result<Receipt, LedgerError> {
        let request = request.into();
        if !request.can_move_money() {
            return Err(Rejection::NoTransfer.into());
        }
        let outcomes = self.submit_all_in(transaction, &[request]).await?;
        Ok(single(outcomes)?.into_receipt()?)
    }

    /// As [`Ledger::submit_all`], inside the caller's transaction.
    ///
    /// # Errors
    ///
    /// [`LedgerError::TooManyRequests`], [`LedgerError::Database`]; in both cases no request was
    /// executed and the transaction stays usable, unless its connection is lost.
    pub async fn submit_all_in(
        &self,
        transaction: &mut Transaction,
        requests: &[Request],
    ) -> Result<Vec<Outcome>, LedgerError> {
        let requests = originals::resolved(&*transaction, None, requests).await?;
        let batch = Batch::new(&requests, self.actor.as_ref())?;
        // The caller's commit makes their cached versions stale.
        self.engine.account_cache.forget(&batch.accounts);
        for _ in 0..KEY_RACES_MAX {
            match attempt_in(transaction, &batch, self.engine.rules).await {
                Err(error) if is_key_race(&error) => {}
                other => return Ok(other?),
            }
        }
        Ok(attempt_in(transaction, &batch, self.engine.rules).await?)
    }
}

async fn attempt_in(
    transaction: &mut Transaction,
    batch: &Batch<'_>,
    rules: Rules,
) -> Result<Vec<Outcome>, DatabaseError> {
    let session = Statements::prepare(transaction).await?;
    let mut savepoint = transaction.savepoint();
    let inner = savepoint.transaction();
    let mut state = session.lock_and_read(inner, batch, rules).await?;
    let mut decision = decide(&mut state, &batch.requests);
    let outcomes = std::mem::take(&mut decision.outcomes);
    if outcomes.iter().any(Outcome::is_replayed) {
        // The found transfers must be as durable as the caller's commit, which waits because of the
        // row locks.
        Statements::become_durable(inner).await?;
        if decision.is_empty() {
            savepoint.release().await?;
            return Ok(outcomes);
        }
    }
    if decision.is_empty() {
        // The rollback also releases the locks.
        savepoint.rollback().await?;
        return Ok(outcomes);
    }
    let transfers = TransferColumns::of(decision);
    session.write(inner, &transfers).await?;
    savepoint.release().await?;
    Ok(outcomes)
}

fn single(outcomes: Vec<Outcome>) -> Result<Outcome, LedgerError> {
    let outcome = outcomes.into_iter().next();
    outcome.ok_or_else(|| DatabaseError::NoRow.into())
}
