//! Holds: the calls of the ledger that change them, and the reads of `banking.holds`.
//!
//! A hold whose time is over is read as expired, whether or not the ledger has recorded it.

use chrono::{DateTime, Utc};
use neobank_db::{DatabaseError, Executor, Statement};
use neobank_entity::banking::hold_events;
use neobank_entity::banking::holds::{self, Column, Entity};
use neobank_entity::enums::{HoldEventType, HoldStatus};
use neobank_entity::{FromColumn, FromRow, RowError};
use rust_decimal::Decimal;
use sea_query::{Condition, Expr, ExprTrait, Func, Order, Query, SelectStatement};
use serde::Serialize;
use uuid::Uuid;

use super::decision::HoldState;
use super::request::{CaptureRequest, ExpiryRequest, HoldRequest, ReleaseRequest, Request};
use super::{HoldCursor, HoldReceipt, Ledger, LedgerError, Outcome, Receipt};
use crate::{AccountId, Currency, GroupId, HoldEventId, HoldId, Money, TransferId};

/// The server's time, in the rows of the reads.
const NOW: &str = "now";
/// The key of a hold's first change, in the rows of the reads.
const KEY: &str = "key_of_hold";

/// A hold at the time of the read.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hold {
    /// The hold's identifier.
    pub hold_id: HoldId,
    /// The account that has the money.
    pub account_id: AccountId,
    /// The only account that captures may pay.
    pub to_account_id: Option<AccountId>,
    /// The amount at the beginning.
    pub amount: Money,
    /// The part of the amount that the hold still reserves.
    pub remaining: Money,
    /// The state.
    pub status: HoldStatus,
    /// The time at which the hold is over.
    pub expires_at: Option<DateTime<Utc>>,
    /// The description for people.
    pub description: String,
    /// The person or program that asked for the hold.
    pub actor: Option<String>,
    /// The caller's own data.
    pub metadata: Option<serde_json::Value>,
    /// The time of the beginning.
    pub authorised_at: DateTime<Utc>,
    /// The time of the end; `None` for an open hold.
    pub ended_at: Option<DateTime<Utc>>,
    /// True if the time is over and the ledger has not recorded the end. The other fields are those
    /// of an expired hold.
    pub is_due: bool,
    /// The caller's idempotency key.
    pub idempotency_key: Option<String>,
}

/// One change of a hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HoldEvent {
    /// The identifier of the change.
    pub event_id: HoldEventId,
    /// The number among the hold's changes, from 1.
    pub event_number: i64,
    /// The kind of the change.
    pub event_type: HoldEventType,
    /// The amount by which the change raises or lowers what the hold reserves.
    pub amount: Money,
    /// The amount that the hold reserves after the change.
    pub remaining: Money,
    /// The sum of the account's holds after the change.
    pub held_balance: Money,
    /// The time of the change.
    pub occurred_at: DateTime<Utc>,
    /// The transfer of a capture; of a release, the last capture, which released the rest.
    pub transfer_id: Option<TransferId>,
    /// The person or program that asked for the change.
    pub actor: Option<String>,
}

/// Which holds a list has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HoldFilter {
    /// The account that has the money.
    pub account: Option<AccountId>,
    /// The state at the time of the read.
    pub status: Option<HoldStatus>,
    /// The end of the hold's time, at the latest.
    pub expires_by: Option<DateTime<Utc>>,
    /// The idempotency key of the hold.
    pub idempotency_key: Option<String>,
    /// True for the holds whose time is over and whose end the ledger has not recorded.
    pub only_due: bool,
    /// The position after the last hold of the page before, with the same conditions.
    pub after: Option<HoldCursor>,
}

impl HoldFilter {
    /// Returns the filter that every hold passes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the filter for one account.
    #[must_use]
    pub const fn of_account(mut self, account: AccountId) -> Self {
        self.account = Some(account);
        self
    }

    /// Returns the filter for one state.
    #[must_use]
    pub const fn with_status(mut self, status: HoldStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// Returns the filter for holds that end by a time.
    #[must_use]
    pub const fn expiring_by(mut self, time: DateTime<Utc>) -> Self {
        self.expires_by = Some(time);
        self
    }

    /// Returns the filter for the hold with an idempotency key.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Returns the filter for holds whose time is over and whose end the ledger has not recorded.
    #[must_use]
    pub const fn only_due(mut self) -> Self {
        self.only_due = true;
        self
    }
}

impl HoldFilter {
    /// Returns the filter for the holds after a position.
    #[must_use]
    pub const fn after(mut self, cursor: HoldCursor) -> Self {
        self.after = Some(cursor);
        self
    }
}

impl Ledger {
    /// Reserves an amount on an account, durably.
    ///
    /// # Errors
    ///
    /// As [`Ledger::transfer`](Ledger::transfer).
    pub async fn hold(&self, request: HoldRequest) -> Result<HoldReceipt, LedgerError> {
        Ok(self.execute(request.into()).await?.into_hold_receipt()?)
    }

