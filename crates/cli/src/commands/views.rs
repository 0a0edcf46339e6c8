//! The shapes of the contract, as the operator's guide documents them.

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use neobank_domain::customers::{Customer, CustomerStatus, CustomerType, KycStatus};
use neobank_domain::ledger::{Hold, HoldReceipt};
use neobank_domain::statements::Entry;
use neobank_domain::transfers::{Transfer, TransferSide};
use neobank_domain::{Account, Money};
use serde::Serialize;
use uuid::Uuid;

use super::numbers::Numbers;

#[derive(Debug, Serialize)]
pub(super) struct CustomerView {
    customer_id: Uuid,
    customer_number: String,
    first_name: String,
    last_name: String,
    email: Option<String>,
    phone_primary: Option<String>,
    phone_secondary: Option<String>,
    date_of_birth: Option<NaiveDate>,
    customer_type: CustomerType,
    status: CustomerStatus,
    kyc_status: KycStatus,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
pub(super) struct AccountView {
    account_id: Uuid,
    account_number: String,
    customer_id: Option<Uuid>,
    account_type: &'static str,
    status: &'static str,
    current_balance: Money,
    available_balance: Option<Money>,
    held_balance: Money,
    overdraft_limit: Option<Money>,
    time_zone: String,
    entries: i64,
    version: i64,
    opened_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize)]
pub(super) struct EntryView {
    transaction_id: Uuid,
    transfer_id: Uuid,
    reference_number: String,
    entry_number: i64,
    /// The signed movement: negative for a debit.
    movement: Money,
    balance: Money,
    description: String,
    posted_at: DateTime<Utc>,
    /// The time in the statement's zone, with its offset.
    local_time: DateTime<FixedOffset>,
}

#[derive(Debug, Serialize)]
pub(super) struct TransferView {
    transfer_id: Uuid,
    reference_number: String,
    transfer_type: &'static str,
    amount: Money,
    description: String,
    idempotency_key: Option<String>,
    debit: SideView,
    credit: SideView,
    posted_at: DateTime<Utc>,
    group_id: Option<Uuid>,
    reverses: Option<Uuid>,
    hold_id: Option<Uuid>,
    actor: Option<String>,
    metadata: Option<serde_json::Value>,
    value_date: Option<NaiveDate>,
}

