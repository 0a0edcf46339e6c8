//! The one way in which money moves.
//!
//! Every movement, one or thousands, is a list of requests: **lock and read** the accounts, **decide** in pure Rust
//! ([`decide`]), **write**, **commit**. A single transfer is the list of length one. It costs two round trips to the
//! server: `BEGIN`, the locks and the look-up of keys travel together, and so do the writes and the commit. Accounts
//! that the ledger has seen before need neither be locked nor read: it decides on what it remembers, and writing and
//! committing is one round trip, in which the database refuses an account cache that was wrong; then the locks are taken after all.
//!
//! The database holds every entry against its account and its transfer as it comes in and moves the balances itself, so a
//! mistake here is an error there and not a wrong balance.

mod account_cache;
mod decision;
mod error;
mod execution;
pub mod group_commit;
mod in_doubt;
mod optimistic;
mod receipt;
mod refused;
mod rejection;
mod request;
mod statements;

use std::sync::Arc;
use std::time::Duration;

use neobank_db::{Database, DatabaseError, Transaction};

pub use account_cache::AccountCacheMetrics;
pub use decision::{
    AccountState, CompletedTransfer, DESCRIPTION_LENGTH_MAX, Decision, IDEMPOTENCY_KEY_LENGTH_MAX,
    IdentifiedRequest, LedgerState, NewTransfer, decide,
};
pub use error::LedgerError;
pub use group_commit::GroupCommitLedger;
pub use neobank_entity::enums::{EntryType, TransferType};
pub use receipt::{EntryReceipt, NotAReferenceNumber, Outcome, Receipt, ReferenceNumber};
pub use rejection::Rejection;
pub use request::{
    AdjustmentRequest, PostingKind, PostingRequest, Request, SystemAccount, TransferRequest,
};

use account_cache::AccountCache;

use execution::{Everyone, Group, KEY_RACES_MAX, is_key_race};
use statements::{Statements, TransferColumns};

/// Moves money.
///
/// # Example
///
/// ```no_run
/// use neobank_db::{Database, DatabaseConfig};
/// use neobank_domain::{AccountId, Currency, Ledger, LedgerError, Money, Rejection, TransferRequest};
///
/// # async fn example(from: AccountId, to: AccountId) -> Result<(), Box<dyn std::error::Error>> {
/// let ledger = Ledger::new(Database::connect(DatabaseConfig::from_environment()?).await?);
/// let amount = Money::parse("250.00", Currency::from_code("CZK")?)?;
/// let request = TransferRequest::new(from, to, amount).with_description("Rent").with_idempotency_key("rent-2026-11");
/// match ledger.transfer(request).await {
///     Ok(receipt) => println!("{} leaves {}", receipt.reference_number(), receipt.debit.running_balance),
///     Err(LedgerError::Rejected(Rejection::InsufficientFunds { available, .. })) => println!("only {available}"),
///     Err(other) => return Err(other.into()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Ledger {
    database: Database,
    account_cache: Arc<AccountCache>,
}

impl Ledger {
    /// The most requests in one call. A transaction locks each account and holds each request in memory.
    pub const REQUESTS_MAX: usize = 50_000;

    /// Accounts that a ledger remembers, unless [`Ledger::with_account_cache_capacity`] says otherwise. Each takes some 300 bytes.
    pub const ACCOUNT_CACHE_CAPACITY: usize = 65_536;

