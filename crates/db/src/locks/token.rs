//! Fencing tokens, which order the holders of a name.

use std::fmt;

use neobank_entity::functions::concurrency::CheckFencingToken;

use super::error::LockError;
use super::name::LockName;
use crate::error::DatabaseError;
use crate::executor::Executor;
use crate::transaction::Transaction;

/// The number of a name's holder, higher than that of every earlier holder.
///
/// Work outside of the database carries the token, and the system that does the work rejects a
/// token below the highest that it has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(i64);

impl FencingToken {
    /// Creates a token from a number that another process sent.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Returns the number, to be sent or stored.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Rejects a holder that has lost its name to another. Call it in the transaction of each write
/// that the lock protects.
///
/// Until this transaction ends, a process that tries to become the name's holder waits. Use `READ
/// COMMITTED`: in a stricter isolation level, a token that became stale meanwhile may appear as a
/// serialization failure.
///
/// A token becomes stale when the next holder acquires the name, not when its lock is lost or
/// released; until then its writes conflict with no other holder.
///
/// # Errors
///
/// [`LockError::StaleToken`], with the newest token. [`LockError::Database`].
pub async fn check_fencing_token(
    transaction: &Transaction,
    name: &LockName,
    token: FencingToken,
) -> Result<(), LockError> {
    let call = CheckFencingToken {
        namespace: name.namespace().to_owned(),
        identifier: name.identifier().to_owned(),
    };
    let rows = transaction.query(call.statement()).await?;
    let row = rows.first().ok_or(DatabaseError::NoRow)?;
    let newest = row
        .try_get::<_, Option<i64>>(0)
        .map_err(DatabaseError::row)?
        .map(FencingToken);
    if newest == Some(token) {
        Ok(())
    } else {
        Err(LockError::StaleToken {
            name: name.clone(),
            token,
            newest,
        })
    }
}
