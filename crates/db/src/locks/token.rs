//! Fencing tokens: which of two holders came later.

use std::fmt;

use neobank_entity::functions::concurrency::CheckFencingToken;

use super::error::LockError;
use super::name::LockName;
use crate::error::DatabaseError;
use crate::executor::Executor;
use crate::transaction::Transaction;

/// The number of a holder of a name, higher than that of every holder before.
///
/// Where work is done outside of the database, it travels with the work, and whoever does it refuses a number below the
/// highest that it has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(i64);

impl FencingToken {
    /// A token from its number, as it came from another process.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Its number, to be sent or stored.
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

/// Refuses a holder that has lost its name to another. To be called in the transaction of each write that the lock protects.
///
/// Until this transaction ends, nobody else can become the name's holder: whoever tries waits for it. In `READ COMMITTED`;
/// in a stricter isolation level a token that became stale meanwhile may show as a serialization failure instead.
///
/// A token does not become stale when its lock is lost or given back, but when the next holder comes: until then its writes
/// hurt nobody.
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
