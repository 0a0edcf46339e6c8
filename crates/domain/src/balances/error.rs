use chrono::{DateTime, NaiveDate, Utc};
use neobank_db::DatabaseError;
use thiserror::Error;

use crate::AccountId;

/// The error of balances that could not be read.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum BalanceError {
    /// No account has this identifier.
    #[error("unknown account: {account}")]
    UnknownAccount {
        /// The identifier that the caller gave.
        account: AccountId,
    },
    /// The account was opened later than the time, or than the end of the day by value date.
    #[error("account {account} was opened at {opened_at}, later than {time}")]
    OpenedLater {
        /// The identifier that the caller gave.
        account: AccountId,
        /// The time at which the account was opened.
        opened_at: DateTime<Utc>,
        /// The time that the caller gave, or the end of the day.
        time: DateTime<Utc>,
    },
    /// The time lies outside the years 1 to 9999.
    #[error("not a time between the years 1 and 9999: {time}")]
    Time {
        /// The time that the caller gave.
        time: DateTime<Utc>,
    },
    /// The day lies outside 0001-01-01 to 9999-12-30.
    #[error("not a day between 0001-01-01 and 9999-12-30: {day}")]
    Day {
        /// The day that the caller gave.
        day: NaiveDate,
    },
    /// The page's limit is zero or too high.
    #[error("a page has 1 to {limit_max} balances, not {limit}")]
    Limit {
        /// The number of balances that the caller asked for.
        limit: u32,
        /// The most balances of a page: [`Balances::LIMIT_MAX`](super::Balances::LIMIT_MAX).
        limit_max: u32,
    },
    /// The list names too many accounts.
    #[error("a list names at most {accounts_max} accounts, not {accounts}")]
    TooManyAccounts {
        /// The number of accounts that the caller named.
        accounts: usize,
        /// The most accounts: [`Balances::LIMIT_MAX`](super::Balances::LIMIT_MAX).
        accounts_max: u32,
    },
    /// The text is not a cursor that a page returned.
    #[error("not a cursor of a list of balances: {text:?}")]
    Cursor {
        /// The text that the caller gave, cut to 80 characters.
        text: String,
    },
    /// The database failed or rejected the statement.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
