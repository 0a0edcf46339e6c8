use chrono::{DateTime, Utc};
use neobank_db::DatabaseError;
use thiserror::Error;

use crate::{AccountId, Money};

/// The error of a list of transfers that could not be read.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TransferQueryError {
    /// No account has this identifier.
    #[error("unknown account: {account}")]
    UnknownAccount {
        /// The identifier that the caller gave.
        account: AccountId,
    },
    /// The page's limit is zero or too high.
    #[error("a page has 1 to {limit_max} transfers, not {limit}")]
    Limit {
        /// The number of transfers that the caller asked for.
        limit: u32,
        /// The most transfers of a page:
        /// [`TransferFilter::LIMIT_MAX`](super::TransferFilter::LIMIT_MAX).
        limit_max: u32,
    },
    /// The text is not a cursor that a page returned.
    #[error("not a cursor of a list of transfers: {text:?}")]
    Cursor {
        /// The text that the caller gave, cut to 80 characters.
        text: String,
    },
    /// The cursor is of another list: of another account, or of a list without or with an account.
    #[error("the cursor {cursor} is of another list: {expected}")]
    OtherList {
        /// The cursor that the caller gave.
        cursor: super::TransferCursor,
        /// The list that the filter asks for.
        expected: String,
    },
    /// The range of time ends before it begins, or lies outside the years 1 to 9999.
    #[error("not a range of time: {}", times(*from, *until))]
    Times {
        /// The first moment of the range.
        from: Option<DateTime<Utc>>,
        /// The first moment after the range.
        until: Option<DateTime<Utc>>,
    },
    /// The least amount is greater than the greatest, or both have different currencies.
    #[error("not a range of amounts: {at_least} to {at_most}")]
    Amounts {
        /// The least amount.
        at_least: Money,
        /// The greatest amount.
        at_most: Money,
    },
    /// The condition needs an account.
    #[error("the condition {field} needs an account")]
    NeedsAccount {
        /// `counterparty` or `side`.
        field: &'static str,
    },
    /// A text of the filter cannot be stored, so that no transfer has it.
    #[error("no transfer has this {field}: {reason}")]
    Text {
        /// `idempotency_key`.
        field: &'static str,
        /// The defect of the text.
        reason: String,
    },
    /// The database failed or rejected the statement.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Returns the ends of a range of time that are given.
fn times(from: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>) -> String {
    let ends = [("from", from), ("until", until)].into_iter();
    let given = ends.filter_map(|(name, time)| Some(format!("{name} {}", time?)));
    given.collect::<Vec<_>>().join(" ")
}
