//! Pages of balances.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use neobank_db::{DatabaseError, Executor, Statement};
use neobank_entity::banking::accounts::Column;
use neobank_entity::enums::AccountType;
use neobank_entity::{FromColumn, FromRow, RowError};
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::query::{self, computed};
use super::{BalanceCursor, BalanceError, Balances};
use crate::{AccountId, Currency, CustomerId, Money};

/// The book balance of an account at the requested time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AccountBalance {
    /// The account's identifier.
    pub account_id: AccountId,
    /// The account's number for people.
    pub account_number: String,
    /// The identifier of the account's owner; `None` for the bank's own accounts.
    pub customer_id: Option<CustomerId>,
    /// The type of the account.
    pub account_type: AccountType,
    /// The book balance: the sum of the entries until the time.
    pub balance: Money,
    /// The number of entries until the time.
    pub entries: i64,
    /// The time at which the account was opened.
    pub opened_at: DateTime<Utc>,
}

/// One page of balances, in the order of the accounts' identifiers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BalancePage {
    /// The balances of this page.
    pub balances: Vec<AccountBalance>,
    /// The cursor of the next page; `None` on the last page.
    pub next: Option<BalanceCursor>,
}

/// Reads the balance of one account after all entries that were booked until a time, that time
/// included.
///
/// # Errors
///
/// [`BalanceError::UnknownAccount`], [`BalanceError::OpenedLater`], [`BalanceError::Time`] and
/// [`BalanceError::Database`].
pub async fn at(
    on: &impl Executor,
    account: AccountId,
    time: DateTime<Utc>,
) -> Result<AccountBalance, BalanceError> {
    let page = list(on, &Balances::at(time).of([account])).await?;
    let balance = page.balances.into_iter().next();
    balance.ok_or(BalanceError::UnknownAccount { account })
}

/// Reads the balance of one account by value date: the sum of the entries whose value date is a day
/// or an earlier one.
///
/// # Errors
///
/// [`BalanceError::UnknownAccount`], [`BalanceError::OpenedLater`], [`BalanceError::Day`] and
/// [`BalanceError::Database`].
pub async fn by_value_date(
    on: &impl Executor,
    account: AccountId,
    day: NaiveDate,
) -> Result<AccountBalance, BalanceError> {
    let page = list(on, &Balances::by_value_date(day).of([account])).await?;
    let balance = page.balances.into_iter().next();
    balance.ok_or(BalanceError::UnknownAccount { account })
}

/// Reads one page of balances.
///
/// # Errors
///
/// [`BalanceError`]: the time, the limit or the number of accounts is out of its range; an account
/// that the request names is unknown, or was opened later than the time.
pub async fn list(on: &impl Executor, request: &Balances) -> Result<BalancePage, BalanceError> {
    let rows: Vec<BalanceRow> = on.fetch_many(list_query(request)?).await?;
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    let ends: Vec<_> = rows
        .iter()
        .map(|row| row.ends_at.or(request.time))
        .collect();
    let balances = rows
        .into_iter()
        .take(limit)
        .map(balance)
        .collect::<Result<Vec<_>, _>>()?;
    require_named(request, &balances, &ends, has_more)?;
    let last = balances.last().filter(|_| has_more);
    let next = last.map(|last| BalanceCursor(last.account_id));
    Ok(BalancePage { balances, next })
}

/// Returns the SQL of a page, for callers that explain or extend it.
///
/// The query reads one account more than the limit; that account shows that a next page exists.
///
/// # Errors
///
/// [`BalanceError::Time`], [`BalanceError::Limit`] and [`BalanceError::TooManyAccounts`].
pub fn list_query(request: &Balances) -> Result<Statement, BalanceError> {
    request.check()?;
    Ok(query::page(request))
}

/// Checks that the page has every named account that it has to have: those between the cursor and
/// the page's last account.
fn require_named(
    request: &Balances,
    found: &[AccountBalance],
    ends: &[Option<DateTime<Utc>>],
    has_more: bool,
) -> Result<(), BalanceError> {
    if request.accounts.is_empty() || request.currency.is_some() {
        return Ok(());
    }
    let last = found
        .last()
        .map(|last| last.account_id)
        .filter(|_| has_more);
    let wanted = request.accounts.iter().copied().filter(|account| {
        request.after.is_none_or(|after| *account > after.0)
            && last.is_none_or(|last| *account <= last)
    });
    let ids: BTreeSet<AccountId> = found.iter().map(|balance| balance.account_id).collect();
    if let Some(account) = wanted.into_iter().find(|account| !ids.contains(account)) {
        return Err(BalanceError::UnknownAccount { account });
    }
    let later = found.iter().zip(ends).find_map(|(balance, end)| {
        let is_later = |end: &DateTime<Utc>| {
            // An entry may have a value date before the opening.
            balance.opened_at > *end && (request.value_day.is_none() || balance.entries == 0)
        };
        let is_own = balance.account_type == AccountType::System;
        let end = end.filter(is_later).filter(|_| !is_own)?;
        Some((balance, end))
    });
    match later {
        Some((balance, time)) => Err(BalanceError::OpenedLater {
            account: balance.account_id,
            opened_at: balance.opened_at,
            time,
        }),
        None => Ok(()),
    }
}

struct BalanceRow {
    account_id: Uuid,
    account_number: String,
    customer_id: Option<Uuid>,
    account_type: AccountType,
    currency_code: String,
    opened_at: DateTime<Utc>,
    balance: Option<Decimal>,
    entries: Option<i64>,
    /// The end of the day by value date, in the account's zone.
    ends_at: Option<DateTime<Utc>>,
}

impl FromRow for BalanceRow {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        Ok(Self {
            account_id: FromColumn::from_column(row, Column::AccountId.as_str())?,
            account_number: FromColumn::from_column(row, Column::AccountNumber.as_str())?,
            customer_id: FromColumn::from_column(row, Column::CustomerId.as_str())?,
            account_type: FromColumn::from_column(row, Column::AccountType.as_str())?,
            currency_code: FromColumn::from_column(row, Column::CurrencyCode.as_str())?,
            opened_at: FromColumn::from_column(row, Column::OpenedAt.as_str())?,
            balance: FromColumn::from_column(row, computed::BALANCE_THEN)?,
            entries: FromColumn::from_column(row, computed::ENTRIES_THEN)?,
            ends_at: FromColumn::from_column(row, computed::ENDS_AT)?,
        })
    }
}

fn balance(row: BalanceRow) -> Result<AccountBalance, DatabaseError> {
    Ok(AccountBalance {
        account_id: row.account_id.into(),
        account_number: row.account_number,
        customer_id: row.customer_id.map(Into::into),
        account_type: row.account_type,
        balance: money(row.balance, currency(&row.currency_code)?)?,
        entries: row.entries.unwrap_or_default(),
        opened_at: row.opened_at,
    })
}

pub(super) fn currency(code: &str) -> Result<Currency, DatabaseError> {
    Currency::from_code(code).map_err(|error| unreadable(&error))
}

/// Returns an amount, or zero for a null: a sum or a balance without entries.
pub(super) fn money(amount: Option<Decimal>, currency: Currency) -> Result<Money, DatabaseError> {
    Money::new(amount.unwrap_or_default(), currency).map_err(|error| unreadable(&error))
}

fn unreadable(error: &crate::MoneyError) -> DatabaseError {
    DatabaseError::Row {
        reason: error.to_string(),
    }
}
