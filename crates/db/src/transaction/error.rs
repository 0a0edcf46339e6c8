//! The error of a transaction.

use std::convert::Infallible;
use std::fmt;

use thiserror::Error;

use crate::error::DatabaseError;

/// An error of [`Database::transaction`](crate::Database::transaction). It holds the value that the
/// work returned where the transaction is committed or may be committed.
#[derive(Error)]
#[non_exhaustive]
pub enum TransactionError<E, T = Infallible> {
    /// The work returned this error; the transaction was rolled back.
    #[error(transparent)]
    Work(E),
    /// The transaction did not begin or did not commit; it was rolled back.
    #[error(transparent)]
    Database(DatabaseError),
    /// The transaction is committed and durable on this server, but its wait for the standby's
    /// confirmation was cancelled. Do not run it again.
    #[error("{}", DatabaseError::CommittedNotReplicated)]
    NotReplicated {
        /// The value that the work returned.
        value: T,
    },
    /// The commit was sent and the server did not answer it: the transaction may be committed or
    /// not.
    #[error("{error}")]
    Unknown {
        /// The value that the work returned. It is valid only if the transaction is committed.
        value: T,
        /// [`DatabaseError::CommitUnknown`], with the failure that came instead of an answer.
        #[source]
        error: DatabaseError,
    },
}

/// Shows everything but the value, whose type need not implement `Debug`.
impl<E: fmt::Debug, T> fmt::Debug for TransactionError<E, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(error) => formatter.debug_tuple("Work").field(error).finish(),
            Self::Database(error) => formatter.debug_tuple("Database").field(error).finish(),
            Self::NotReplicated { .. } => formatter
                .debug_struct("NotReplicated")
                .finish_non_exhaustive(),
            Self::Unknown { error, .. } => formatter
                .debug_struct("Unknown")
                .field("error", error)
                .finish_non_exhaustive(),
        }
    }
}

static NOT_REPLICATED: DatabaseError = DatabaseError::CommittedNotReplicated;

impl<E, T> TransactionError<E, T> {
    /// Combines the error of a commit with the value that the work had returned.
    pub(crate) fn of_commit(error: DatabaseError, value: T) -> Self {
        match error {
            DatabaseError::CommittedNotReplicated => Self::NotReplicated { value },
            DatabaseError::CommitUnknown { .. } => Self::Unknown { value, error },
            error => Self::Database(error),
        }
    }

    /// Returns the database's error; `None` for an error of the work itself.
    pub fn database(&self) -> Option<&DatabaseError> {
        match self {
            Self::Work(_) => None,
            Self::Database(error) | Self::Unknown { error, .. } => Some(error),
            Self::NotReplicated { .. } => Some(&NOT_REPLICATED),
        }
    }

    /// Returns the work's value where the transaction is committed or may be committed.
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::NotReplicated { value } | Self::Unknown { value, .. } => Some(value),
            Self::Work(_) | Self::Database(_) => None,
        }
    }
}

impl<E: From<DatabaseError>, T> TransactionError<E, T> {
    /// Converts into the work's error type, which can hold a database error. Drops the value; see
    /// [`TransactionError::into_value`].
    pub fn into_work(self) -> E {
        match self {
            Self::Work(error) => error,
            Self::Database(error) | Self::Unknown { error, .. } => error.into(),
            Self::NotReplicated { .. } => DatabaseError::CommittedNotReplicated.into(),
        }
    }
}
