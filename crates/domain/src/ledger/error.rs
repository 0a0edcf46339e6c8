use neobank_db::DatabaseError;
use thiserror::Error;

use super::Refusal;
use crate::{MoneyError, TransferId};

/// Why the ledger gave no receipt.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The request was refused; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// More requests at once than one transaction takes.
    #[error("{requests} requests at once are more than the limit of {limit}")]
    TooManyRequests {
        /// How many were given.
        requests: usize,
        /// [`Ledger::REQUESTS_MAX`](super::Ledger::REQUESTS_MAX).
        limit: usize,
    },
    /// The commit was sent and its answer never came. The money moved, or it did not: the transfers with these
    /// identifiers exist, or they do not. Asking again under the same idempotency key is safe.
    #[error("the commit's outcome is not known: {reason}")]
    Unknown {
        /// What was seen instead of an answer.
        reason: String,
        /// The transfers that exist if the commit happened.
        transfers: Vec<TransferId>,
    },
    /// The database failed or refused; nothing was changed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<MoneyError> for LedgerError {
    fn from(error: MoneyError) -> Self {
        Self::Refused(error.into())
    }
}
