//! The errors of locks.

use std::time::Duration;

use chrono::{DateTime, Utc};
use thiserror::Error;
use uuid::Uuid;

use super::name::{LockName, LockNameError};
use super::token::FencingToken;
use crate::error::DatabaseError;

/// The reason why a lock was not acquired, or is no longer held.
///
/// After each of these errors, except for some of [`LockError::Database`], the transaction
/// continues without any lock of the failed call.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// A name is not valid.
    #[error(transparent)]
    Name(#[from] LockNameError),
    /// Another holder kept a lock of the set until the timeout.
    #[error(
        "the lock of {name} was not free within {waited:?}; held by server processes {holders:?}"
    )]
    Timeout {
        /// The lock that the caller waited for at the end.
        name: LockName,
        /// The time that the caller waited, for all locks of the set together.
        waited: Duration,
        /// The server processes that held the lock then. Empty when the lock had just become free,
        /// or when the caller waited for its row in the registry.
        holders: Vec<i32>,
    },
    /// The server would end the statement, and with it the transaction, before the lock's own
    /// timeout.
    #[error("a lock cannot be waited for for {timeout:?}: statement_timeout is not longer")]
    TimeoutTooLong {
        /// The requested timeout.
        timeout: Duration,
    },
    /// Two names have one key, so the server cannot tell their locks apart.
    #[error("the lock of {name} has the same key as the lock of {known}")]
    Collision {
        /// The requested name.
        name: LockName,
        /// The name that was locked first, now or at any time before.
        known: LockName,
    },
    /// Another holder has a lease of the name.
    #[error("{name} is leased by {holder} until {expires_at}")]
    Leased {
        /// The requested name.
        name: LockName,
        /// The holder of the lease.
        holder: Uuid,
        /// The end of the lease by the database's clock, unless it is renewed.
        expires_at: DateTime<Utc>,
    },
    /// The transaction holds a lock that follows the requested one in the order of keys.
    #[error("the lock of {name} comes before key {held_key}, which is held already")]
    OutOfOrder {
        /// The requested name.
        name: LockName,
        /// The highest key that the session holds.
        held_key: i64,
    },
    /// Another holder has acquired the name since, so the write of this holder must not be
    /// committed.
    #[error("the fencing token {token} of {name} is stale: {}", stale(*.newest))]
    StaleToken {
        /// The name of the lock.
        name: LockName,
        /// The token that was checked.
        token: FencingToken,
        /// The newest token; `None` when the name was never locked.
        newest: Option<FencingToken>,
    },
    /// A pooler in transaction mode does not keep sessions, so two holders could have one lock.
    #[error("a session cannot hold a lock behind a transaction pooler: {reason}")]
    Pooler {
        /// The evidence of the pooler.
        reason: String,
    },
    /// The lock is no longer held.
    #[error("the lock was lost: {reason}")]
    Lost {
        /// The evidence of the loss.
        reason: String,
    },
    /// The database's error.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

fn stale(newest: Option<FencingToken>) -> String {
    newest.map_or_else(
        || "the name was never locked".to_owned(),
        |newest| format!("the newest is {newest}"),
    )
}
