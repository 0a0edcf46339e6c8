use chrono::NaiveDate;
use neobank_db::DatabaseError;
use thiserror::Error;

use crate::AccountId;

/// Why there is no statement.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum StatementError {
    /// There is no such account.
    #[error("unknown account: {account}")]
    UnknownAccount {
        /// What was asked for.
        account: AccountId,
    },
    /// The range ends before it begins, or lies outside the years 1 to 9999.
    #[error("not a range of days: from {from} to {to}")]
    Range {
        /// The first day.
        from: NaiveDate,
        /// The day after the last.
        to: NaiveDate,
    },
    /// No entries, or too many on one page.
    #[error("a page has 1 to {limit_max} entries, not {limit}")]
    Limit {
        /// What was asked for.
        limit: u32,
        /// [`StatementRequest::LIMIT_MAX`](super::StatementRequest::LIMIT_MAX).
        limit_max: u32,
    },
    /// The text is not a cursor that a page gave.
    #[error("not a cursor of a statement: {text:?}")]
    Cursor {
        /// What was given.
        text: String,
    },
    /// The database failed or refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
