use chrono::{DateTime, Utc};
use neobank_db::DatabaseError;
use thiserror::Error;

use crate::{AccountId, CustomerId};

/// The error of a list of changes that could not be read.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ChangeLogError {
    /// No account has this identifier.
    #[error("unknown account: {account}")]
    UnknownAccount {
        /// The identifier that the caller gave.
        account: AccountId,
    },
    /// No customer has this identifier.
    #[error("unknown customer: {customer}")]
    UnknownCustomer {
        /// The identifier that the caller gave.
        customer: CustomerId,
    },
    /// The page's limit is zero or too high.
    #[error("a page has 1 to {limit_max} changes, not {limit}")]
    Limit {
        /// The number of changes that the caller asked for.
        limit: u32,
        /// The most changes of a page:
        /// [`ChangeFilter::LIMIT_MAX`](super::ChangeFilter::LIMIT_MAX).
        limit_max: u32,
    },
    /// The text is not a cursor that a page returned.
    #[error("not a cursor of a list of changes: {text:?}")]
    Cursor {
        /// The text that the caller gave, cut to 80 characters.
        text: String,
    },
    /// The range of time ends before it begins, or lies outside the years 1 to 9999.
    #[error("not a range of time: from {from:?} until {until:?}")]
    Times {
        /// The first moment of the range.
        from: Option<DateTime<Utc>>,
        /// The first moment after the range.
        until: Option<DateTime<Utc>>,
    },
    /// The database failed or rejected the statement.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
