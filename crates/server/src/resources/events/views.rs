//! The JSON of events.

use chrono::{DateTime, Utc};
use neobank_domain::Money;
use neobank_domain::events::{Event, EventRecord, EventSide, HoldChange, PostedTransfer};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::views::{AmountView, time};

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventPage)]
pub(super) struct PageView {
    pub(super) events: Vec<EventView>,
    /// The position for the next call's `after`.
    pub(super) next: String,
}

/// A sealed record at its position.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventView {
    /// 1, 2, 3 without a gap.
    position: String,
    #[serde(flatten)]
    record: RecordView,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventRecord)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum RecordView {
    Transfer(TransferRecord),
    HoldEvent(HoldRecord),
    /// A record of a kind that this version of the service does not know.
    Other,
}

/// A posted transfer.
#[derive(Debug, Serialize, ToSchema)]
struct TransferRecord {
    transfer_id: Uuid,
    transfer_type: String,
    #[schema(value_type = AmountView)]
    amount: Money,
    #[serde(serialize_with = "time")]
    posted_at: DateTime<Utc>,
    group_id: Option<Uuid>,
    reverses: Option<Uuid>,
    hold_id: Option<Uuid>,
    debit: RecordSide,
    credit: RecordSide,
}

/// One side of a posted transfer.
#[derive(Debug, Serialize, ToSchema)]
struct RecordSide {
    account_id: Uuid,
    /// The number among the account's entries, 1, 2, 3 without a gap.
    entry_number: String,
    #[schema(value_type = AmountView)]
    running_balance: Money,
}

/// A change of a hold.
#[derive(Debug, Serialize, ToSchema)]
struct HoldRecord {
    event_id: Uuid,
    hold_id: Uuid,
    /// The number among the hold's changes, 1, 2, 3 without a gap.
    event_number: String,
    event_type: String,
    account_id: Uuid,
    to_account_id: Option<Uuid>,
    #[schema(value_type = AmountView)]
    amount: Money,
    #[schema(value_type = AmountView)]
    remaining: Money,
    #[schema(value_type = AmountView)]
    held_balance: Money,
    #[serde(serialize_with = "time")]
    occurred_at: DateTime<Utc>,
    transfer_id: Option<Uuid>,
    group_id: Option<Uuid>,
}

impl EventView {
    /// The name of the record's kind.
    pub(super) const fn kind(&self) -> &'static str {
        match self.record {
            RecordView::Transfer(_) => "transfer",
            RecordView::HoldEvent(_) => "hold_event",
            RecordView::Other => "other",
        }
    }
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        let record = match event.record {
            EventRecord::HoldEvent(change) => RecordView::HoldEvent(change.into()),
            EventRecord::Transfer(transfer) => RecordView::Transfer(transfer.into()),
            _ => RecordView::Other,
        };
        Self {
            position: event.position.to_string(),
            record,
        }
    }
}

impl From<PostedTransfer> for TransferRecord {
    fn from(transfer: PostedTransfer) -> Self {
        let side = |side: EventSide| RecordSide {
            account_id: side.account_id.as_uuid(),
            entry_number: side.entry_number.to_string(),
            running_balance: side.running_balance,
        };
        Self {
            transfer_id: transfer.transfer_id.as_uuid(),
            transfer_type: transfer.transfer_type.to_string(),
            amount: transfer.amount,
            posted_at: transfer.posted_at,
            group_id: transfer.group_id.map(neobank_domain::GroupId::as_uuid),
            reverses: transfer.reverses.map(neobank_domain::TransferId::as_uuid),
            hold_id: transfer.hold_id.map(neobank_domain::HoldId::as_uuid),
            debit: side(transfer.debit),
            credit: side(transfer.credit),
        }
    }
}

impl From<HoldChange> for HoldRecord {
    fn from(change: HoldChange) -> Self {
        Self {
            event_id: change.event_id.as_uuid(),
            hold_id: change.hold_id.as_uuid(),
            event_number: change.event_number.to_string(),
            event_type: change.event_type.to_string(),
            account_id: change.account_id.as_uuid(),
            to_account_id: change.to_account_id.map(neobank_domain::AccountId::as_uuid),
            amount: change.amount,
            remaining: change.remaining,
            held_balance: change.held_balance,
            occurred_at: change.occurred_at,
            transfer_id: change.transfer_id.map(neobank_domain::TransferId::as_uuid),
            group_id: change.group_id.map(neobank_domain::GroupId::as_uuid),
        }
    }
}