    /// Transfers an amount that a hold has reserved, durably.
    ///
    /// # Errors
    ///
    /// As [`Ledger::transfer`](Ledger::transfer).
    pub async fn capture(&self, request: CaptureRequest) -> Result<Receipt, LedgerError> {
        self.submit(request).await
    }

    /// Makes all that remains of a hold available again, durably.
    ///
    /// # Errors
    ///
    /// As [`Ledger::transfer`](Ledger::transfer).
    pub async fn release(&self, request: ReleaseRequest) -> Result<HoldReceipt, LedgerError> {
        Ok(self.execute(request.into()).await?.into_hold_receipt()?)
    }

    /// Records the end of holds whose time is over, in the order of their ends, at most `limit` of
    /// them and at most [`Ledger::REQUESTS_MAX`]. Returns their receipts.
    ///
    /// A hold is over at its time whether or not this call has recorded it. A hold that another
    /// session ends at the same time is left out.
    ///
    /// # Errors
    ///
    /// As [`Ledger::submit_all`](Ledger::submit_all).
    pub async fn expire_holds(&self, limit: usize) -> Result<Vec<HoldReceipt>, LedgerError> {
        let limit = limit.min(Self::REQUESTS_MAX);
        let due: Vec<DueRow> = self.database().fetch_many(due(limit)).await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let request = |row: DueRow| Request::from(ExpiryRequest::new(row.hold));
        let requests: Vec<_> = due.into_iter().map(request).collect();
        let outcomes = self.submit_all(&requests).await?.into_iter();
        Ok(outcomes
            .filter_map(|outcome| match outcome {
                Outcome::Hold(receipt) => Some(receipt),
                _ => None,
            })
            .collect())
    }
}

/// Returns the hold with an identifier, or `None`.
///
/// # Errors
///
/// A failure of the database.
pub async fn find(on: &impl Executor, hold: HoldId) -> Result<Option<Hold>, DatabaseError> {
    let mut query = read();
    query.and_where(column(Column::HoldId).eq(hold.as_uuid()));
    let row: Option<HoldRow> = on.fetch_one(Statement::from_query(&query)).await?;
    row.map(HoldRow::hold).transpose()
}

/// Returns the newest holds that pass a filter, at most `limit` of them.
///
/// # Errors
///
/// A failure of the database.
pub async fn list(
    on: &impl Executor,
    filter: &HoldFilter,
    limit: u32,
) -> Result<Vec<Hold>, DatabaseError> {
    if filter
        .idempotency_key
        .as_ref()
        .is_some_and(|key| key.contains('\0'))
    {
        return Ok(Vec::new());
    }
    let rows: Vec<HoldRow> = on.fetch_many(filtered(filter, limit)).await?;
    rows.into_iter().map(HoldRow::hold).collect()
}

/// Returns the changes of a hold, in their order.
///
/// # Errors
///
/// A failure of the database.
pub async fn events(on: &impl Executor, hold: HoldId) -> Result<Vec<HoldEvent>, DatabaseError> {
    let mut query = hold_events::Entity::select();
    query
        .and_where(Expr::col((hold_events::Entity, hold_events::Column::HoldId)).eq(hold.as_uuid()))
        .order_by(
            (hold_events::Entity, hold_events::Column::EventNumber),
            Order::Asc,
        );
    let rows: Vec<hold_events::Model> = on.fetch_many(Statement::from_query(&query)).await?;
    rows.into_iter().map(event).collect()
}

/// Returns the holds that a group has made, in the order of their steps.
///
/// # Errors
///
/// A failure of the database.
pub async fn of_group(on: &impl Executor, group: GroupId) -> Result<Vec<Hold>, DatabaseError> {
    // The identifier of a single hold, or of a step, is none of a group.
    if TransferId::from(group.as_uuid()).group() != group {
        return Ok(Vec::new());
    }
    let [first, last] = HoldId::of_group(group).map(HoldId::as_uuid);
    let mut query = read();
    query
        .and_where(column(Column::HoldId).between(first, last))
        .order_by((Entity, Column::HoldId), Order::Asc);
    let rows: Vec<HoldRow> = on.fetch_many(Statement::from_query(&query)).await?;
    rows.into_iter().map(HoldRow::hold).collect()
}

/// Returns the holds that a group has released and not made itself, in the order of their beginnings.
///
/// # Errors
///
/// A failure of the database.
pub async fn released_by_group(
    on: &impl Executor,
    group: GroupId,
) -> Result<Vec<Hold>, DatabaseError> {
    use hold_events::Column as Event;
    let event = |column: Event| Expr::col((hold_events::Entity, column));
    let [first, last] = [0, u16::MAX].map(|step| HoldEventId::of_group_step(group, step).as_uuid());
    let [first_made, last_made] = HoldId::of_group(group).map(HoldId::as_uuid);
    let mut released = Query::select();
    released
        .column((hold_events::Entity, Event::HoldId))
        .from(hold_events::Entity.table_ref())
        .and_where(event(Event::EventId).between(first, last));
    let mut query = read();
    query
        .and_where(column(Column::HoldId).in_subquery(released))
        .and_where(column(Column::HoldId).not_between(first_made, last_made))
        .order_by((Entity, Column::HoldId), Order::Asc);
    let rows: Vec<HoldRow> = on.fetch_many(Statement::from_query(&query)).await?;
    rows.into_iter().map(HoldRow::hold).collect()
}

struct DueRow {
    hold: HoldId,
}

impl FromRow for DueRow {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        let hold = <Uuid as FromColumn>::from_column(row, Column::HoldId.as_str())?;
        Ok(Self { hold: hold.into() })
    }
}

