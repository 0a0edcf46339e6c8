use neobank_db::{DatabaseError, HoldsDatabaseError};
use thiserror::Error;

use super::{Outcome, Rejection};
use crate::{MoneyError, TransferId};

/// Why the ledger gave no receipt.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The request was refused; nothing was changed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// More requests at once than one transaction takes.
    #[error("{requests} requests at once are more than the limit of {limit}")]
    TooManyRequests {
        /// How many were given.
        requests: usize,
        /// [`Ledger::REQUESTS_MAX`](super::Ledger::REQUESTS_MAX).
        limit: usize,
    },
    /// As many requests wait for a [`Ledger`](super::Ledger) already as may; nothing was changed. Send
    /// fewer, or later.
    #[error("{waiting} requests wait already, and no more than {limit} may")]
    Overloaded {
        /// How many waited.
        waiting: usize,
        /// [`GroupCommitOptions::waiting_max`](super::group_commit::GroupCommitOptions::waiting_max).
        limit: usize,
    },
    /// What drives a [`Ledger`](super::Ledger) was stopped before the request was begun, because its runtime was
    /// shut down; nothing was changed.
    #[error("the ledger was stopped before the request was begun")]
    Stopped,
    /// The commit was sent, its answer never came, and for [`Ledger::in_doubt_limit`](super::Ledger::in_doubt_limit)
    /// the database could not be asked. The money moved, or it did not: the transfers with these identifiers exist, or
    /// they do not. Asking again under the same idempotency key is safe.
    #[error("the commit's outcome is not known: {reason}")]
    Unknown {
        /// What was seen instead of an answer.
        reason: String,
        /// The transfers that exist if the commit happened.
        transfers: Vec<TransferId>,
    },
    /// Carried out and durable on this server, but the standby it waits for has not confirmed it, because somebody
    /// cancelled the wait: it is lost if this server is lost first.
    #[error("carried out, but the standby has not confirmed it")]
    NotReplicated {
        /// What became of each request.
        outcomes: Vec<Outcome>,
    },
    /// The database failed or refused; nothing was changed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<MoneyError> for LedgerError {
    fn from(error: MoneyError) -> Self {
        Self::Rejected(error.into())
    }
}

impl HoldsDatabaseError for LedgerError {
    fn database_error(&self) -> Option<&DatabaseError> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}
