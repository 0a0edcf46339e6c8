//! The one way in which money moves.
//!
//! Every movement, one or thousands, is a list of requests: **lock and read** the accounts, **decide** in pure Rust
//! ([`decide`]), **write**, **commit**. A single transfer is the list of length one. It costs two round trips to the
//! server: `BEGIN`, the locks and the look-up of keys travel together, and so do the writes and the commit.
//!
//! The database holds every entry against its account and its transfer as it comes in and moves the balances itself, so a
//! mistake here is an error there and not a wrong balance.

mod certainty;
mod decision;
mod error;
mod receipt;
mod refusal;
mod request;
mod session;

use std::collections::BTreeSet;
use std::time::Duration;

use neobank_db::{Database, DatabaseError, ErrorClass, RetryPolicy, Transaction};

pub use decision::{
    AccountState, Books, DESCRIPTION_LENGTH_MAX, Decision, IDEMPOTENCY_KEY_LENGTH_MAX, Identified,
    KnownTransfer, NewTransfer, decide,
};
pub use error::LedgerError;
pub use receipt::{EntryReceipt, NotAReferenceNumber, Outcome, Receipt, ReferenceNumber};
pub use refusal::Refusal;
pub use request::{
    AdjustmentRequest, Direction, PostingKind, PostingRequest, Request, SystemAccount,
    TransferRequest, TransferType,
};

use crate::{AccountId, TransactionId, TransferId};
use certainty::Certainty;
use session::{Session, columns};

/// Moves money.
///
/// # Example
///
/// ```no_run
/// use neobank_db::{Database, DatabaseConfig};
/// use neobank_domain::{AccountId, Currency, Ledger, LedgerError, Money, Refusal, TransferRequest};
///
/// # async fn example(from: AccountId, to: AccountId) -> Result<(), Box<dyn std::error::Error>> {
/// let ledger = Ledger::new(Database::connect(DatabaseConfig::from_environment()?).await?);
/// let amount = Money::parse("250.00", Currency::from_code("CZK")?)?;
/// let request = TransferRequest::new(from, to, amount).described("Rent").with_key("rent-2026-11");
/// match ledger.transfer(request).await {
///     Ok(receipt) => println!("{} leaves {}", receipt.reference_number(), receipt.debit.running_balance),
///     Err(LedgerError::Refused(Refusal::InsufficientFunds { available, .. })) => println!("only {available}"),
///     Err(other) => return Err(other.into()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Ledger {
    database: Database,
}

/// How often a group is decided anew because another session used one of its keys at the same moment.
///
/// Each time the other session has committed, so its transfer is found and the next attempt does not meet it again; a
/// group of n keys can meet n of them, but not many do.
const KEY_RACES_MAX: usize = 16;

/// The unique index of the callers' keys.
const KEY_CONSTRAINT: &str = "transfers_idempotency_key_key";

impl Ledger {
    /// The most requests in one call. A transaction locks each account and holds each request in memory.
    pub const REQUESTS_MAX: usize = 50_000;

    /// A ledger on a database.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }

    /// The database that it works on.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// Moves an amount from one account to another, durably, in two round trips.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Refused`] with the reason, [`LedgerError::Database`] for a failure that changed nothing,
    /// [`LedgerError::NotReplicated`]. A commit whose answer was lost is looked into until its outcome is known, and the
    /// transfer is made anew if it did not happen; only when the database cannot be asked for
    /// [`Ledger::certainty_limit`] does [`LedgerError::Unknown`] come back.
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
        let pauses = RetryPolicy::default();
        let (mut key_races, mut attempts) = (0_usize, 1_u32);
        loop {
            match self.attempt(&group).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(Failure::Database(error))
                    if is_key_race(&error) && key_races < KEY_RACES_MAX =>
                {
                    key_races = key_races.saturating_add(1);
                }
                Err(Failure::Database(error))
                    if pauses.retries(error.class()) && attempts < pauses.attempts_max =>
                {
                    self.database.note_retry("ledger", &error).await;
                    tokio::time::sleep(pauses.pause(attempts)).await;
                    attempts = attempts.saturating_add(1);
                }
                Err(Failure::Database(error)) => return Err(error.into()),
                Err(Failure::NotReplicated(outcomes)) => {
                    return Err(LedgerError::NotReplicated { outcomes });
                }
                Err(Failure::Unknown {
                    reason,
                    outcomes,
                    transfers,
                }) => match certainty::resolve(&self.database, &group.accounts, &transfers).await {
                    Certainty::Committed => return Ok(outcomes),
                    Certainty::Aborted if attempts < pauses.attempts_max => {
                        attempts = attempts.saturating_add(1);
                    }
                    Certainty::Aborted => return Err(DatabaseError::TransactionAborted.into()),
                    Certainty::Unknown => return Err(LedgerError::Unknown { reason, transfers }),
                },
            }
        }
    }

    /// How long a commit without an answer is looked into before [`LedgerError::Unknown`] is returned: the
    /// configuration's limit of an idle transaction and the one of a wait for a lock, since by then the server itself has
    /// ended a session that nobody speaks to any more.
    #[must_use]
    pub fn certainty_limit(&self) -> Duration {
        certainty::limit(self.database.config())
    }

    /// As [`Ledger::transfer`], as a part of the caller's transaction: durable when that commits. A refusal undoes only
    /// the transfer and leaves the transaction usable.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Refused`], [`LedgerError::Database`].
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

    async fn attempt(&self, group: &Group<'_>) -> Result<Vec<Outcome>, Failure> {
        let transaction = self.database.begin().await?;
        let session = Session::prepare(&transaction).await?;
        let books = session
            .lock_and_read(&transaction, &group.accounts, &group.keys)
            .await?;
        let Decision {
            outcomes,
            transfers,
        } = decide(books, &group.requests);
        if transfers.is_empty() {
            transaction.rollback().await?;
            return Ok(outcomes);
        }
        let identifiers: Vec<_> = transfers
            .iter()
            .map(|transfer| transfer.receipt.transfer_id)
            .collect();
        let (transfers, entries) = columns(transfers);
        match session
            .write_and_commit(transaction, &transfers, &entries)
            .await
        {
            Ok(()) => Ok(outcomes),
            Err(DatabaseError::CommitUnknown { reason }) => Err(Failure::Unknown {
                reason,
                outcomes,
                transfers: identifiers,
            }),
            Err(DatabaseError::CommittedNotReplicated) => Err(Failure::NotReplicated(outcomes)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Why an attempt did not end with its outcomes.
enum Failure {
    /// Nothing was changed.
    Database(DatabaseError),
    /// These are the outcomes, if the standby gets them.
    NotReplicated(Vec<Outcome>),
    /// These are the outcomes, if the transfers are there.
    Unknown {
        reason: String,
        outcomes: Vec<Outcome>,
        transfers: Vec<TransferId>,
    },
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

/// Requests with what deciding and writing needs of them, the same in every attempt.
struct Group<'a> {
    requests: Vec<Identified<'a>>,
    accounts: Vec<AccountId>,
    keys: Vec<String>,
}

impl<'a> Group<'a> {
    fn new(requests: &'a [Request]) -> Result<Self, LedgerError> {
        if requests.len() > Ledger::REQUESTS_MAX {
            return Err(LedgerError::TooManyRequests {
                requests: requests.len(),
                limit: Ledger::REQUESTS_MAX,
            });
        }
        let accounts: BTreeSet<_> = requests.iter().flat_map(Request::accounts).collect();
        // A key with a NUL is refused by the decision; the server could not even be asked for it.
        let keys: BTreeSet<_> = requests
            .iter()
            .filter_map(Request::idempotency_key)
            .filter(|key| !key.contains('\0'))
            .collect();
        Ok(Self {
            requests: requests
                .iter()
                .map(|request| Identified {
                    request,
                    transfer_id: TransferId::new(),
                    debit_id: TransactionId::new(),
                    credit_id: TransactionId::new(),
                })
                .collect(),
            accounts: accounts.into_iter().collect(),
            keys: keys.into_iter().map(str::to_owned).collect(),
        })
    }
}

async fn attempt_in(
    transaction: &mut Transaction,
    group: &Group<'_>,
) -> Result<Vec<Outcome>, DatabaseError> {
    let session = Session::prepare(transaction).await?;
    let mut savepoint = transaction.savepoint();
    let inner = savepoint.transaction();
    let books = session
        .lock_and_read(inner, &group.accounts, &group.keys)
        .await?;
    let Decision {
        outcomes,
        transfers,
    } = decide(books, &group.requests);
    if transfers.is_empty() {
        // Also lets the locks go.
        savepoint.rollback().await?;
        return Ok(outcomes);
    }
    let (transfers, entries) = columns(transfers);
    session.write(inner, &transfers, &entries).await?;
    savepoint.release().await?;
    Ok(outcomes)
}

fn single(outcomes: Vec<Outcome>) -> Result<Receipt, LedgerError> {
    match outcomes.into_iter().next() {
        Some(outcome) => Ok(outcome.into_receipt()?),
        None => Err(DatabaseError::NoRow.into()),
    }
}

fn is_key_race(error: &DatabaseError) -> bool {
    error.class() == ErrorClass::UniqueViolation && error.constraint() == Some(KEY_CONSTRAINT)
}
