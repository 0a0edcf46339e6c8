//! One day of an account.

use chrono::NaiveDate;
use neobank_db::{Executor, Statement};
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
    let currency = currency(&row.currency_code)?;
    Ok(DailySummary {
        account_id: account,
        date,
        transaction_count: row.transaction_count,
        total_credits: money_or_zero(row.total_credits, currency)?,
        total_debits: money_or_zero(row.total_debits, currency)?,
        opening_balance: money_or_zero(row.opening_balance, currency)?,
        closing_balance: money_or_zero(row.closing_balance, currency)?,
    })
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
