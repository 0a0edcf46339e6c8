//! The reads of transfers.

use chrono::{DateTime, NaiveDate, Utc};
use neobank_db::{DatabaseError, Executor, Statement};
use neobank_entity::banking::transfers::Column;
use neobank_entity::enums::TransferType;
use neobank_entity::{FromColumn, FromRow, RowError};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::cursor::Position;
use super::query::{self, side};
use super::{
    Transfer, TransferCursor, TransferFilter, TransferPage, TransferQueryError, TransferSide,
};
use crate::accounts::{self, AccountError};
use crate::{AccountId, Currency, Money, TransferId};

/// Returns the transfer with an identifier, or `None`.
///
/// [`ReferenceNumber::transfer_id`](crate::ledger::ReferenceNumber::transfer_id) is the identifier
/// of a reference number.
///
/// # Errors
///
/// [`TransferQueryError::Database`].
pub async fn find(
    on: &impl Executor,
    transfer: TransferId,
) -> Result<Option<Transfer>, TransferQueryError> {
    let row: Option<TransferRow> = on.fetch_one(query::by_id(transfer)).await?;
    row.map(self::transfer).transpose()
}

/// Returns the transfer that was posted under an idempotency key, or `None`.
///
/// # Errors
///
/// [`TransferQueryError::Database`].
pub async fn find_by_idempotency_key(
    on: &impl Executor,
    key: &str,
) -> Result<Option<Transfer>, TransferQueryError> {
    if key.contains('\0') {
        return Ok(None);
    }
    let row: Option<TransferRow> = on.fetch_one(query::by_key(key)).await?;
    row.map(transfer).transpose()
}

/// Reads one page of transfers, newest first.
///
/// # Errors
///
/// [`TransferQueryError`]: the limit, a range, a text or the cursor is invalid, a condition needs an
/// account, or the account is unknown.
pub async fn list(
    on: &impl Executor,
    filter: &TransferFilter,
) -> Result<TransferPage, TransferQueryError> {
    let rows: Vec<TransferRow> = on.fetch_many(list_query(filter)?).await?;
    if rows.is_empty() {
        for account in [filter.account, filter.counterparty].into_iter().flatten() {
            require(on, account).await?;
        }
    }
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    let transfers = rows
        .into_iter()
        .take(limit)
        .map(transfer)
        .collect::<Result<Vec<_>, _>>()?;
    let last = transfers.last().filter(|_| has_more);
    let next = last.map(|last| position(last, filter.account));
    Ok(TransferPage { transfers, next })
}

/// Returns the SQL of a page, for callers that explain or extend it.
///
/// The query reads one transfer more than the limit; that transfer shows that a next page exists.
///
/// # Errors
///
/// As [`list`], without the errors of the database.
pub fn list_query(filter: &TransferFilter) -> Result<Statement, TransferQueryError> {
    filter.check()?;
    Ok(query::page(filter))
}

async fn require(on: &impl Executor, account: AccountId) -> Result<(), TransferQueryError> {
    match accounts::find(on, account).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(TransferQueryError::UnknownAccount { account }),
        Err(AccountError::Database(error)) => Err(error.into()),
        Err(other) => Err(DatabaseError::Row {
            reason: other.to_string(),
        }
        .into()),
    }
}

fn position(last: &Transfer, account: Option<AccountId>) -> TransferCursor {
    TransferCursor(match account {
        None => Position::OfAll(last.transfer_id),
        Some(account) => {
            let own = if last.debit.account_id == account {
                &last.debit
            } else {
                &last.credit
            };
            Position::OfAccount {
                account,
                posted_at: last.posted_at,
                entry_number: own.entry_number,
            }
        }
    })
}

