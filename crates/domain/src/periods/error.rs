use chrono::NaiveDate;
use neobank_db::DatabaseError;
use thiserror::Error;

use crate::Currency;

/// The error of closing or reopening a period. Every variant but [`PeriodError::Database`] means that
/// nothing was changed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum PeriodError {
    /// The day has not ended in every zone of the currency's accounts, or ended less than five
    /// minutes ago.
    #[error("the day {day} cannot be closed in {currency} yet: it must have ended everywhere")]
    NotEnded {
        /// The currency.
        currency: Currency,
        /// The day that the caller gave.
        day: NaiveDate,
    },
    /// The day is closed already.
    #[error("the day {day} is closed in {currency} already")]
    AlreadyClosed {
        /// The currency.
        currency: Currency,
        /// The day that the caller gave.
        day: NaiveDate,
    },
    /// No closing is in force.
    #[error("nothing is closed in {currency}")]
    NothingClosed {
        /// The currency.
        currency: Currency,
    },
    /// The database does not know the currency.
    #[error("no account can be opened in {currency}, so there is nothing to close")]
    UnknownCurrency {
        /// The currency.
        currency: Currency,
    },
    /// The transaction names no actor.
    #[error("closing and reopening a period need an actor")]
    ActorRequired,
    /// The limit of a list is zero or too high.
    #[error("a list has 1 to {limit_max} closings, not {limit}")]
    Limit {
        /// The number of closings that the caller asked for.
        limit: u32,
        /// The most closings of a list: [`LIST_MAX`](super::LIST_MAX).
        limit_max: u32,
    },
    /// The database failed or rejected the statement. The change may have taken effect if the client
    /// lost the connection or the answer; see [`DatabaseError::ConnectionLost`].
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
