use chrono::NaiveDate;
use neobank_db::DatabaseError;
use thiserror::Error;

use crate::AccountId;

/// The error of reading a statement or a daily summary.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum StatementError {
    /// No account has this identifier.
    #[error("unknown account: {account}")]
    UnknownAccount {
        /// The identifier that the caller gave.
        account: AccountId,
    },
    /// The range ends before it begins, or lies outside the years 1 to 9999.
    #[error("not a range of days: from {from} to {to}")]
    Range {
        /// The first day of the range.
        from: NaiveDate,
        /// The day after the last.
        to: NaiveDate,
    },
    /// The page's limit is zero or too high.
    #[error("a page has 1 to {limit_max} entries, not {limit}")]
    Limit {
        /// The number of entries that the caller asked for.
        limit: u32,
        /// The most entries of a page:
        /// [`StatementRequest::LIMIT_MAX`](super::StatementRequest::LIMIT_MAX).
        limit_max: u32,
    },
    /// The history has too many days.
    #[error("a history has at most {days_max} days, not {days}")]
    TooManyDays {
        /// The number of days that the caller asked for.
        days: i64,
        /// The most days: [`DailySummary::DAYS_MAX`](super::DailySummary::DAYS_MAX).
        days_max: i32,
    },
    /// The text is not a cursor that a page returned.
    #[error("not a cursor of a statement: {text:?}")]
    Cursor {
        /// The text that the caller gave, cut to 80 characters.
        text: String,
    },
    /// The database failed or rejected the statement.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
