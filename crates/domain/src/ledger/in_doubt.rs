//! The in-doubt resolution of a commit whose answer never came.
//!
//! The transaction held the locks of its accounts when its commit was sent. A session that gets
//! these locks afterwards knows that it has ended: its transfers are there, or they never will be.
//! The status of a transaction identifier would be simpler to ask for, and is wrong after a failover.
//!
//! A transfer that is there may not have reached a standby: the lost wait may have been the wait for
//! it. A session that finds the transfer therefore commits something too, and waits for the standby.
//!
//! A statement of an optimistic attempt can still be in flight then. Its fence is an account and the
//! version that this account must have. A session that finds no transfers moves that version, so
//! that the statement fails when it arrives.

use std::collections::HashMap;
use std::time::Instant;

use chrono::{DateTime, Utc};
use neobank_db::{
    Database, DatabaseError, Executor, RetryPolicy, Transaction, TransactionOptions, statement,
};

use super::statements::Statements;
use crate::{AccountId, TransferId};

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InDoubt {
    /// All of it is there, posted at these times, and on the standbys that the server waits for, unless that was not
    /// confirmed.
    Committed {
        times: HashMap<TransferId, DateTime<Utc>>,
        replicated: bool,
    },
    /// None of the transfers is there, and none will be.
    Aborted,
    /// The database could not be asked within [`Database::in_doubt_limit`].
    Unknown,
}

pub(super) async fn resolve(
    database: &Database,
    accounts: &[AccountId],
    transfers: &[TransferId],
    fence: Option<AccountId>,
) -> InDoubt {
    let (started, limit) = (Instant::now(), database.in_doubt_limit());
    // It is over later than the deadline.
    let database = database.without_deadline();
    let pauses = RetryPolicy::default();
    // What an attempt found stays true, also when a later one gets no answer.
    let mut unconfirmed = None;
    for attempt in 1.. {
        let left = limit.saturating_sub(started.elapsed());
        let asked = ask(&database, accounts, transfers, fence, &mut unconfirmed);
        match tokio::time::timeout(left, asked).await {
            Ok(Ok(Found { times, .. })) if times.is_empty() => return InDoubt::Aborted,
            // One transaction wrote them all, so this cannot be; it must not be taken for either.
            Ok(Ok(Found { times, .. })) if times.len() != transfers.len() => {
                return InDoubt::Unknown;
            }
            Ok(Ok(Found { times, standby })) => match standby {
                Standby::Confirmed => {
                    return InDoubt::Committed {
                        times,
                        replicated: true,
                    };
                }
                Standby::Silent => tracing::debug!(
                    attempt,
                    "a commit is there, but not known to be on the standby"
                ),
                Standby::Cancelled => {
                    return InDoubt::Committed {
                        times,
                        replicated: false,
                    };
                }
            },
            Ok(Err(DatabaseError::PoolClosed)) | Err(_) => break,
            Ok(Err(error)) => tracing::debug!(attempt, "a commit is still not known: {error}"),
        }
        // What is ready at once is never too late for a timeout.
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

/// The transfers that are there, and when they were posted.
struct Found {
    times: HashMap<TransferId, DateTime<Utc>>,
    standby: Standby,
}

/// Whether the standbys that the server waits for have what was found.
enum Standby {
    Confirmed,
    /// The server says that its wait was cancelled.
    Cancelled,
    /// No answer came.
    Silent,
}

async fn ask(
    database: &Database,
    accounts: &[AccountId],
    transfers: &[TransferId],
    fence: Option<AccountId>,
    unconfirmed: &mut Option<HashMap<TransferId, DateTime<Utc>>>,
) -> Result<Found, DatabaseError> {
    let options = TransactionOptions::default().with_keep_plans(true);
    let transaction = database.begin_with(options).await?;
    let times = Statements::find_transfers(&transaction, accounts, transfers).await?;
    let standby = if times.is_empty() {
        raise_fence(transaction, fence).await?;
        Standby::Confirmed
    } else {
        if times.len() == transfers.len() {
            *unconfirmed = Some(times.clone());
        }
        confirm(transaction).await
    };
    Ok(Found { times, standby })
}

/// Ends a transaction that found no transfers. Moving the fence's version makes a statement that is
/// still in flight fail when it arrives.
async fn raise_fence(
    transaction: Transaction,
    fence: Option<AccountId>,
) -> Result<(), DatabaseError> {
    let Some(fence) = fence else {
        return transaction.rollback().await;
    };
    Statements::move_version(&transaction, fence).await?;
    transaction.commit().await?;
    Ok(())
}

/// Waits until the standbys have what the transaction found, where the server waits for any.
///
/// The transfers are there whatever fails here.
async fn confirm(transaction: Transaction) -> Standby {
    match waits_for_standbys(&transaction).await {
        // What can be seen is on this server's disk: posting commits with a flush.
        Ok(false) => {
            // The connection is looked after whether this fails or not.
            let _ = transaction.rollback().await;
            Standby::Confirmed
        }
        // The commit whose answer was lost may not have reached the standby; this one has what came before it.
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
