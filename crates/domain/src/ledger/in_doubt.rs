//! The in-doubt resolution of a commit whose answer never came.
//!
//! The transaction held the locks of its accounts when its commit was sent. A session that gets
//! these locks afterwards knows that it has ended: its transfers exist, or they never will. The
//! status of a transaction identifier would be simpler to ask for, and is wrong after a failover.
//!
//! A transfer that exists may not have reached a standby: the lost wait may have been the wait for
//! the standby. A session that finds the transfer therefore commits something too, and waits for
//! the standby.
//!
//! A statement of an optimistic attempt can still be in flight then. Its fence is an account and
//! the version that this account must have. A session that finds no transfers increments that
//! version, so that the statement fails when it arrives.

use std::time::Instant;

use neobank_db::{
    Database, DatabaseError, Executor, RetryPolicy, Transaction, TransactionOptions, statement,
};

use super::decision::Written;
use super::statements::{self, Statements};
use crate::AccountId;

/// The resolved outcome of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InDoubt {
    /// All transfers and changes of holds exist, with these times. The standbys that
    /// the server waits for have them too if `replicated` is true; otherwise they have not
    /// confirmed it.
    Committed {
        times: statements::Found,
        replicated: bool,
    },
    /// None of them exists, and none ever will.
    Aborted,
    /// The database could not be asked within [`Database::in_doubt_limit`].
    Unknown,
}

/// Resolves the outcome of a commit, within [`Database::in_doubt_limit`].
pub(super) async fn resolve(
    database: &Database,
    accounts: &[AccountId],
    written: &Written,
    fence: Option<AccountId>,
) -> InDoubt {
    let (started, limit) = (Instant::now(), database.in_doubt_limit());
    // The resolution may end later than the caller's deadline.
    let database = database.without_deadline();
    let pauses = RetryPolicy::default();
    // The transfers that an attempt found stay committed when a later attempt gets no answer.
    let mut unconfirmed = None;
    for attempt in 1.. {
        let left = limit.saturating_sub(started.elapsed());
        let asked = ask(&database, accounts, written, fence, &mut unconfirmed);
        match tokio::time::timeout(left, asked).await {
            Ok(Ok(Found { rows, .. })) if rows.is_empty() => return InDoubt::Aborted,
            // One transaction wrote all of them, so this cannot be; it proves neither outcome.
            Ok(Ok(Found { rows, .. })) if !rows.is_all_of(written) => {
                return InDoubt::Unknown;
            }
            Ok(Ok(Found { rows, standby })) => match standby {
                Standby::Confirmed => {
                    return InDoubt::Committed {
                        times: rows,
                        replicated: true,
                    };
                }
                Standby::Silent => tracing::debug!(
                    attempt,
                    "the commit happened, and the standby has not confirmed it"
                ),
                Standby::Cancelled => {
                    return InDoubt::Committed {
                        times: rows,
                        replicated: false,
                    };
                }
            },
            Ok(Err(DatabaseError::PoolClosed)) | Err(_) => break,
            Ok(Err(error)) => {
                tracing::debug!(attempt, "the outcome of a commit is still unknown: {error}");
            }
        }
        // `timeout` returns a result that is ready at once even after its time.
        if started.elapsed() >= limit {
            break;
        }
        tokio::time::sleep(pauses.pause(attempt).max(pauses.pause_first)).await;
    }
    unconfirmed.map_or(InDoubt::Unknown, |times| InDoubt::Committed {
        times,
        replicated: false,
    })
}

/// The rows that exist.
struct Found {
    rows: statements::Found,
    standby: Standby,
}

/// The answer of the standbys that the server waits for.
enum Standby {
    /// They have the transfers, or the server waits for none.
    Confirmed,
    /// The server reports that its wait for them was cancelled.
    Cancelled,
    /// No answer came.
    Silent,
}

async fn ask(
    database: &Database,
    accounts: &[AccountId],
    written: &Written,
    fence: Option<AccountId>,
    unconfirmed: &mut Option<statements::Found>,
) -> Result<Found, DatabaseError> {
    let options = TransactionOptions::default().with_keep_plans(true);
    let transaction = database.begin_with(options).await?;
    let rows = Statements::find_written(&transaction, accounts, written).await?;
    let standby = if rows.is_empty() {
        raise_fence(transaction, fence).await?;
        Standby::Confirmed
    } else {
        if rows.is_all_of(written) {
            *unconfirmed = Some(rows.clone());
        }
        confirm(transaction).await
    };
    Ok(Found { rows, standby })
}

/// Ends a transaction that found no transfers. A statement that is still in flight fails when it
/// arrives, because the fence has a newer version.
async fn raise_fence(
    transaction: Transaction,
    fence: Option<AccountId>,
) -> Result<(), DatabaseError> {
    let Some(fence) = fence else {
        return transaction.rollback().await;
    };
    Statements::increment_version(&transaction, fence).await?;
    transaction.commit().await?;
    Ok(())
}

/// Waits until the standbys have the transfers that the transaction found, if the server waits for
/// any. The transfers exist whatever fails here.
async fn confirm(transaction: Transaction) -> Standby {
    match waits_for_standbys(&transaction).await {
        // A visible transfer is on this server's disk, because posting commits with a flush.
        Ok(false) => {
            // The pool cleans the connection whether this fails or not.
            let _ = transaction.rollback().await;
            Standby::Confirmed
        }
        // The lost commit may not have reached the standby. A standby that has this later commit
        // has the earlier one too.
        Ok(true) => match Statements::commit_durably(transaction).await {
            Ok(()) => Standby::Confirmed,
            Err(DatabaseError::CommittedNotReplicated) => Standby::Cancelled,
            Err(_) => Standby::Silent,
        },
        Err(_) => Standby::Silent,
    }
}

async fn waits_for_standbys(transaction: &Transaction) -> Result<bool, DatabaseError> {
    let sql = "SELECT pg_catalog.current_setting('synchronous_standby_names') \
               OPERATOR(pg_catalog.<>) ''";
    transaction.fetch_value(statement(sql, [])).await
}
