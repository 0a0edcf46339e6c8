//! What became of a commit whose answer never came.
//!
//! The transaction held the locks of its accounts when its commit was sent. Whoever gets these locks afterwards knows that
//! it has ended, and then its transfers are there, or they never will be. A transaction identifier's status would be
//! simpler to ask for, and lies after a failover.
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
    /// All of it is there, posted at these times.
    Committed(HashMap<TransferId, DateTime<Utc>>),
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
        match ask(&database, accounts, transfers, guard).await {
            Ok(found) if found.is_empty() => return Certainty::Aborted,
            Ok(found) if found.len() == transfers.len() => return Certainty::Committed(found),
            // One transaction wrote them all, so this cannot be; it must not be taken for either.
            Ok(_) => return Certainty::Unknown,
            Err(error) => tracing::debug!(attempt, "a commit is still not known: {error}"),
        }
        if started.elapsed() > limit {
            break;
        }
        tokio::time::sleep(pauses.pause(attempt).max(pauses.pause_first)).await;
    }
    Certainty::Unknown
}

async fn ask(
    database: &Database,
    accounts: &[AccountId],
    transfers: &[TransferId],
    guard: Option<AccountId>,
) -> Result<HashMap<TransferId, DateTime<Utc>>, DatabaseError> {
    let transaction = database.begin().await?;
    let found = Session::find_transfers(&transaction, accounts, transfers).await?;
    match guard {
        Some(guard) if found.is_empty() => {
            Session::move_version(&transaction, guard).await?;
            transaction.commit().await?;
        }
        _ => transaction.rollback().await?,
    }
    Ok(found)
}
