//! One day of an account, and the history of its days.

use chrono::NaiveDate;
use neobank_db::{DatabaseError, Executor, Statement};
use neobank_entity::banking::accounts::Column;
use neobank_entity::{FromColumn, FromRow, RowError};
use rust_decimal::Decimal;
use serde::Serialize;

use super::page::{currency, money_or_zero};
use super::query::{self, computed};
use super::{Days, StatementError, check_range};
use crate::{AccountId, Money};

/// The totals and balances of one day of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DailySummary {
    /// The account's identifier.
    pub account_id: AccountId,
    /// The calendar day, in the zone that the caller named.
    pub date: NaiveDate,
    /// The number of entries on that day.
    pub transaction_count: i64,
    /// The sum of the day's credits.
    pub total_credits: Money,
    /// The sum of the day's debits, as a positive amount.
    pub total_debits: Money,
    /// The balance at the start of the day.
    pub opening_balance: Money,
    /// The balance after the day's last entry; the opening balance on a day without entries.
    pub closing_balance: Money,
}

struct SummaryRow {
    currency_code: String,
    transaction_count: i64,
    total_credits: Option<Decimal>,
    total_debits: Option<Decimal>,
    opening_balance: Option<Decimal>,
    closing_balance: Option<Decimal>,
}

impl FromRow for SummaryRow {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        Ok(Self {
            currency_code: FromColumn::from_column(row, Column::CurrencyCode.as_str())?,
            transaction_count: FromColumn::from_column(row, computed::TRANSACTION_COUNT)?,
            total_credits: FromColumn::from_column(row, computed::TOTAL_CREDITS)?,
            total_debits: FromColumn::from_column(row, computed::TOTAL_DEBITS)?,
            opening_balance: FromColumn::from_column(row, computed::OPENING_BALANCE)?,
            closing_balance: FromColumn::from_column(row, computed::CLOSING_BALANCE)?,
        })
    }
}

/// Reads the totals and balances of one day of an account.
///
/// # Errors
///
/// [`StatementError::UnknownAccount`], [`StatementError::Range`] for a day outside
/// 0001-01-01 to 9999-12-30, and [`StatementError::Database`].
pub async fn daily_summary(
    on: &impl Executor,
    account: AccountId,
    date: NaiveDate,
    days: Days,
) -> Result<DailySummary, StatementError> {
    let row: SummaryRow = on
        .fetch_one(daily_summary_query(account, date, days)?)
        .await?
        .ok_or(StatementError::UnknownAccount { account })?;
    Ok(summary(account, date, &row)?)
}

/// Reads the totals and balances of each day from `from` to `to`, without the day `to`: the history
/// of an account's balance by day. A day without entries has the balance of the day before.
///
/// # Errors
///
/// [`StatementError::UnknownAccount`], [`StatementError::Range`] for a range that ends before it
/// begins or lies outside of 0001-01-01 to 9999-12-31, [`StatementError::TooManyDays`] above
/// [`DailySummary::DAYS_MAX`], and [`StatementError::Database`].
pub async fn daily_summaries(
    on: &impl Executor,
    account: AccountId,
    from: NaiveDate,
    to: NaiveDate,
    days: Days,
) -> Result<Vec<DailySummary>, StatementError> {
    let rows: Vec<HistoryRow> = on
        .fetch_many(daily_summaries_query(account, from, to, days)?)
        .await?;
    if rows.is_empty() && from < to {
        return Err(StatementError::UnknownAccount { account });
    }
    let summaries = rows
        .into_iter()
        .map(|row| summary(account, row.date, &row.summary));
    Ok(summaries.collect::<Result<_, _>>()?)
}

/// Returns the SQL of the history of an account's days, for callers that explain or extend it.
///
/// # Errors
///
/// [`StatementError::Range`] and [`StatementError::TooManyDays`].
pub fn daily_summaries_query(
    account: AccountId,
    from: NaiveDate,
    to: NaiveDate,
    days: Days,
) -> Result<Statement, StatementError> {
    let count = DailySummary::check_days(from, to)?;
    Ok(query::daily_summaries(account, from, count, days))
}

impl DailySummary {
    /// The most days of one history: ten years.
    pub const DAYS_MAX: i32 = 3_660;

    /// Returns the number of days of a history.
    pub(super) fn check_days(from: NaiveDate, to: NaiveDate) -> Result<i32, StatementError> {
        check_range(from, to)?;
        let asked = to.signed_duration_since(from).num_days();
        let count = i32::try_from(asked).unwrap_or(i32::MAX);
        if count > Self::DAYS_MAX {
            return Err(StatementError::TooManyDays {
                days: asked,
                days_max: Self::DAYS_MAX,
            });
        }
        Ok(count)
    }
}

fn summary(
    account_id: AccountId,
    date: NaiveDate,
    row: &SummaryRow,
) -> Result<DailySummary, DatabaseError> {
    let currency = currency(&row.currency_code)?;
    Ok(DailySummary {
        account_id,
        date,
        transaction_count: row.transaction_count,
        total_credits: money_or_zero(row.total_credits, currency)?,
        total_debits: money_or_zero(row.total_debits, currency)?,
        opening_balance: money_or_zero(row.opening_balance, currency)?,
        closing_balance: money_or_zero(row.closing_balance, currency)?,
    })
}

/// A row of the history.
struct HistoryRow {
    date: NaiveDate,
    summary: SummaryRow,
}

impl FromRow for HistoryRow {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        Ok(Self {
            date: FromColumn::from_column(row, computed::DATE)?,
            summary: SummaryRow::from_row(row)?,
        })
    }
}

/// Returns the SQL of a daily summary, for callers that explain or extend it.
///
/// # Errors
///
/// [`StatementError::Range`] for a day outside 0001-01-01 to 9999-12-30.
pub fn daily_summary_query(
    account: AccountId,
    date: NaiveDate,
    days: Days,
) -> Result<Statement, StatementError> {
    let next = date.succ_opt().unwrap_or(date);
    check_range(date, next)?;
    Ok(query::daily_summary(account, date, next, days))
}
