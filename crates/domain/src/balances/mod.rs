//! The balances of accounts now or at a point in time, and the trial balance.
//!
//! A balance at a time is the account's running balance after its last entry that was booked until
//! then, that time included. One statement reads each page and each trial balance, so that all of
//! its balances are of one snapshot. The balance of each account is one look-up in
//! `transactions_account_and_date_key`, however many entries it has.
//!
//! A balance by value date ([`Balances::by_value_date`]) is the sum of the entries whose value date
//! is the day or an earlier one. The value date of an entry without one is its booking day in the
//! account's zone. So it is the book balance at the end of the day, less the entries until then whose
//! value date is later, plus the later entries whose value date is not. Two indexes of the transfers
//! with a value date serve these corrections; an account without such transfers costs three look-ups.
//! The trial balance is by booking time alone: the two sides of a transfer between time zones may
//! have different booking days.
//!
//! A balance at a time that has passed stays the same, except that a transaction which was still
//! open at the reading may have booked its entries a moment before.
//!
//! [`statements::daily_summaries`](crate::statements::daily_summaries) reads the history of an
//! account's balance by day.

mod error;
mod query;
mod read;
mod trial;
mod value_date;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Serialize, Serializer};
use uuid::Uuid;

pub use error::BalanceError;
pub use read::{AccountBalance, BalancePage, at, by_value_date, list, list_query};
pub use trial::{TrialBalance, TrialBalanceLine, trial_balance, trial_balance_query};
pub(crate) use value_date::{opening_by_value_date, opening_column};

use crate::{AccountId, Currency, text};

/// The accounts whose balances to read, the time, and the page.
///
/// Accounts are listed in the order of their identifiers: the bank's own accounts first, then the
/// customers' as they were opened. An account that was opened later than the time is not listed.
///
/// # Example
///
/// ```
/// use neobank_domain::balances::Balances;
/// use neobank_domain::{AccountId, Currency};
///
/// let account = AccountId::new();
/// let of_one = Balances::at("2026-01-01T00:00:00Z".parse()?).of([account]);
/// let of_all = Balances::now().with_currency(Currency::from_code("CZK").ok());
/// assert_eq!((of_one.accounts.len(), of_all.accounts.len()), (1, 0));
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Balances {
    /// The time; `None` is the time of the reading.
    pub time: Option<DateTime<Utc>>,
    /// The day, for balances by value date instead of by booking time.
    pub value_day: Option<NaiveDate>,
    /// The accounts; all accounts when the list is empty.
    pub accounts: Vec<AccountId>,
    /// The currency of the accounts.
    pub currency: Option<Currency>,
    /// The most accounts on the page, from 1 to [`Balances::LIMIT_MAX`].
    pub limit: u32,
    /// The cursor that the previous page returned.
    pub after: Option<BalanceCursor>,
}

/// A position in the list of balances that stays the same when accounts are opened.
///
/// `Display` writes it as a text, which `FromStr` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceCursor(AccountId);

impl Balances {
    /// The most accounts on one page, and the most accounts that a list may name.
    pub const LIMIT_MAX: u32 = 10_000;

    /// Requests the balances now: the first 100 accounts.
    #[must_use]
    pub const fn now() -> Self {
        Self {
            time: None,
            value_day: None,
            accounts: Vec::new(),
            currency: None,
            limit: 100,
            after: None,
        }
    }

    /// Requests the balances after all entries that were booked until a time, that time included.
    #[must_use]
    pub fn at(time: DateTime<Utc>) -> Self {
        Self {
            time: Some(time),
            ..Self::now()
        }
    }

    /// Requests the balances of all entries whose value date is a day or an earlier one. Each account
    /// has the days of its own zone.
    #[must_use]
    pub fn by_value_date(day: NaiveDate) -> Self {
        Self {
            value_day: Some(day),
            ..Self::now()
        }
    }

    /// Sets the accounts, in any order; an account that is named twice is listed once.
    #[must_use]
    pub fn of(mut self, accounts: impl IntoIterator<Item = AccountId>) -> Self {
        self.accounts = accounts.into_iter().collect();
        self
    }

    /// Sets the currency of the accounts.
    #[must_use]
    pub fn with_currency(mut self, currency: impl Into<Option<Currency>>) -> Self {
        self.currency = currency.into();
        self
    }

    /// Sets the most accounts on the page, from 1 to [`Balances::LIMIT_MAX`].
    #[must_use]
    pub const fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Sets the cursor that the previous page returned.
    #[must_use]
    pub fn with_after(mut self, after: impl Into<Option<BalanceCursor>>) -> Self {
        self.after = after.into();
        self
    }

    fn check(&self) -> Result<(), BalanceError> {
        check_time(self.time)?;
        if let Some(day) = self.value_day
            && (!(1..=9999).contains(&day.year())
                || day.succ_opt().is_none_or(|next| next.year() > 9999))
        {
            return Err(BalanceError::Day { day });
        }
        if !(1..=Self::LIMIT_MAX).contains(&self.limit) {
            return Err(BalanceError::Limit {
                limit: self.limit,
                limit_max: Self::LIMIT_MAX,
            });
        }
        let named = self.accounts.len();
        if u32::try_from(named).is_ok_and(|named| named <= Self::LIMIT_MAX) {
            Ok(())
        } else {
            Err(BalanceError::TooManyAccounts {
                accounts: named,
                accounts_max: Self::LIMIT_MAX,
            })
        }
    }
}

/// Checks that a time lies within the years 1 to 9999, which both PostgreSQL and `chrono` can hold.
fn check_time(time: Option<DateTime<Utc>>) -> Result<(), BalanceError> {
    match time {
        Some(time) if !(1..=9999).contains(&time.year()) => Err(BalanceError::Time { time }),
        _ => Ok(()),
    }
}

/// Writes the text of the cursor.
impl Serialize for BalanceCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for BalanceCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0.as_uuid().simple())
    }
}

impl FromStr for BalanceCursor {
    type Err = BalanceError;

    fn from_str(given: &str) -> Result<Self, BalanceError> {
        let is_simple = given.len() == 32;
        let account = is_simple.then(|| Uuid::parse_str(given).ok()).flatten();
        account
            .map(|account| Self(account.into()))
            .ok_or_else(|| BalanceError::Cursor {
                text: text::shortened(given),
            })
    }
}
