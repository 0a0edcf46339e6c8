//! Transactions that can run again.

use crate::error::DatabaseError;
use crate::transaction::{Transaction, TransactionError, TransactionOptions};

/// A transaction as a value that can run again, from its start: what it decides is decided anew in each attempt.
pub trait TransactionCommand: Send {
    /// What it gives when it is committed.
    type Output: Send + 'static;
    /// Why it rolls back.
    type Error: HoldsDatabaseError + std::error::Error + Send + 'static;

    /// For logs and errors.
    fn name(&self) -> &'static str;

    /// What the transaction is to be like.
    fn options(&self) -> TransactionOptions {
        TransactionOptions::default()
    }

    /// The work; `attempt` counts from 1. Rolled back when it returns an error, committed otherwise.
    fn run(
        &mut self,
        transaction: &mut Transaction,
        attempt: u32,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;
}

/// An error of the work in a transaction that may hold the database's.
pub trait HoldsDatabaseError {
    /// The database's error, if that is what it is.
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