#[derive(Debug, Serialize)]
pub(super) struct HoldView {
    hold_id: Uuid,
    account_id: Uuid,
    account_number: Option<String>,
    to_account_id: Option<Uuid>,
    to_account_number: Option<String>,
    amount: Money,
    remaining: Money,
    status: &'static str,
    expires_at: Option<DateTime<Utc>>,
    description: String,
    actor: Option<String>,
    metadata: Option<serde_json::Value>,
    authorised_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    /// True if the time is over and the end is not recorded.
    is_due: bool,
    idempotency_key: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct HoldReceiptView {
    /// `posted`, or `replayed` for a request whose key changed the hold before.
    outcome: &'static str,
    hold_id: Uuid,
    event_id: Uuid,
    event_type: &'static str,
    account_id: Uuid,
    account_number: Option<String>,
    to_account_id: Option<Uuid>,
    to_account_number: Option<String>,
    amount: Money,
    remaining: Money,
    held_balance: Money,
    expires_at: Option<DateTime<Utc>>,
    occurred_at: DateTime<Utc>,
    /// None for the end of a hold, which happens once.
    idempotency_key: Option<String>,
}

#[derive(Debug, Serialize)]
struct SideView {
    account_id: Uuid,
    account_number: String,
    transaction_id: Uuid,
    entry_number: i64,
    balance: Money,
}

impl From<&Customer> for CustomerView {
    fn from(customer: &Customer) -> Self {
        Self {
            customer_id: customer.customer_id.as_uuid(),
            customer_number: customer.customer_number.clone(),
            first_name: customer.first_name.clone(),
            last_name: customer.last_name.clone(),
            email: customer.email.clone(),
            phone_primary: customer.phone_primary.clone(),
            phone_secondary: customer.phone_secondary.clone(),
            date_of_birth: customer.date_of_birth,
            customer_type: customer.customer_type,
            status: customer.status,
            kyc_status: customer.kyc_status,
            created_at: customer.created_at,
            updated_at: customer.updated_at,
        }
    }
}

impl From<&Account> for AccountView {
    fn from(account: &Account) -> Self {
        Self {
            account_id: account.account_id.as_uuid(),
            account_number: account.account_number.clone(),
            customer_id: account.customer_id.map(neobank_domain::CustomerId::as_uuid),
            account_type: account.account_type.as_str(),
            status: account.status.as_str(),
            current_balance: account.current_balance,
            available_balance: account.available_balance,
            held_balance: account.held_balance,
            overdraft_limit: account.overdraft_limit,
            time_zone: account.time_zone.clone(),
            entries: account.last_entry_number,
            version: account.version,
            opened_at: account.opened_at,
            closed_at: account.closed_at,
        }
    }
}

impl From<&Entry> for EntryView {
    fn from(entry: &Entry) -> Self {
        Self {
            transaction_id: entry.transaction_id.as_uuid(),
            transfer_id: entry.transfer_id.as_uuid(),
            reference_number: entry.reference_number().to_string(),
            entry_number: entry.entry_number,
            movement: entry.movement(),
            balance: entry.running_balance,
            description: entry.description.clone(),
            posted_at: entry.posted_at,
            local_time: entry.local_time,
        }
    }
}

impl From<&Transfer> for TransferView {
    fn from(transfer: &Transfer) -> Self {
        Self {
            transfer_id: transfer.transfer_id.as_uuid(),
            reference_number: transfer.reference_number().to_string(),
            transfer_type: transfer.transfer_type.as_str(),
            amount: transfer.amount,
            description: transfer.description.clone(),
            idempotency_key: transfer.idempotency_key.clone(),
            debit: SideView::from(&transfer.debit),
            credit: SideView::from(&transfer.credit),
            posted_at: transfer.posted_at,
            group_id: transfer.group_id.map(neobank_domain::GroupId::as_uuid),
            reverses: transfer.reverses.map(neobank_domain::TransferId::as_uuid),
            hold_id: transfer.hold_id.map(neobank_domain::HoldId::as_uuid),
            actor: transfer.actor.clone(),
            metadata: transfer.metadata.clone(),
            value_date: transfer.value_date,
        }
    }
}

impl HoldView {
    pub(super) fn new(hold: &Hold, numbers: &Numbers) -> Self {
        let number = |account| numbers.number(account).map(str::to_owned);
        Self {
            hold_id: hold.hold_id.as_uuid(),
            account_id: hold.account_id.as_uuid(),
            account_number: number(hold.account_id),
            to_account_id: hold.to_account_id.map(neobank_domain::AccountId::as_uuid),
            to_account_number: hold.to_account_id.and_then(number),
            amount: hold.amount,
            remaining: hold.remaining,
            status: hold.status.as_str(),
            expires_at: hold.expires_at,
            description: hold.description.clone(),
            actor: hold.actor.clone(),
            metadata: hold.metadata.clone(),
            authorised_at: hold.authorised_at,
            ended_at: hold.ended_at,
            is_due: hold.is_due,
            idempotency_key: hold.idempotency_key.clone(),
        }
    }
}

impl HoldReceiptView {
    pub(super) fn new(
        receipt: &HoldReceipt,
        outcome: &'static str,
        key: Option<&str>,
        numbers: &Numbers,
    ) -> Self {
        let number = |account| numbers.number(account).map(str::to_owned);
        Self {
            outcome,
            hold_id: receipt.hold_id.as_uuid(),
            event_id: receipt.event_id.as_uuid(),
            event_type: receipt.event_type.as_str(),
            account_id: receipt.account_id.as_uuid(),
            account_number: number(receipt.account_id),
            to_account_id: receipt
                .to_account_id
                .map(neobank_domain::AccountId::as_uuid),
            to_account_number: receipt.to_account_id.and_then(number),
            amount: receipt.amount,
            remaining: receipt.remaining,
            held_balance: receipt.held_balance,
            expires_at: receipt.expires_at,
            occurred_at: receipt.occurred_at,
            idempotency_key: key.map(str::to_owned),
        }
    }
}

impl From<&TransferSide> for SideView {
    fn from(side: &TransferSide) -> Self {
        Self {
            account_id: side.account_id.as_uuid(),
            account_number: side.account_number.clone(),
            transaction_id: side.transaction_id.as_uuid(),
            entry_number: side.entry_number,
            balance: side.running_balance,
        }
    }
}
