//! The trial balance: the balances of the whole bank, whose debits equal its credits.

use chrono::{DateTime, Utc};
use neobank_db::{DatabaseError, Executor, Statement};
use neobank_entity::banking::accounts::Column;
use neobank_entity::{FromColumn, FromRow, RowError};
use rust_decimal::Decimal;
use serde::Serialize;

use super::query::{self, computed};
use super::read::{currency, money};
use super::{BalanceError, check_time};
use crate::{Currency, Money};

/// The balances of one currency: a line for the customers' accounts together, and one for each of
/// the bank's own accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TrialBalance {
    /// The currency.
    pub currency: Currency,
    /// The lines: the customers' accounts first, then the bank's own accounts by number.
    pub lines: Vec<TrialBalanceLine>,
    /// The sum of the lines' debits.
    pub debit: Money,
    /// The sum of the lines' credits, which equals the debits in a sound ledger.
    pub credit: Money,
}

/// One line of a trial balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TrialBalanceLine {
    /// The number of one of the bank's own accounts; `None` for the customers' accounts.
    pub account_number: Option<String>,
    /// The number of accounts; at a time, of those that were open then.
    pub accounts: i64,
    /// The sum of the balances below zero, as a positive amount: what the accounts owe the bank.
    pub debit: Money,
    /// The sum of the balances above zero: what the bank owes the accounts.
    pub credit: Money,
}

impl TrialBalance {
    /// Returns true when the debits equal the credits.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.debit == self.credit
    }
}

/// Reads the trial balance of every currency, now or at a time, in one snapshot.
///
/// It reads every account, and at a time also one entry of each.
///
/// # Errors
///
/// [`BalanceError::Time`] and [`BalanceError::Database`]; the latter also for a sum of 10^18 and
/// more.
pub async fn trial_balance(
    on: &impl Executor,
    time: Option<DateTime<Utc>>,
) -> Result<Vec<TrialBalance>, BalanceError> {
    let rows: Vec<LineRow> = on.fetch_many(trial_balance_query(time)?).await?;
    let mut found: Vec<TrialBalance> = Vec::new();
    for row in rows {
        let (currency, line) = line(row)?;
        let sum = |left: Money, right: Money| {
            left.checked_add(right).map_err(|error| DatabaseError::Row {
                reason: error.to_string(),
            })
        };
        match found.last_mut().filter(|last| last.currency == currency) {
            Some(last) => {
                last.debit = sum(last.debit, line.debit)?;
                last.credit = sum(last.credit, line.credit)?;
                last.lines.push(line);
            }
            None => found.push(TrialBalance {
                currency,
                debit: line.debit,
                credit: line.credit,
                lines: vec![line],
            }),
        }
    }
    Ok(found)
}

/// Returns the SQL of the trial balance, for callers that explain or extend it.
///
/// # Errors
///
/// [`BalanceError::Time`].
pub fn trial_balance_query(time: Option<DateTime<Utc>>) -> Result<Statement, BalanceError> {
    check_time(time)?;
    Ok(query::trial_balance(time))
}

struct LineRow {
    currency_code: String,
    own_number: Option<String>,
    accounts: i64,
    debit: Option<Decimal>,
    credit: Option<Decimal>,
}

impl FromRow for LineRow {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        Ok(Self {
            currency_code: FromColumn::from_column(row, Column::CurrencyCode.as_str())?,
            own_number: FromColumn::from_column(row, computed::OWN_NUMBER)?,
            accounts: FromColumn::from_column(row, computed::ACCOUNTS)?,
            debit: FromColumn::from_column(row, computed::DEBIT)?,
            credit: FromColumn::from_column(row, computed::CREDIT)?,
        })
    }
}

fn line(row: LineRow) -> Result<(Currency, TrialBalanceLine), DatabaseError> {
    let currency = currency(&row.currency_code)?;
    let line = TrialBalanceLine {
        account_number: row.own_number,
        accounts: row.accounts,
        debit: money(row.debit, currency)?.negated(),
        credit: money(row.credit, currency)?,
    };
    Ok((currency, line))
}
