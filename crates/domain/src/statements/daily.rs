//! One day of an account.

use chrono::NaiveDate;
use neobank_db::{Executor, FromQueryResult, Statement, statement};
use rust_decimal::Decimal;
use serde::Serialize;

use super::page::{money, unreadable};
use super::{Days, StatementError, check_range};
use crate::{AccountId, Currency, Money};

/// What happened on one day of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DailySummary {
    /// The account.
    pub account_id: AccountId,
    /// The day.
    pub date: NaiveDate,
    /// How many entries it has.
    pub transaction_count: i64,
    /// The sum of what the account gained.
    pub total_credits: Money,
    /// The sum of what the account lost.
    pub total_debits: Money,
    /// The balance after the day before.
    pub opening_balance: Money,
    /// The balance after the day's last entry; on a day without entries, that of the day before.
    pub closing_balance: Money,
}

/// The sums walk the day's part of `transactions_account_and_date_key`; the balances are the ends of it.
const SUMMARY: &str = "\
SELECT day.currency_code, totals.transaction_count, totals.total_credits, totals.total_debits,
       coalesce(opening.running_balance::numeric, 0) AS opening_balance,
       coalesce(closing.running_balance::numeric, 0) AS closing_balance
FROM (
    SELECT account.account_id, account.currency_code,
           banking.start_of_day($2, zone.name) AS starts_at,
           banking.start_of_day($2 + 1, zone.name) AS ends_at
    FROM banking.accounts AS account,
         LATERAL (SELECT CASE WHEN $3 THEN account.time_zone ELSE 'UTC' END AS name) AS zone
    WHERE account.account_id = $1
) AS day
CROSS JOIN LATERAL (
    SELECT count(*) AS transaction_count,
           coalesce(sum(t.amount) FILTER (WHERE t.transaction_type = 'credit'), 0) AS total_credits,
           coalesce(sum(t.amount) FILTER (WHERE t.transaction_type = 'debit'), 0) AS total_debits
    FROM banking.transactions AS t
    WHERE t.account_id = day.account_id
      AND t.transaction_date >= day.starts_at AND t.transaction_date < day.ends_at
) AS totals
LEFT JOIN LATERAL (
    SELECT t.running_balance FROM banking.transactions AS t
    WHERE t.account_id = day.account_id AND t.transaction_date < day.starts_at
    ORDER BY t.transaction_date DESC, t.entry_number DESC LIMIT 1
) AS opening ON true
LEFT JOIN LATERAL (
    SELECT t.running_balance FROM banking.transactions AS t
    WHERE t.account_id = day.account_id AND t.transaction_date < day.ends_at
    ORDER BY t.transaction_date DESC, t.entry_number DESC LIMIT 1
) AS closing ON true";

#[derive(FromQueryResult)]
struct SummaryRow {
    currency_code: String,
    transaction_count: i64,
    total_credits: Decimal,
    total_debits: Decimal,
    opening_balance: Decimal,
    closing_balance: Decimal,
}

/// What happened on one day of an account.
///
/// # Errors
///
/// [`StatementError::UnknownAccount`], [`StatementError::Range`] for a day outside the years 1 to 9999, or the last of them,
/// [`StatementError::Database`].
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
    let currency =
        Currency::from_code(&row.currency_code).map_err(|_| unreadable("currency_code"))?;
    Ok(DailySummary {
        account_id: account,
        date,
        transaction_count: row.transaction_count,
        total_credits: money(row.total_credits, currency)?,
        total_debits: money(row.total_debits, currency)?,
        opening_balance: money(row.opening_balance, currency)?,
        closing_balance: money(row.closing_balance, currency)?,
    })
}

/// The summary as a statement, for those who want to see how it is carried out.
///
/// # Errors
///
/// [`StatementError::Range`].
pub fn daily_summary_query(
    account: AccountId,
    date: NaiveDate,
    days: Days,
) -> Result<Statement, StatementError> {
    check_range(date, date.succ_opt().unwrap_or(date))?;
    let parameters = [
        account.as_uuid().into(),
        date.into(),
        (days == Days::OfAccount).into(),
    ];
    Ok(statement(SUMMARY, parameters))
}
