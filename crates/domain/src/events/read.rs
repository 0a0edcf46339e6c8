//! The reads of events.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::stream::{Stream, try_unfold};
use neobank_db::{DatabaseError, Executor, FromRow};
use neobank_entity::functions::banking::ReadEvents;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Event, EventError, EventRecord, EventSide, HoldChange, PostedTransfer};
use crate::{AccountId, Currency, Ledger, Money};

/// The most events of one read.
pub const LIMIT_MAX: u32 = 10_000;

/// The time between two reads of a stream that has reached the end of the sealed order.
pub const POLL_INTERVAL: Duration = Duration::from_millis(250);

impl Ledger {
    /// Returns every event behind a position, in order; 0 is the beginning. The stream never ends:
    /// at the end of the sealed order it waits for further events. After an error it ends, and the
    /// caller begins again behind the last event that it has processed.
    pub fn events(
        &self,
        after: i64,
    ) -> impl Stream<Item = Result<Event, EventError>> + Send + use<> {
        let start = (self.database().clone(), after, VecDeque::new());
        try_unfold(start, |(database, after, mut page)| async move {
            while page.is_empty() {
                page = VecDeque::from(read(&database, after, LIMIT_OF_STREAM).await?);
                if page.is_empty() {
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
            }
            let next: Option<Event> = page.pop_front();
            Ok(next.map(|event| {
                let position = event.position;
                (event, (database, position, page))
            }))
        })
    }
}

const LIMIT_OF_STREAM: u32 = 1_000;

/// Returns the events behind a position, in order, at most `limit`; 0 is the beginning. Fewer than
/// the limit means that the sealed order has no more yet.
///
/// # Errors
///
/// [`EventError::Limit`], [`EventError::Position`], [`EventError::Missing`] and
/// [`EventError::Database`].
pub async fn read(on: &impl Executor, after: i64, limit: u32) -> Result<Vec<Event>, EventError> {
    let limit = validate(after, limit)?;
    let call = ReadEvents { after, limit };
    let rows: Vec<EventRow> = on.fetch_many(call.statement()).await?;
    rows.into_iter()
        .zip(after.saturating_add(1)..)
        .map(event)
        .collect()
}

/// Returns the limit as the server takes it, if [`read`] would take the position and the limit.
///
/// # Errors
///
/// [`EventError::Limit`] and [`EventError::Position`].
pub fn validate(after: i64, limit: u32) -> Result<i32, EventError> {
    // The server adds the limit to it.
    if !(0..=i64::MAX / 2).contains(&after) {
        return Err(EventError::Position { position: after });
    }
    let valid = i32::try_from(limit).ok();
    valid
        .filter(|_| (1..=LIMIT_MAX).contains(&limit))
        .ok_or(EventError::Limit {
            limit,
            limit_max: LIMIT_MAX,
        })
}

#[derive(FromRow)]
struct EventRow {
    event_position: i64,
    record_kind: String,
    record_id: Uuid,
    event_type: Option<String>,
    transfer_id: Option<Uuid>,
    group_id: Option<Uuid>,
    hold_id: Option<Uuid>,
    reverses_transfer_id: Option<Uuid>,
    amount: Option<Decimal>,
    currency_code: Option<String>,
    occurred_at: Option<DateTime<Utc>>,
    from_account_id: Option<Uuid>,
    from_entry_number: Option<i64>,
    from_balance: Option<Decimal>,
    to_account_id: Option<Uuid>,
    to_entry_number: Option<i64>,
    to_balance: Option<Decimal>,
    hold_event_number: Option<i64>,
    hold_remaining: Option<Decimal>,
    held_balance: Option<Decimal>,
}

/// Returns the event of a row, which must be at the expected position.
fn event((row, position): (EventRow, i64)) -> Result<Event, EventError> {
    if row.event_position != position || row.event_type.is_none() {
        return Err(EventError::Missing { position });
    }
    let record = if row.record_kind == "transfer" {
        EventRecord::Transfer(transfer(&row)?)
    } else {
        EventRecord::HoldEvent(hold_change(&row)?)
    };
    Ok(Event { position, record })
}

fn transfer(row: &EventRow) -> Result<PostedTransfer, DatabaseError> {
    let side = |account: Option<Uuid>, number, balance| {
        Ok::<_, DatabaseError>(EventSide {
            account_id: AccountId::from(present(account)?),
            entry_number: present(number)?,
            running_balance: row.money(balance)?,
        })
    };
    Ok(PostedTransfer {
        transfer_id: row.record_id.into(),
        transfer_type: row.parsed()?,
        amount: row.money(row.amount)?,
        posted_at: present(row.occurred_at)?,
        group_id: row.group_id.map(Into::into),
        reverses: row.reverses_transfer_id.map(Into::into),
        hold_id: row.hold_id.map(Into::into),
        debit: side(row.from_account_id, row.from_entry_number, row.from_balance)?,
        credit: side(row.to_account_id, row.to_entry_number, row.to_balance)?,
    })
}

fn hold_change(row: &EventRow) -> Result<HoldChange, DatabaseError> {
    Ok(HoldChange {
        event_id: row.record_id.into(),
        hold_id: present(row.hold_id)?.into(),
        event_number: present(row.hold_event_number)?,
        event_type: row.parsed()?,
        account_id: present(row.from_account_id)?.into(),
        to_account_id: row.to_account_id.map(Into::into),
        amount: row.money(row.amount)?,
        remaining: row.money(row.hold_remaining)?,
        held_balance: row.money(row.held_balance)?,
        occurred_at: present(row.occurred_at)?,
        transfer_id: row.transfer_id.map(Into::into),
        group_id: row.group_id.map(Into::into),
    })
}

impl EventRow {
    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&self) -> Result<T, DatabaseError> {
        let text = self.event_type.as_deref().unwrap_or_default();
        text.parse()
            .map_err(|error: T::Err| self.unreadable(&error))
    }

    fn money(&self, amount: Option<Decimal>) -> Result<Money, DatabaseError> {
        let code = self.currency_code.as_deref().unwrap_or_default();
        let currency = Currency::from_code(code).map_err(|error| self.unreadable(&error))?;
        Money::new(present(amount)?, currency).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, error: &dyn std::fmt::Display) -> DatabaseError {
        DatabaseError::Row {
            reason: format!("the event at position {}: {error}", self.event_position),
        }
    }
}

fn present<T>(value: Option<T>) -> Result<T, DatabaseError> {
    value.ok_or_else(|| DatabaseError::Row {
        reason: "an event lacks a value".to_owned(),
    })
}
