use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::Value;

use super::TransferCursor;
use crate::ledger::{ReferenceNumber, TransferType};
use crate::{AccountId, EntryId, GroupId, HoldId, Money, TransferId};

/// A posted transfer with both of its entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Transfer {
    /// The transfer's identifier.
    pub transfer_id: TransferId,
    /// The kind of the transfer.
    pub transfer_type: TransferType,
    /// The amount, which is more than zero.
    pub amount: Money,
    /// The description for people.
    pub description: String,
    /// The caller's idempotency key.
    pub idempotency_key: Option<String>,
    /// The entry of the account that pays.
    pub debit: TransferSide,
    /// The entry of the account that is paid.
    pub credit: TransferSide,
    /// The time of posting, which both entries have.
    pub posted_at: DateTime<Utc>,
    /// The group whose transfers were posted together; `None` for a single transfer.
    pub group_id: Option<GroupId>,
    /// The transfer that this one reverses; `None` for every other transfer.
    pub reverses: Option<TransferId>,
    /// The hold that this transfer captures; `None` for every other transfer.
    pub hold_id: Option<HoldId>,
    /// The person or program that asked for the transfer, as the caller named it.
    pub actor: Option<String>,
    /// The caller's own data: a JSON object.
    pub metadata: Option<Value>,
    /// The value date; `None` for the booking day in each account's time zone.
    pub value_date: Option<NaiveDate>,
}

/// One entry of a posted transfer, with its account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TransferSide {
    /// The account of the entry.
    pub account_id: AccountId,
    /// The account's number for people.
    pub account_number: String,
    /// The entry's identifier.
    pub transaction_id: EntryId,
    /// The entry's number within its account, from 1.
    pub entry_number: i64,
    /// The account's book balance after the entry.
    pub running_balance: Money,
}

/// One page of transfers, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TransferPage {
    /// The transfers of this page.
    pub transfers: Vec<Transfer>,
    /// The cursor of the next page; `None` on the last page.
    pub next: Option<TransferCursor>,
}

impl Transfer {
    /// Returns the transfer's reference number for people.
    #[must_use]
    pub fn reference_number(&self) -> ReferenceNumber {
        self.transfer_id.into()
    }
}
