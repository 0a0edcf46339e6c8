//! Transactions that can be retried.

use crate::error::DatabaseError;
use crate::transaction::{Transaction, TransactionError, TransactionOptions};

/// A transaction as a value that can be retried from its start. Each attempt reads and decides
/// again.
pub trait TransactionCommand: Send {
    /// The result of a committed transaction.
    type Output: Send + 'static;
    /// The error that rolls the transaction back.
    type Error: HoldsDatabaseError + std::error::Error + Send + 'static;

    /// Returns the name of the transaction, for logs and errors.
    fn name(&self) -> &'static str;

    /// Returns the options of the transaction.
    fn options(&self) -> TransactionOptions {
        TransactionOptions::default()
    }

    /// Runs the work; `attempt` counts from 1. The transaction is committed on `Ok` and rolled back
    /// on `Err`.
    fn run(
        &mut self,
        transaction: &mut Transaction,
        attempt: u32,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;
}

/// An error of a transaction's work that may hold a database error.
pub trait HoldsDatabaseError {
    /// Returns the database error; `None` for an error of the work itself.
    fn database_error(&self) -> Option<&DatabaseError>;
}

impl HoldsDatabaseError for DatabaseError {
    fn database_error(&self) -> Option<&DatabaseError> {
        Some(self)
    }
}

impl<E: HoldsDatabaseError, T> HoldsDatabaseError for TransactionError<E, T> {
    fn database_error(&self) -> Option<&DatabaseError> {
        match self {
            Self::Work(error) => error.database_error(),
            other => other.database(),
        }
    }
}