/// A hold with the server's time and the key of its beginning.
struct HoldRow {
    row: holds::Model,
    now: DateTime<Utc>,
    key: Option<String>,
}

impl FromRow for HoldRow {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        Ok(Self {
            now: FromColumn::from_column(row, NOW)?,
            key: FromColumn::from_column(row, KEY)?,
            row: holds::Model::from_row(row)?,
        })
    }
}

impl HoldRow {
    fn hold(self) -> Result<Hold, DatabaseError> {
        let Self { row, now, key } = self;
        let is_due = row.hold_status == HoldStatus::Open
            && row.expires_at.is_some_and(|expires_at| expires_at <= now);
        let money = |name: Column, amount| money(name.as_str(), amount, &row.currency_code);
        Ok(Hold {
            hold_id: row.hold_id.into(),
            account_id: row.account_id.into(),
            to_account_id: row.to_account_id.map(Into::into),
            amount: money(Column::Amount, row.amount)?,
            remaining: if is_due {
                money(Column::Remaining, Decimal::ZERO)?
            } else {
                money(Column::Remaining, row.remaining)?
            },
            status: if is_due {
                HoldStatus::Expired
            } else {
                row.hold_status
            },
            expires_at: row.expires_at,
            description: row.description,
            actor: row.actor,
            metadata: row.metadata,
            authorised_at: row.authorised_at,
            ended_at: if is_due { row.expires_at } else { row.ended_at },
            is_due,
            idempotency_key: key,
        })
    }
}

fn event(row: hold_events::Model) -> Result<HoldEvent, DatabaseError> {
    use hold_events::Column;
    let money = |name: Column, amount| money(name.as_str(), amount, &row.currency_code);
    Ok(HoldEvent {
        event_id: row.event_id.into(),
        event_number: row.event_number,
        event_type: row.event_type,
        amount: money(Column::Amount, row.amount)?,
        remaining: money(Column::Remaining, row.remaining)?,
        held_balance: money(Column::HeldBalance, row.held_balance)?,
        occurred_at: row.occurred_at,
        transfer_id: row.transfer_id.map(Into::into),
        actor: row.actor,
    })
}

impl TryFrom<holds::Model> for HoldState {
    type Error = DatabaseError;

    fn try_from(row: holds::Model) -> Result<Self, DatabaseError> {
        Ok(Self {
            hold_id: row.hold_id.into(),
            account: row.account_id.into(),
            to: row.to_account_id.map(Into::into),
            remaining: money(
                Column::Remaining.as_str(),
                row.remaining,
                &row.currency_code,
            )?,
            status: row.hold_status,
            expires_at: row.expires_at,
        })
    }
}