    /// A ledger on a database. Clones share what it remembers of accounts, so one for the whole process is best.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            database,
            account_cache: Arc::new(AccountCache::new(Self::ACCOUNT_CACHE_CAPACITY)),
        }
    }

    /// The same ledger with another limit on the accounts that it remembers.
    ///
    /// What is remembered of an account need not be locked and read before it is decided on: the database holds the decision
    /// against what is there, and refuses it when another process has moved the account meanwhile. With 0 every decision is
    /// made under locks, which is better only where other processes move the same accounts all the time; the ledger
    /// notices that by itself, and then tries seldom.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use neobank_db::{Database, DatabaseConfig};
    /// use neobank_domain::Ledger;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let database = Database::connect(DatabaseConfig::from_environment()?).await?;
    /// let ledger = Ledger::new(database).with_account_cache_capacity(1_000_000);
    /// println!("{:?}", ledger.memory());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_account_cache_capacity(self, accounts: usize) -> Self {
        Self {
            account_cache: Arc::new(AccountCache::new(accounts)),
            ..self
        }
    }

    /// How the groups of requests were decided so far.
    #[must_use]
    pub fn account_cache(&self) -> AccountCacheMetrics {
        self.account_cache.metrics()
    }

    /// The database that it works on.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn without_deadline(&self) -> Self {
        Self {
            database: self.database.without_deadline(),
            account_cache: Arc::clone(&self.account_cache),
        }
    }

    /// Moves an amount from one account to another, durably: in one round trip where the accounts are remembered, else in two.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Rejected`] with the reason, [`LedgerError::Database`] for a failure that changed nothing,
    /// [`LedgerError::NotReplicated`]. A commit whose answer was lost is looked into until its outcome is known, and the
    /// transfer is made anew if it did not happen; only when the database cannot be asked for
    /// [`Ledger::in_doubt_limit`] does [`LedgerError::Unknown`] come back. The call is over within twice
    /// [`Ledger::call_limit`], and where the database has a deadline, two seconds after that.
    pub async fn transfer(&self, request: TransferRequest) -> Result<Receipt, LedgerError> {
        self.submit(request).await
    }

    /// Carries out one request of any kind.
    ///
    /// # Errors
    ///
    /// As [`Ledger::transfer`].
    pub async fn submit(&self, request: impl Into<Request>) -> Result<Receipt, LedgerError> {
        single(self.submit_all(&[request.into()]).await?)
    }

    /// Carries out requests in their order, in one transaction; each has its own outcome, and sees the balances that
    /// those before it left. A refused one does not touch the others.
    ///
    /// # Errors
    ///
    /// [`LedgerError::TooManyRequests`] above [`Ledger::REQUESTS_MAX`], [`LedgerError::Unknown`],
    /// [`LedgerError::Database`]; in each but the second, none of them was carried out.
    pub async fn submit_all(&self, requests: &[Request]) -> Result<Vec<Outcome>, LedgerError> {
        let group = Group::new(requests)?;
        let mut everyone = Everyone(group.requests.len());
        execution::run(self, &group, &mut everyone)
            .await
            .map_err(LedgerError::from)
    }

    /// How long a commit without an answer is looked into before [`LedgerError::Unknown`] is returned:
    /// [`DatabaseConfig::in_doubt_limit`](neobank_db::DatabaseConfig::in_doubt_limit).
    #[must_use]
    pub fn in_doubt_limit(&self) -> Duration {
        self.database.config().in_doubt_limit()
    }

    /// How long one attempt at a call takes at most, when the server's answer is lost or never comes:
    /// [`DatabaseConfig::silence_limit`](neobank_db::DatabaseConfig::silence_limit) until its connection is given up, and
    /// [`Ledger::in_doubt_limit`] until its outcome is known, or said to be unknown.
    ///
    /// No further attempt is begun after that time, so a call is over within twice as long: with the defaults within 204
    /// seconds of a server that stands still, and mostly as soon as it answers again.
    #[must_use]
    pub fn call_limit(&self) -> Duration {
        let config = self.database.config();
        config.silence_limit().saturating_add(self.in_doubt_limit())
    }

    /// As [`Ledger::transfer`], as a part of the caller's transaction: durable when that commits. A rejection undoes only
    /// the transfer and leaves the transaction usable.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Rejected`], [`LedgerError::Database`].
    pub async fn transfer_in(
        transaction: &mut Transaction,
        request: TransferRequest,
    ) -> Result<Receipt, LedgerError> {
        Self::submit_in(transaction, request).await
    }

    /// As [`Ledger::submit`], as a part of the caller's transaction.
    ///
    /// # Errors
    ///
    /// As [`Ledger::transfer_in`].
    pub async fn submit_in(
        transaction: &mut Transaction,
        request: impl Into<Request>,
    ) -> Result<Receipt, LedgerError> {
        single(Self::submit_all_in(transaction, &[request.into()]).await?)
    }

    /// As [`Ledger::submit_all`], as a part of the caller's transaction.
    ///
    /// # Errors
    ///
    /// [`LedgerError::TooManyRequests`], [`LedgerError::Database`]; in both cases none of the requests was carried out
    /// and the transaction stays usable, unless its connection is lost.
    pub async fn submit_all_in(
        transaction: &mut Transaction,
        requests: &[Request],
    ) -> Result<Vec<Outcome>, LedgerError> {
        let group = Group::new(requests)?;
        for _ in 0..KEY_RACES_MAX {
            match attempt_in(transaction, &group).await {
                Err(error) if is_key_race(&error) => {}
                other => return Ok(other?),
            }
        }
        Ok(attempt_in(transaction, &group).await?)
    }
}

async fn attempt_in(
    transaction: &mut Transaction,
    group: &Group<'_>,
) -> Result<Vec<Outcome>, DatabaseError> {
    let session = Statements::prepare(transaction).await?;
    let mut savepoint = transaction.savepoint();
    let inner = savepoint.transaction();
    let mut books = session
        .lock_and_read(inner, &group.accounts, &group.keys)
        .await?;
    let Decision {
        outcomes,
        transfers,
    } = decide(&mut books, &group.requests);
    if outcomes.iter().any(Outcome::is_replayed) {
        // What was found must be as durable as what the caller commits; the locks make it a commit that waits.
        Statements::become_durable(inner).await?;
        if transfers.is_empty() {
            savepoint.release().await?;
            return Ok(outcomes);
        }
    }
    if transfers.is_empty() {
        // Also lets the locks go.
        savepoint.rollback().await?;
        return Ok(outcomes);
    }
    let transfers = TransferColumns::of(transfers);
    session.write(inner, &transfers).await?;
    savepoint.release().await?;
    Ok(outcomes)
}

fn single(outcomes: Vec<Outcome>) -> Result<Receipt, LedgerError> {
    match outcomes.into_iter().next() {
        Some(outcome) => Ok(outcome.into_receipt()?),
        None => Err(DatabaseError::NoRow.into()),
    }
}
