//! One page of a statement, with the balances around the whole range.

use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};
use neobank_db::{DatabaseError, Executor, Statement};
use neobank_entity::banking::accounts;
use neobank_entity::banking::transactions::Column;
use neobank_entity::enums::EntryType;
use neobank_entity::{FromColumn, FromRow, RowError};
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::query::{self, computed};
use super::{StatementCursor, StatementError, StatementRequest};
use crate::ledger::ReferenceNumber;
use crate::{AccountId, Currency, EntryId, Money, TransferId};

/// One page of a statement: entries, newest first, and the balances at both ends of the range.
///
/// The closing balance is the opening balance plus credits less debits of **all** entries in the
/// range, on every page of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StatementPage {
    /// The account's identifier.
    pub account_id: AccountId,
    /// The balance before the first entry of the range.
    pub opening_balance: Money,
    /// The balance after the last entry of the range.
    pub closing_balance: Money,
    /// The first moment of the range.
    pub starts_at: DateTime<Utc>,
    /// The first moment after the range.
    pub ends_at: DateTime<Utc>,
    /// The entries of this page, newest first.
    pub entries: Vec<Entry>,
    /// The cursor of the next page; `None` on the last page.
    pub next: Option<StatementCursor>,
}

/// One entry of an account: one side of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// The entry's identifier.
    pub transaction_id: EntryId,
    /// The identifier of the transfer that the entry belongs to.
    pub transfer_id: TransferId,
    /// The entry's position in its account, from 1, without gaps.
    pub entry_number: i64,
    /// The side of the entry: a credit raises the balance, a debit lowers it.
    pub entry_type: EntryType,
    /// The amount, always greater than zero.
    pub amount: Money,
    /// The account's balance after the entry.
    pub running_balance: Money,
    /// The description that the statement shows to people.
    pub description: String,
    /// The time at which the transfer was posted.
    pub posted_at: DateTime<Utc>,
    /// The same time in the zone whose days the statement counts, with that zone's UTC offset.
    pub local_time: DateTime<FixedOffset>,
}

impl Entry {
    /// Returns the transfer's reference number for people.
    #[must_use]
    pub fn reference_number(&self) -> ReferenceNumber {
        self.transfer_id.into()
    }

    /// Returns the signed amount: positive for a credit, negative for a debit.
    #[must_use]
    pub fn movement(&self) -> Money {
        match self.entry_type {
            EntryType::Credit => self.amount,
            EntryType::Debit => self.amount.negated(),
        }
    }
}

/// Reads one page of an account's statement.
///
/// # Errors
///
/// [`StatementError::Range`] and [`StatementError::Limit`] for a request that cannot be read,
/// [`StatementError::UnknownAccount`], and [`StatementError::Database`].
pub async fn page(
    on: &impl Executor,
    account: AccountId,
    request: &StatementRequest,
) -> Result<StatementPage, StatementError> {
    let rows: Vec<PageRow> = on.fetch_many(page_query(account, request)?).await?;
    let first = rows
        .first()
        .ok_or(StatementError::UnknownAccount { account })?;
    let currency = currency(&first.currency_code)?;
    let (opening_balance, closing_balance) = (
        money_or_zero(first.opening_balance, currency)?,
        money_or_zero(first.closing_balance, currency)?,
    );
    let (starts_at, ends_at) = (first.starts_at, first.ends_at);
    let mut entries = rows
        .into_iter()
        .filter_map(|row| row.entry)
        .map(|row| entry(row, currency))
        .collect::<Result<Vec<_>, _>>()?;
    let next = cut(&mut entries, request.limit);
    Ok(StatementPage {
        account_id: account,
        opening_balance,
        closing_balance,
        starts_at,
        ends_at,
        entries,
        next,
    })
}

/// Returns the SQL of a page, for callers that explain or extend it.
///
/// The query reads one entry more than the limit; that entry shows that a next page exists.
///
/// # Errors
///
/// [`StatementError::Range`] and [`StatementError::Limit`].
pub fn page_query(
    account: AccountId,
    request: &StatementRequest,
) -> Result<Statement, StatementError> {
    request.check()?;
    Ok(query::page(account, request))
}

/// A row of the page's query.
struct PageRow {
    currency_code: String,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    opening_balance: Option<Decimal>,
    closing_balance: Option<Decimal>,
    /// The entry; `None` when the range has none.
    entry: Option<EntryRow>,
}