/// A row of the queries.
struct TransferRow {
    transfer_id: Uuid,
    transfer_type: TransferType,
    amount: Decimal,
    currency_code: String,
    description: String,
    idempotency_key: Option<String>,
    posted_at: DateTime<Utc>,
    group_id: Option<Uuid>,
    reverses: Option<Uuid>,
    hold_id: Option<Uuid>,
    actor: Option<String>,
    metadata: Option<serde_json::Value>,
    value_date: Option<NaiveDate>,
    debit: SideRow,
    credit: SideRow,
}

struct SideRow {
    account_id: Uuid,
    account_number: String,
    transaction_id: Uuid,
    entry_number: i64,
    running_balance: Decimal,
}

impl FromRow for TransferRow {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        Ok(Self {
            transfer_id: FromColumn::from_column(row, Column::TransferId.as_str())?,
            transfer_type: FromColumn::from_column(row, Column::TransferType.as_str())?,
            amount: FromColumn::from_column(row, Column::Amount.as_str())?,
            currency_code: FromColumn::from_column(row, Column::CurrencyCode.as_str())?,
            description: FromColumn::from_column(row, Column::Description.as_str())?,
            idempotency_key: FromColumn::from_column(row, Column::IdempotencyKey.as_str())?,
            posted_at: FromColumn::from_column(row, Column::PostedAt.as_str())?,
            group_id: FromColumn::from_column(row, Column::GroupId.as_str())?,
            reverses: FromColumn::from_column(row, Column::ReversesTransferId.as_str())?,
            hold_id: FromColumn::from_column(row, Column::HoldId.as_str())?,
            actor: FromColumn::from_column(row, Column::Actor.as_str())?,
            metadata: FromColumn::from_column(row, Column::Metadata.as_str())?,
            value_date: FromColumn::from_column(row, Column::ValueDate.as_str())?,
            debit: SideRow {
                account_id: FromColumn::from_column(row, Column::FromAccountId.as_str())?,
                account_number: FromColumn::from_column(row, side::FROM_NUMBER)?,
                transaction_id: FromColumn::from_column(row, side::DEBIT_ID)?,
                entry_number: FromColumn::from_column(row, Column::FromEntryNumber.as_str())?,
                running_balance: FromColumn::from_column(row, side::DEBIT_BALANCE)?,
            },
            credit: SideRow {
                account_id: FromColumn::from_column(row, Column::ToAccountId.as_str())?,
                account_number: FromColumn::from_column(row, side::TO_NUMBER)?,
                transaction_id: FromColumn::from_column(row, side::CREDIT_ID)?,
                entry_number: FromColumn::from_column(row, Column::ToEntryNumber.as_str())?,
                running_balance: FromColumn::from_column(row, side::CREDIT_BALANCE)?,
            },
        })
    }
}

fn transfer(row: TransferRow) -> Result<Transfer, TransferQueryError> {
    let unreadable = |error: crate::MoneyError| DatabaseError::Row {
        reason: format!("transfer {}: {error}", row.transfer_id),
    };
    let currency = Currency::from_code(&row.currency_code).map_err(unreadable)?;
    let money = |amount| Money::new(amount, currency).map_err(unreadable);
    let side = |side: SideRow| -> Result<TransferSide, DatabaseError> {
        Ok(TransferSide {
            account_id: side.account_id.into(),
            account_number: side.account_number,
            transaction_id: side.transaction_id.into(),
            entry_number: side.entry_number,
            running_balance: money(side.running_balance)?,
        })
    };
    Ok(Transfer {
        transfer_id: row.transfer_id.into(),
        transfer_type: row.transfer_type,
        amount: money(row.amount)?,
        description: row.description,
        idempotency_key: row.idempotency_key,
        debit: side(row.debit)?,
        credit: side(row.credit)?,
        posted_at: row.posted_at,
        group_id: row.group_id.map(Into::into),
        reverses: row.reverses.map(Into::into),
        hold_id: row.hold_id.map(Into::into),
        actor: row.actor,
        metadata: row.metadata,
        value_date: row.value_date,
    })
}
