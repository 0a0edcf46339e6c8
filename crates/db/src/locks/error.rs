//! Why a lock was not taken, or is no longer there.

use std::time::Duration;

use chrono::{DateTime, Utc};
use thiserror::Error;
use uuid::Uuid;

use super::name::{LockName, LockNameError};
use super::token::FencingToken;
use crate::error::DatabaseError;

/// Why a lock was not taken, or is no longer there.
///
/// After every one of them but some of [`LockError::Database`] the transaction goes on, without any lock of the call that
/// failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// A name cannot be used.
    #[error(transparent)]
    Name(#[from] LockNameError),
    /// Somebody else had a lock of the set for all of the time.
    #[error(
        "the lock of {name} was not free within {waited:?}; held by server processes {holders:?}"
    )]
    Timeout {
        /// The lock that was waited for when the time was over.
        name: LockName,
        /// How long the caller waited, for all locks of the set together.
        waited: Duration,
        /// The server processes that held it then. Empty when it had just become free, or when its row in the registry was
        /// what was waited for.
        holders: Vec<i32>,
    },
    /// The server would end the statement, and with it the transaction, before the lock's own timeout.
    #[error("a lock cannot be waited for for {timeout:?}: statement_timeout is not longer")]
    TimeoutTooLong {
        /// What was asked for.
        timeout: Duration,
    },
    /// Two names have one key: to the server they are one lock.
    #[error("the lock of {name} has the same key as the lock of {known}")]
    Collision {
        /// The name that was to be locked.
        name: LockName,
        /// The name that was locked first, now or at any time before.
        known: LockName,
    },
    /// Somebody has the name for a time.
    #[error("{name} is leased by {holder} until {expires_at}")]
    Leased {
        /// The name.
        name: LockName,
        /// Who has it.
        holder: Uuid,
        /// Until when, by the database's clock, unless it is renewed.
        expires_at: DateTime<Utc>,
    },
    /// The transaction holds a lock that comes later in the order.
    #[error("the lock of {name} comes before key {held_key}, which is held already")]
    OutOfOrder {
        /// The name that was to be locked.
        name: LockName,
        /// The highest key that the session holds.
        held_key: i64,
    },
    /// Somebody else has, or had, the name since: the work of this holder must not be written.
    #[error("the fencing token {token} of {name} is stale: {}", stale(*.newest))]
    StaleToken {
        /// The name.
        name: LockName,
        /// The token that was checked.
        token: FencingToken,
        /// The newest one; none when the name was never locked.
        newest: Option<FencingToken>,
    },
    /// A connection keeps no session behind a pooler in transaction mode: two holders could have one lock.
    #[error("a session cannot hold a lock behind a transaction pooler: {reason}")]
    Pooler {
        /// How it was noticed.
        reason: String,
    },
    /// The lock is not held any more.
    #[error("the lock was lost: {reason}")]
    Lost {
        /// What was seen.
        reason: String,
    },
    /// What the database answered.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

fn stale(newest: Option<FencingToken>) -> String {
    newest.map_or_else(
        || "the name was never locked".to_owned(),
        |newest| format!("the newest is {newest}"),
    )
}
