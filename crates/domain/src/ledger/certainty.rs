//! What became of a commit whose answer never came.
//!
//! The transaction held the locks of its accounts when its commit was sent. Whoever gets these locks afterwards knows that
//! it has ended, and then its transfers are there, or they never will be. A transaction identifier's status would be
//! simpler to ask for, and lies after a failover.
//!
//! That they are there does not mean that a standby has them: the wait for it may be what was cut short. So whoever finds them
//! commits something too, and waits for the standby as that commit should have.
//!
//! A statement that was decided on without locks can still be on its way then. It names an account as its guard, and the
//! version that this must have: who finds no transfers moves the version, so that the statement fails when it comes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use neobank_db::{Database, DatabaseConfig, DatabaseError, RetryPolicy};

use super::session::Session;
use crate::{AccountId, TransferId};

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Certainty {
    /// All of it is there, posted at these times, and on the standbys that the server waits for, unless that was not
    /// confirmed.
    Committed {
        times: HashMap<TransferId, DateTime<Utc>>,
        replicated: bool,
    },
    /// None of it is there, and none will be.
    Aborted,
    /// The database could not be asked in time.
    Unknown,
}

/// How long the database is asked: by then the server itself has ended a session that nobody speaks to any more.
pub(super) fn limit(config: &DatabaseConfig) -> Duration {
    config
        .idle_in_transaction_timeout
        .saturating_add(config.lock_timeout)
}

pub(super) async fn resolve(
    database: &Database,
    accounts: &[AccountId],
    transfers: &[TransferId],
    guard: Option<AccountId>,
) -> Certainty {
    // An answer that is late is worth more than a doubt.
    let database = database.without_deadline();
    let started = Instant::now();
    let limit = limit(database.config());
    let pauses = RetryPolicy::default();
    for attempt in 1.. {
        let is_last = started.elapsed() > limit;
        match ask(&database, accounts, transfers, guard).await {
            Ok(Found { times, .. }) if times.is_empty() => return Certainty::Aborted,
            // One transaction wrote them all, so this cannot be; it must not be taken for either.
            Ok(Found { times, .. }) if times.len() != transfers.len() => return Certainty::Unknown,
            Ok(Found { times, standby }) => match standby {
                Standby::Confirmed => {
                    return Certainty::Committed {
                        times,
                        replicated: true,
                    };
                }
                Standby::Silent if !is_last => {
                    tracing::debug!(
                        attempt,
                        "a commit is there, but not known to be on the standby"
                    );
                }
                Standby::Cancelled | Standby::Silent => {
                    return Certainty::Committed {
                        times,
                        replicated: false,
                    };
                }
            },
            Err(error) => tracing::debug!(attempt, "a commit is still not known: {error}"),
        }
        if is_last {
            break;
        }
        tokio::time::sleep(pauses.pause(attempt).max(pauses.pause_first)).await;
    }
    Certainty::Unknown
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
    guard: Option<AccountId>,
) -> Result<Found, DatabaseError> {
    let transaction = database.begin().await?;
    let times = Session::find_transfers(&transaction, accounts, transfers).await?;
    let mut standby = Standby::Confirmed;
    match guard {
        Some(guard) if times.is_empty() => {
            Session::move_version(&transaction, guard).await?;
            transaction.commit().await?;
        }
        _ if times.is_empty() => transaction.rollback().await?,
        // The commit whose answer was lost may not have reached the standby; this one has what came before it.
        _ => match Session::commit_durably(transaction).await {
            Ok(()) => {}
            Err(DatabaseError::CommittedNotReplicated) => standby = Standby::Cancelled,
            Err(DatabaseError::CommitUnknown { .. }) => standby = Standby::Silent,
            Err(error) => return Err(error),
        },
    }
    Ok(Found { times, standby })
}
