//! An event.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::ledger::{HoldEventType, TransferType};
use crate::{AccountId, GroupId, HoldEventId, HoldId, Money, TransferId};

/// A sealed record at its position.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// The position: 1, 2, 3 without a gap.
    pub position: i64,
    /// The record.
    #[serde(flatten)]
    pub record: EventRecord,
}

/// The record of an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventRecord {
    /// A posted transfer.
    Transfer(PostedTransfer),
    /// A change of a hold.
    HoldEvent(HoldChange),
}

/// A posted transfer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PostedTransfer {
    /// The transfer.
    pub transfer_id: TransferId,
    /// The kind of the transfer.
    pub transfer_type: TransferType,
    /// The amount.
    pub amount: Money,
    /// The time of the transfer and of both entries.
    pub posted_at: DateTime<Utc>,
    /// The group whose transfers are posted together.
    pub group_id: Option<GroupId>,
    /// The transfer that this one reverses.
    pub reverses: Option<TransferId>,
    /// The hold that this transfer captures.
    pub hold_id: Option<HoldId>,
    /// The payer's side.
    pub debit: EventSide,
    /// The payee's side.
    pub credit: EventSide,
}

/// One side of a posted transfer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EventSide {
    /// The account.
    pub account_id: AccountId,
    /// The number among the account's entries, from 1 without a gap. A consumer that compares it
    /// with the previous one proves that it has missed no entry.
    pub entry_number: i64,
    /// The account's balance after the entry.
    pub running_balance: Money,
}

/// A change of a hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HoldChange {
    /// The change.
    pub event_id: HoldEventId,
    /// The hold.
    pub hold_id: HoldId,
    /// The number among the hold's changes, from 1 without a gap.
    pub event_number: i64,
    /// The kind of the change.
    pub event_type: HoldEventType,
    /// The account that has the money.
    pub account_id: AccountId,
    /// The only account that captures may pay.
    pub to_account_id: Option<AccountId>,
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
    /// The group of which the change is a step.
    pub group_id: Option<GroupId>,
}
