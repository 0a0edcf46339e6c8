//! The JSON of holds.

use chrono::{DateTime, Utc};
use neobank_domain::ledger::{Hold, HoldCursor, HoldEventType, HoldReceipt};
use neobank_domain::{AccountId, Money};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{AmountView, optional_time, time};
use crate::access::Visible;

/// A change of a hold.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HoldChange)]
pub(crate) struct HoldChangeView {
    pub(crate) hold_id: Uuid,
    event_id: Uuid,
    event_type: String,
    #[schema(value_type = Uuid)]
    account_id: AccountId,
    #[schema(value_type = Option<Uuid>)]
    to_account_id: Option<AccountId>,
    /// The amount by which the change raises or lowers what the hold reserves.
    #[schema(value_type = AmountView)]
    amount: Money,
    /// The amount that the hold reserves after the change.
    #[schema(value_type = AmountView)]
    remaining: Money,
    /// The sum of the account's holds after the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<AmountView>)]
    held_balance: Option<Money>,
    #[serde(serialize_with = "optional_time")]
    expires_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "time")]
    occurred_at: DateTime<Utc>,
    /// The transfer of a capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer_id: Option<Uuid>,
    /// The key of the request; a step of a group has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(skip)]
    is_new: bool,
}

/// A hold at the time of the answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Hold)]
pub(crate) struct HoldView {
    hold_id: Uuid,
    #[schema(value_type = Uuid)]
    account_id: AccountId,
    #[schema(value_type = Option<Uuid>)]
    to_account_id: Option<AccountId>,
    /// The amount at the beginning.
    #[schema(value_type = AmountView)]
    amount: Money,
    /// The part of the amount that the hold still reserves.
    #[schema(value_type = AmountView)]
    remaining: Money,
    status: String,
    #[serde(serialize_with = "optional_time")]
    expires_at: Option<DateTime<Utc>>,
    description: String,
    #[serde(serialize_with = "time")]
    authorised_at: DateTime<Utc>,
    #[serde(serialize_with = "optional_time")]
    ended_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
}

/// A page of a list of holds, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HoldPage)]
pub(crate) struct HoldPageView {
    holds: Vec<HoldView>,
    /// The parameter `after` of the next page; `null` on the last page.
    next: Option<String>,
}

impl HoldChangeView {
    pub(crate) fn new(receipt: &HoldReceipt, key: Option<String>, visible: &Visible) -> Self {
        let is_own = visible.has(receipt.account_id);
        Self {
            hold_id: receipt.hold_id.as_uuid(),
            event_id: receipt.event_id.as_uuid(),
            event_type: receipt.event_type.to_string(),
            account_id: receipt.account_id,
            to_account_id: receipt.to_account_id,
            amount: receipt.amount,
            remaining: receipt.remaining,
            held_balance: is_own.then_some(receipt.held_balance),
            expires_at: receipt.expires_at,
            occurred_at: receipt.occurred_at,
            transfer_id: receipt.transfer_id.map(neobank_domain::TransferId::as_uuid),
            idempotency_key: key,
            is_new: receipt.event_type == HoldEventType::Authorised,
        }
    }

    /// Returns true for the beginning of a hold.
    pub(crate) const fn is_new(&self) -> bool {
        self.is_new
    }
}

impl HoldView {
    /// Returns a hold without what a caller that may not use its account must not learn: the payer's
    /// own data.
    pub(crate) fn new(hold: Hold, visible: &Visible) -> Self {
        let is_own = visible.has(hold.account_id);
        Self {
            hold_id: hold.hold_id.as_uuid(),
            account_id: hold.account_id,
            to_account_id: hold.to_account_id,
            amount: hold.amount,
            remaining: hold.remaining,
            status: hold.status.to_string(),
            expires_at: hold.expires_at,
            description: hold.description,
            authorised_at: hold.authorised_at,
            ended_at: hold.ended_at,
            idempotency_key: hold.idempotency_key.filter(|_| is_own),
            actor: hold.actor.filter(|_| is_own),
            metadata: hold.metadata.filter(|_| is_own),
        }
    }
}

impl HoldPageView {
    /// Returns a page of the holds that were found, which are one more than the limit if there is
    /// another page.
    pub(crate) fn new(mut found: Vec<Hold>, limit: u32, visible: &Visible) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| has_more);
        let next = last.map(|last| HoldCursor::from(last).to_string());
        let holds = found.into_iter();
        let holds = holds.map(|hold| HoldView::new(hold, visible)).collect();
        Self { holds, next }
    }

    /// Returns the cursor of the next page.
    pub(crate) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }
}
