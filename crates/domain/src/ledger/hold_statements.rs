//! The reads of holds before a decision, and the form in which a posting function takes their
//! changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, SecondsFormat, Utc};
use neobank_db::driver::{Row, ToSql, Type};
use neobank_db::{DatabaseError, Transaction};
use neobank_entity::banking::{hold_events, holds};
use neobank_entity::enums::{HoldEventType, HoldStatus};
use serde_json::{Value, json};
use uuid::Uuid;

use super::decision::{CompletedHold, HoldState, LedgerState, NewHoldEvent};
use super::execution::Batch;
use super::queries::{COMPLETED_HOLDS, FIND_HOLD_EVENTS, GROUP_HOLDS, HOLDS};
use super::receipt::HoldReceipt;
use super::request::Request;
use super::statements::{column, money, unreadable};
use crate::{GroupId, HoldEventId, HoldId, TransferId};

/// Reads the holds that a batch names, those on its accounts whose time is over, and the holds and
/// releases that were made before under its keys. The accounts are locked, so no change of these
/// holds is missed. A batch without holds on its accounts costs nothing.
pub(super) async fn read_holds(
    transaction: &Transaction,
    batch: &Batch<'_>,
    state: &mut LedgerState,
) -> Result<(), DatabaseError> {
    let holders = state.accounts.values().filter(|one| !one.held.is_zero());
    let holders: Vec<Uuid> = holders.map(|one| one.account_id.as_uuid()).collect();
    let named: Vec<Uuid> = batch.holds.iter().map(|hold| hold.as_uuid()).collect();
    if !holders.is_empty() || !named.is_empty() {
        let types = [Type::UUID_ARRAY, Type::UUID_ARRAY, Type::TIMESTAMPTZ];
        let read = transaction.prepare(&HOLDS, &types).await?;
        let parameters: [&(dyn ToSql + Sync); 3] = [&named, &holders, &state.now];
        let rows = transaction.read_prepared(&read, &parameters).await?;
        let found = rows.iter().map(hold_state);
        state.holds = found.collect::<Result<BTreeMap<_, _>, _>>()?;
    }
    if batch.changes_holds && !batch.keys.is_empty() {
        let read = transaction
            .prepare(&COMPLETED_HOLDS, &[Type::TEXT_ARRAY])
            .await?;
        let rows = transaction.read_prepared(&read, &[&batch.keys]).await?;
        let completed = rows.iter().map(completed_hold);
        state.completed_holds = completed.collect::<Result<HashMap<_, _>, _>>()?;
    }
    Ok(())
}

/// Reads the holds and releases of the completed groups whose requests have such steps.
pub(super) async fn read_group_holds(
    transaction: &Transaction,
    batch: &Batch<'_>,
    state: &mut LedgerState,
) -> Result<(), DatabaseError> {
    let of_request = |request: &Request| {
        let Request::Group(group) = request else {
            return Vec::new();
        };
        let key = group.idempotency_key.as_deref();
        let completed = key.and_then(|key| state.completed_holds.get(key)?.group_id);
        let of_group = |group_id: GroupId| {
            let steps = (0_u16..).zip(&group.steps);
            let holds = steps.filter(|(_, step)| !step.can_move_money());
            holds.map(move |(step, _)| HoldEventId::of_group_step(group_id, step).as_uuid())
        };
        completed.into_iter().flat_map(of_group).collect()
    };
    let requests = batch.requests.iter().map(|one| one.request);
    // Requests of one batch can repeat a key.
    let wanted: BTreeSet<Uuid> = requests.flat_map(of_request).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let read = transaction
        .prepare(&GROUP_HOLDS, &[Type::UUID_ARRAY])
        .await?;
    let wanted: Vec<Uuid> = wanted.into_iter().collect();
    let rows = transaction.read_prepared(&read, &[&wanted]).await?;
    let mut holds: HashMap<GroupId, Vec<HoldReceipt>> = HashMap::new();
    for row in &rows {
        let receipt = hold_receipt(row)?;
        if let Some(group) = receipt.event_id.group() {
            holds.entry(group).or_default().push(receipt);
        }
    }
    for completed in state.completed_holds.values_mut() {
        if let Some(group) = completed.group_id {
            completed.group = holds.remove(&group).unwrap_or_default();
        }
    }
    Ok(())
}