pub(super) struct EntryRow {
    transaction_id: Uuid,
    transfer_id: Uuid,
    entry_number: i64,
    entry_type: EntryType,
    amount: Decimal,
    running_balance: Decimal,
    description: String,
    posted_at: DateTime<Utc>,
    local_time: NaiveDateTime,
}

impl FromRow for PageRow {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        let first: Option<Uuid> = FromColumn::from_column(row, Column::TransactionId.as_str())?;
        Ok(Self {
            currency_code: FromColumn::from_column(row, accounts::Column::CurrencyCode.as_str())?,
            starts_at: FromColumn::from_column(row, computed::STARTS_AT)?,
            ends_at: FromColumn::from_column(row, computed::ENDS_AT)?,
            opening_balance: FromColumn::from_column(row, computed::OPENING_BALANCE)?,
            closing_balance: FromColumn::from_column(row, computed::CLOSING_BALANCE)?,
            entry: first.map(|_| EntryRow::from_row(row)).transpose()?,
        })
    }
}

impl FromRow for EntryRow {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        Ok(Self {
            transaction_id: FromColumn::from_column(row, Column::TransactionId.as_str())?,
            transfer_id: FromColumn::from_column(row, Column::TransferId.as_str())?,
            entry_number: FromColumn::from_column(row, Column::EntryNumber.as_str())?,
            entry_type: FromColumn::from_column(row, Column::TransactionType.as_str())?,
            amount: FromColumn::from_column(row, Column::Amount.as_str())?,
            running_balance: FromColumn::from_column(row, Column::RunningBalance.as_str())?,
            description: FromColumn::from_column(row, Column::Description.as_str())?,
            posted_at: FromColumn::from_column(row, Column::TransactionDate.as_str())?,
            local_time: FromColumn::from_column(row, computed::LOCAL_TIME)?,
        })
    }
}

/// Removes the entry beyond the limit, and returns the cursor of the next page when there was one.
fn cut(entries: &mut Vec<Entry>, limit: u32) -> Option<StatementCursor> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if entries.len() <= limit {
        return None;
    }
    entries.truncate(limit);
    entries.last().map(|last| StatementCursor {
        posted_at: last.posted_at,
        entry_number: last.entry_number,
    })
}

pub(super) fn entry(row: EntryRow, currency: Currency) -> Result<Entry, DatabaseError> {
    Ok(Entry {
        transaction_id: row.transaction_id.into(),
        transfer_id: row.transfer_id.into(),
        entry_number: row.entry_number,
        entry_type: row.entry_type,
        amount: money(row.amount, currency)?,
        running_balance: money(row.running_balance, currency)?,
        description: row.description,
        posted_at: row.posted_at,
        local_time: with_offset(row.posted_at, row.local_time)?,
    })
}

/// Returns the moment with the zone's UTC offset at that time, computed from the server's zones.
fn with_offset(
    moment: DateTime<Utc>,
    local: NaiveDateTime,
) -> Result<DateTime<FixedOffset>, DatabaseError> {
    let seconds = local
        .signed_duration_since(moment.naive_utc())
        .num_seconds();
    i32::try_from(seconds)
        .ok()
        .and_then(FixedOffset::east_opt)
        .map(|offset| moment.with_timezone(&offset))
        .ok_or_else(|| unreadable(computed::LOCAL_TIME))
}

pub(super) fn currency(code: &str) -> Result<Currency, DatabaseError> {
    Currency::from_code(code).map_err(|_| unreadable(accounts::Column::CurrencyCode.as_str()))
}

/// Returns an amount, or zero for a null: an account without entries has no balance in the journal.
pub(super) fn money_or_zero(
    amount: Option<Decimal>,
    currency: Currency,
) -> Result<Money, DatabaseError> {
    amount.map_or(Ok(Money::zero(currency)), |amount| money(amount, currency))
}

fn money(amount: Decimal, currency: Currency) -> Result<Money, DatabaseError> {
    Money::new(amount, currency).map_err(|error| DatabaseError::Row {
        reason: error.to_string(),
    })
}

fn unreadable(name: &str) -> DatabaseError {
    DatabaseError::Row {
        reason: format!("{name} holds a value that this version does not know"),
    }
}
