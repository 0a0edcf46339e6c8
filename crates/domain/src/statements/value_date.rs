//! Statements and days by value date.
//!
//! The value date of an entry without one is its booking day in the account's zone, so a day here
//! is always one of that zone. A page reads all entries of its range, because an entry that is booked
//! later can lie among earlier ones: the running balance of each is a sum up to it.

use chrono::NaiveDate;
use neobank_db::{DatabaseError, Executor, Statement};
use neobank_entity::banking::{accounts, transfers};
use neobank_entity::{FromColumn, FromRow, RowError};
use rust_decimal::Decimal;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

use super::page::{self, Entry, EntryRow, entry, money_or_zero};
use super::query::computed;
use super::value_query::{self, value_computed};
use super::{DailySummary, StatementError, StatementRequest, check_range};
use crate::{AccountId, Currency, Money, text};

/// The range and the page of a statement by value date to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValueDateRequest {
    /// The first value date of the range.
    pub from: NaiveDate,
    /// The day after the last value date of the range.
    pub to: NaiveDate,
    /// The most entries on the page, from 1 to [`StatementRequest::LIMIT_MAX`].
    pub limit: u32,
    /// The cursor that the previous page returned.
    pub after: Option<ValueDateCursor>,
}

/// A position in a statement by value date.
///
/// `Display` writes it as a text, which `FromStr` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueDateCursor {
    pub(super) value_date: NaiveDate,
    pub(super) entry_number: i64,
}

/// One page of a statement by value date: entries, the latest value date first.
///
/// The closing balance is the opening balance plus credits less debits of **all** entries in the
/// range, on every page of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ValueDatePage {
    /// The account's identifier.
    pub account_id: AccountId,
    /// The balance by value date before the range.
    pub opening_balance: Money,
    /// The balance by value date at the end of the range.
    pub closing_balance: Money,
    /// The entries of this page.
    pub entries: Vec<ValueDateEntry>,
    /// The cursor of the next page; `None` on the last page.
    pub next: Option<ValueDateCursor>,
}

/// An entry with its value date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ValueDateEntry {
    /// The day from which on the entry counts.
    pub value_date: NaiveDate,
    /// The balance by value date after the entry. It counts the entries with an earlier value date,
    /// and those with the same value date whose number is not above this entry's.
    pub balance: Money,
    /// The entry, with its balance by booking time.
    #[serde(flatten)]
    pub entry: Entry,
}

impl ValueDateRequest {
    /// Requests the newest 100 entries of a range of value dates, without the day `to`.
    #[must_use]
    pub const fn between(from: NaiveDate, to: NaiveDate) -> Self {
        Self {
            from,
            to,
            limit: 100,
            after: None,
        }
    }

    /// Sets the most entries on the page, from 1 to [`StatementRequest::LIMIT_MAX`].
    #[must_use]
    pub const fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Sets the cursor that the previous page returned.
    #[must_use]
    pub const fn with_after(mut self, after: Option<ValueDateCursor>) -> Self {
        self.after = after;
        self
    }
}

impl fmt::Display for ValueDateCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.value_date, self.entry_number)
    }
}

impl FromStr for ValueDateCursor {
    type Err = StatementError;

    fn from_str(text: &str) -> Result<Self, StatementError> {
        let parse = || {
            let (value_date, entry_number) = text.split_once('.')?;
            let value_date: NaiveDate = value_date.parse().ok()?;
            check_range(value_date, value_date).ok()?;
            Some(Self {
                value_date,
                entry_number: entry_number.parse().ok()?,
            })
        };
        parse().ok_or_else(|| StatementError::Cursor {
            text: text::shortened(text),
        })
    }
}

/// Writes the text of the cursor.
impl Serialize for ValueDateCursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads one page of an account's statement by value date.
///
/// # Errors
///
/// As [`page`](super::page()).
pub async fn page_by_value_date(
    on: &impl Executor,
    account: AccountId,
    request: &ValueDateRequest,
) -> Result<ValueDatePage, StatementError> {
    let rows: Vec<PageRow> = on
        .fetch_many(page_by_value_date_query(account, request)?)
        .await?;
    let first = rows
        .first()
        .ok_or(StatementError::UnknownAccount { account })?;
    let currency = page::currency(&first.currency_code)?;
    let opening_balance = money_or_zero(first.opening_balance, currency)?;
    let closing_balance = money_or_zero(first.closing_balance, currency)?;
    let entries = rows.into_iter().filter_map(|row| row.entry);
    let mut entries = entries
        .map(|row| valued(row, currency))
        .collect::<Result<Vec<_>, _>>()?;
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let last = entries.last().filter(|_| has_more);
    Ok(ValueDatePage {
        account_id: account,
        opening_balance,
        closing_balance,
        next: last.map(|last| ValueDateCursor {
            value_date: last.value_date,
            entry_number: last.entry.entry_number,
        }),
        entries,
    })
}

