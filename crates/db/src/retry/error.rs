//! The error of a transaction that was run again.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::transaction::TransactionError;

/// Why [`Database::retry`] gave up, with the last attempt's error unchanged.
#[derive(Error)]
#[error("{name} failed after {attempts} attempts in {elapsed:?}: {error}")]
pub struct RetryError<E: std::error::Error + 'static, T: 'static = Infallible> {
    /// The name of the transaction.
    pub name: &'static str,
    /// How often it was run.
    pub attempts: u32,
    /// Since the first attempt began.
    pub elapsed: Duration,
    /// The error of the last attempt, with the command's output where the attempt is committed or
    /// may be.
    #[source]
    pub error: TransactionError<E, T>,
}

/// Shows everything but the command's output, whose type need not be able to.
impl<E: std::error::Error + 'static, T> fmt::Debug for RetryError<E, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RetryError")
            .field("name", &self.name)
            .field("attempts", &self.attempts)
            .field("elapsed", &self.elapsed)
            .field("error", &self.error)
            .finish()
    }
}