fn money(name: &str, amount: Decimal, currency: &str) -> Result<Money, DatabaseError> {
    let currency = Currency::from_code(currency);
    let money = currency.and_then(|currency| Money::new(amount, currency));
    money.map_err(|error| DatabaseError::Row {
        reason: format!("{name} of a hold: {error}"),
    })
}

fn read() -> SelectStatement {
    use hold_events::Column as Event;
    let event = |column: Event| Expr::col((hold_events::Entity, column));
    let mut key = Query::select();
    key.column((hold_events::Entity, Event::IdempotencyKey))
        .from(hold_events::Entity.table_ref())
        .and_where(event(Event::HoldId).eq(column(Column::HoldId)))
        .and_where(event(Event::EventNumber).eq(1));
    let mut query = Entity::select();
    query
        .expr_as(clock(), NOW)
        .expr_as(Expr::SubQuery(None, Box::new(key.into())), KEY);
    query
}

/// Returns the holds whose time is over.
fn due(limit: usize) -> Statement {
    let mut query = Query::select();
    query
        .column((Entity, Column::HoldId))
        .from(Entity.table_ref())
        .and_where(is_open())
        .and_where(column(Column::ExpiresAt).lte(clock()))
        .order_by((Entity, Column::ExpiresAt), Order::Asc)
        .order_by((Entity, Column::HoldId), Order::Asc)
        .limit(u64::try_from(limit).unwrap_or(u64::MAX));
    Statement::from_query(&query)
}

fn filtered(filter: &HoldFilter, limit: u32) -> Statement {
    let mut query = read();
    if let Some(account) = filter.account {
        query.and_where(column(Column::AccountId).eq(account.as_uuid()));
    }
    let is_due = || is_open().and(column(Column::ExpiresAt).lte(clock()));
    match filter.status {
        None => {}
        Some(HoldStatus::Open) => {
            query.and_where(is_open()).cond_where(
                Condition::any()
                    .add(column(Column::ExpiresAt).is_null())
                    .add(column(Column::ExpiresAt).gt(clock())),
            );
        }
        Some(HoldStatus::Expired) => {
            let recorded = column(Column::HoldStatus).eq(HoldStatus::Expired.as_str());
            query.cond_where(Condition::any().add(recorded).add(is_due()));
        }
        Some(status) => {
            query.and_where(column(Column::HoldStatus).eq(status.as_str()));
        }
    }
    if filter.only_due {
        query.and_where(is_due());
    }
    if let Some(after) = filter.after {
        let time = || column(Column::AuthorisedAt);
        let earlier = column(Column::HoldId).lt(after.hold.as_uuid());
        query.and_where(time().lte(after.authorised_at)).cond_where(
            Condition::any()
                .add(time().lt(after.authorised_at))
                .add(earlier),
        );
    }
    if let Some(time) = filter.expires_by {
        query.and_where(column(Column::ExpiresAt).lte(time));
    }
    if let Some(key) = &filter.idempotency_key {
        let mut of_key = Query::select();
        of_key
            .column((hold_events::Entity, hold_events::Column::HoldId))
            .from(hold_events::Entity.table_ref())
            .and_where(
                Expr::col((hold_events::Entity, hold_events::Column::IdempotencyKey))
                    .eq(key.as_str()),
            );
        query.and_where(column(Column::HoldId).in_subquery(of_key));
    }
    query
        .order_by((Entity, Column::AuthorisedAt), Order::Desc)
        .order_by((Entity, Column::HoldId), Order::Desc)
        .limit(u64::from(limit));
    Statement::from_query(&query)
}

/// A literal and not a parameter, so that the server can use the index of the open holds.
fn is_open() -> Expr {
    column(Column::HoldStatus).eq(Expr::cust(format!("'{}'", HoldStatus::Open.as_str())))
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

fn clock() -> Expr {
    Func::cust("pg_catalog.clock_timestamp").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_match_their_snapshots() {
        insta::assert_snapshot!("due", due(10).sql);
        let all = HoldFilter::new()
            .of_account(Uuid::nil().into())
            .with_status(HoldStatus::Open)
            .expiring_by(DateTime::UNIX_EPOCH)
            .with_idempotency_key("key")
            .after(HoldCursor {
                authorised_at: DateTime::UNIX_EPOCH,
                hold: Uuid::nil().into(),
            });
        insta::assert_snapshot!("filtered", filtered(&all, 10).sql);
    }
}