/// Returns the SQL of a page by value date, for callers that explain or extend it.
///
/// # Errors
///
/// [`StatementError::Range`] and [`StatementError::Limit`].
pub fn page_by_value_date_query(
    account: AccountId,
    request: &ValueDateRequest,
) -> Result<Statement, StatementError> {
    StatementRequest::between(request.from, request.to)
        .with_limit(request.limit)
        .check()?;
    Ok(value_query::page(account, request))
}

/// Reads the totals and balances by value date of each day from `from` to `to`, without the day
/// `to`.
///
/// # Errors
///
/// As [`daily_summaries`](super::daily_summaries).
pub async fn daily_summaries_by_value_date(
    on: &impl Executor,
    account: AccountId,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Vec<DailySummary>, StatementError> {
    let count = DailySummary::check_days(from, to)?;
    let query = value_query::daily_summaries(account, from, to, count);
    let rows: Vec<DayRow> = on.fetch_many(query).await?;
    if rows.is_empty() && from < to {
        return Err(StatementError::UnknownAccount { account });
    }
    let mut balance = None;
    let mut days = Vec::with_capacity(rows.len());
    for row in rows {
        let currency = page::currency(&row.currency_code)?;
        let opening_balance = match balance {
            Some(balance) => balance,
            None => money_or_zero(row.opening_balance, currency)?,
        };
        let total_credits = money_or_zero(row.total_credits, currency)?;
        let total_debits = money_or_zero(row.total_debits, currency)?;
        let closing_balance = opening_balance
            .checked_add(total_credits)
            .and_then(|sum| sum.checked_sub(total_debits))
            .map_err(|error| unreadable(&error))?;
        balance = Some(closing_balance);
        days.push(DailySummary {
            account_id: account,
            date: row.date,
            transaction_count: row.transaction_count.unwrap_or_default(),
            total_credits,
            total_debits,
            opening_balance,
            closing_balance,
        });
    }
    Ok(days)
}

fn unreadable(error: &dyn fmt::Display) -> DatabaseError {
    DatabaseError::Row {
        reason: error.to_string(),
    }
}

fn valued(row: ValuedRow, currency: Currency) -> Result<ValueDateEntry, DatabaseError> {
    Ok(ValueDateEntry {
        value_date: row.value_date,
        balance: Money::new(row.balance, currency).map_err(|error| unreadable(&error))?,
        entry: entry(row.entry, currency)?,
    })
}

struct PageRow {
    currency_code: String,
    opening_balance: Option<Decimal>,
    closing_balance: Option<Decimal>,
    entry: Option<ValuedRow>,
}

struct ValuedRow {
    value_date: NaiveDate,
    balance: Decimal,
    entry: EntryRow,
}

impl FromRow for PageRow {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        let value_date: Option<NaiveDate> =
            FromColumn::from_column(row, transfers::Column::ValueDate.as_str())?;
        let entry = |value_date| {
            Ok(ValuedRow {
                value_date,
                balance: FromColumn::from_column(row, value_computed::BALANCE)?,
                entry: EntryRow::from_row(row)?,
            })
        };
        Ok(Self {
            currency_code: FromColumn::from_column(row, accounts::Column::CurrencyCode.as_str())?,
            opening_balance: FromColumn::from_column(row, computed::OPENING_BALANCE)?,
            closing_balance: FromColumn::from_column(row, computed::CLOSING_BALANCE)?,
            entry: value_date.map(entry).transpose()?,
        })
    }
}

struct DayRow {
    currency_code: String,
    date: NaiveDate,
    opening_balance: Option<Decimal>,
    transaction_count: Option<i64>,
    total_credits: Option<Decimal>,
    total_debits: Option<Decimal>,
}

impl FromRow for DayRow {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        Ok(Self {
            currency_code: FromColumn::from_column(row, accounts::Column::CurrencyCode.as_str())?,
            date: FromColumn::from_column(row, computed::DATE)?,
            opening_balance: FromColumn::from_column(row, computed::OPENING_BALANCE)?,
            transaction_count: FromColumn::from_column(row, computed::TRANSACTION_COUNT)?,
            total_credits: FromColumn::from_column(row, computed::TOTAL_CREDITS)?,
            total_debits: FromColumn::from_column(row, computed::TOTAL_DEBITS)?,
        })
    }
}
