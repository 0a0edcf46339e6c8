//! The errors of the ledger.

use neobank_db::{DatabaseError, HoldsDatabaseError};
use thiserror::Error;

use super::{Outcome, Rejection};
use crate::{HoldEventId, MoneyError, TransferId};

/// The reason why the ledger returned no receipt.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The request was rejected; nothing was changed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// A batch has more requests than one transaction takes; nothing was changed.
    #[error("{requests} requests at once are more than the limit of {limit}")]
    TooManyRequests {
        /// The number of requests.
        requests: usize,
        /// [`Ledger::REQUESTS_MAX`](super::Ledger::REQUESTS_MAX).
        limit: usize,
    },
    /// The queue of a [`Ledger`](super::Ledger) is full; nothing was changed. Send fewer requests,
    /// or send them later.
    #[error("{waiting} requests wait already, and no more than {limit} may")]
    Overloaded {
        /// The number of waiting requests.
        waiting: usize,
        /// [`GroupCommitOptions::waiting_max`](super::group_commit::GroupCommitOptions::waiting_max).
        limit: usize,
    },
    /// The runtime of a [`Ledger`](super::Ledger) was shut down before the request was begun;
    /// nothing was changed.
    #[error("the ledger was stopped before the request was begun")]
    Stopped,
    /// The commit was sent, its answer never came, and the database could not be asked for
    /// [`Ledger::in_doubt_limit`](super::Ledger::in_doubt_limit). Either all transfers and changes
    /// of holds with these identifiers exist or none does. Repeating the request with the same
    /// idempotency key is safe.
    #[error("the commit's outcome is not known: {reason}")]
    Unknown {
        /// The failure that took the place of the answer.
        reason: String,
        /// The transfers that exist if the commit happened.
        transfers: Vec<TransferId>,
        /// The changes of holds that exist if the commit happened.
        hold_events: Vec<HoldEventId>,
    },
    /// The batch is committed and durable on this server. The standby has not confirmed it, because
    /// the server's wait was cancelled: it is lost if this server is lost before the standby has
    /// it.
    #[error("committed, but the standby has not confirmed it")]
    NotReplicated {
        /// The outcome of each request.
        outcomes: Vec<Outcome>,
    },
    /// The database failed or rejected the batch; nothing was changed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl LedgerError {
    /// Returns the stable name of the error for programs; that of a rejection is
    /// [`Rejection::name`].
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rejected(rejection) => rejection.name(),
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::Overloaded { .. } => "overloaded",
            Self::Stopped => "stopped",
            Self::Unknown { .. } => "outcome_unknown",
            Self::NotReplicated { .. } => "not_replicated",
            Self::Database(_) => "database",
        }
    }
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
