//! The error of a retried transaction.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::transaction::TransactionError;

/// The error of [`Database::retry`](crate::Database::retry), with the last attempt's error
/// unchanged.
#[derive(Error)]
#[error("{name} failed after {attempts} attempts in {elapsed:?}: {error}")]
#[non_exhaustive]
pub struct RetryError<E: std::error::Error + 'static, T: 'static = Infallible> {
    /// The name of the transaction.
    pub name: &'static str,
    /// The number of attempts.
    pub attempts: u32,
    /// The time since the first attempt began.
    pub elapsed: Duration,
    /// The error of the last attempt, with the command's output where the attempt is committed or
    /// may be committed.
    #[source]
    pub error: TransactionError<E, T>,
}

/// Shows everything but the command's output, whose type need not implement `Debug`.
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