/// Returns the changes of holds that exist among these, with their times.
pub(super) async fn find_hold_events(
    transaction: &Transaction,
    events: &[HoldEventId],
) -> Result<HashMap<HoldEventId, DateTime<Utc>>, DatabaseError> {
    use hold_events::Column;
    let find = transaction
        .prepare(&FIND_HOLD_EVENTS, &[Type::UUID_ARRAY])
        .await?;
    let events: Vec<Uuid> = events.iter().map(|event| event.as_uuid()).collect();
    let rows = transaction.read_prepared(&find, &[&events]).await?;
    let event = |row| {
        let event_id = column::<Uuid>(row, Column::EventId.as_str())?;
        Ok((event_id.into(), column(row, Column::OccurredAt.as_str())?))
    };
    rows.iter().map(event).collect()
}

/// Returns changes of holds as the parameter of a posting function; `None` where there are none.
pub(super) fn parameter(events: &[NewHoldEvent]) -> Option<Value> {
    (!events.is_empty()).then(|| events.iter().map(fields).collect())
}

/// Returns the fields of `banking.new_hold_event`. The amounts are texts, which keep every decimal.
fn fields(event: &NewHoldEvent) -> Value {
    let receipt = &event.receipt;
    let is_new = receipt.event_type == HoldEventType::Authorised;
    let (key, hash) = event
        .key
        .as_ref()
        .map(|(key, hash)| (key, hex(hash)))
        .unzip();
    json!({
        "event_id": receipt.event_id,
        "hold_id": receipt.hold_id,
        "event_type": receipt.event_type.as_str(),
        "account_id": receipt.account_id,
        "entry_number": event.entry_number,
        "amount": receipt.amount.amount().to_string(),
        "currency_code": receipt.amount.currency().code(),
        "remaining": receipt.remaining.amount().to_string(),
        "held_balance": receipt.held_balance.amount().to_string(),
        "occurred_at": time(receipt.occurred_at),
        "transfer_id": receipt.transfer_id,
        "to_account_id": receipt.to_account_id.filter(|_| is_new),
        "expires_at": receipt.expires_at.filter(|_| is_new).map(time),
        "description": event.description,
        "idempotency_key": key,
        "request_hash": hash,
        "actor": event.actor.as_ref().map(ToString::to_string),
        "metadata": event.metadata.as_ref().map(super::Metadata::to_value),
    })
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hold_state(row: &Row) -> Result<(HoldId, HoldState), DatabaseError> {
    use holds::Column;
    let status = column::<&str>(row, Column::HoldStatus.as_str())?.parse::<HoldStatus>();
    let to: Option<Uuid> = column(row, Column::ToAccountId.as_str())?;
    let hold_id = HoldId::from(column::<Uuid>(row, Column::HoldId.as_str())?);
    let state = HoldState {
        hold_id,
        account: column::<Uuid>(row, Column::AccountId.as_str())?.into(),
        to: to.map(Into::into),
        remaining: money(row, Column::Remaining.as_str())?,
        status: status.map_err(|_| unreadable(Column::HoldStatus.as_str()))?,
        expires_at: column(row, Column::ExpiresAt.as_str())?,
    };
    Ok((hold_id, state))
}

fn completed_hold(row: &Row) -> Result<(String, CompletedHold), DatabaseError> {
    use hold_events::Column;
    let request_hash = column::<&[u8]>(row, Column::RequestHash.as_str())?
        .try_into()
        .map_err(|_| unreadable(Column::RequestHash.as_str()))?;
    let receipt = hold_receipt(row)?;
    let completed = CompletedHold {
        request_hash,
        group_id: receipt.event_id.group(),
        receipt,
        group: Vec::new(),
        group_transfers: Vec::new(),
    };
    Ok((column(row, Column::IdempotencyKey.as_str())?, completed))
}

/// Reads the receipt of a change of a hold.
fn hold_receipt(row: &Row) -> Result<HoldReceipt, DatabaseError> {
    use hold_events::Column;
    let event_type = column::<&str>(row, Column::EventType.as_str())?.parse::<HoldEventType>();
    let to: Option<Uuid> = column(row, holds::Column::ToAccountId.as_str())?;
    let transfer: Option<Uuid> = column(row, Column::TransferId.as_str())?;
    Ok(HoldReceipt {
        hold_id: column::<Uuid>(row, Column::HoldId.as_str())?.into(),
        event_id: column::<Uuid>(row, Column::EventId.as_str())?.into(),
        event_type: event_type.map_err(|_| unreadable(Column::EventType.as_str()))?,
        account_id: column::<Uuid>(row, Column::AccountId.as_str())?.into(),
        to_account_id: to.map(Into::into),
        amount: money(row, Column::Amount.as_str())?,
        remaining: money(row, Column::Remaining.as_str())?,
        held_balance: money(row, Column::HeldBalance.as_str())?,
        expires_at: column(row, holds::Column::ExpiresAt.as_str())?,
        occurred_at: column(row, Column::OccurredAt.as_str())?,
        transfer_id: transfer.map(TransferId::from),
    })
}
