//! The JSON of answers. Amounts and 64-bit numbers are texts, and times are in UTC.

pub(crate) mod groups;
pub(crate) mod holds;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use neobank_domain::accounts::Account;
use neobank_domain::ledger::{EntryReceipt, Receipt, TransferType};
use neobank_domain::transfers::{Transfer, TransferSide};
use neobank_domain::{AccountId, Money};
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::Visible;

/// An amount of a currency.
#[derive(Debug, ToSchema)]
#[schema(as = Amount)]
#[expect(dead_code, reason = "only describes the JSON of an amount")]
pub(crate) struct AmountView {
    /// The number, in major units: `"250.00"`.
    #[schema(pattern = r"^-?[0-9]{1,18}(\.[0-9]+)?$", example = "250.00")]
    amount: String,
    /// The code of ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "CZK")]
    currency: String,
}

/// A posted transfer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transfer)]
pub(crate) struct TransferView {
    pub(crate) transfer_id: Uuid,
    pub(crate) reference_number: String,
    pub(crate) transfer_type: String,
    #[schema(value_type = AmountView)]
    pub(crate) amount: Money,
    pub(crate) debit: SideView,
    pub(crate) credit: SideView,
    #[serde(serialize_with = "time")]
    pub(crate) posted_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idempotency_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reverses: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hold_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) metadata: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value_date: Option<NaiveDate>,
}

/// One side of a transfer. The number and the balance are left out where the caller may not use the
/// account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Side)]
pub(crate) struct SideView {
    #[schema(value_type = Uuid)]
    pub(crate) account_id: AccountId,
    pub(crate) transaction_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entry_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<AmountView>)]
    pub(crate) running_balance: Option<Money>,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountView {
    #[schema(value_type = Uuid)]
    account_id: AccountId,
    customer_id: Option<Uuid>,
    account_number: String,
    account_type: String,
    status: String,
    currency: &'static str,
    #[schema(value_type = AmountView)]
    current_balance: Money,
    #[schema(value_type = Option<AmountView>)]
    available_balance: Option<Money>,
    #[schema(value_type = AmountView)]
    held_balance: Money,
    #[schema(value_type = Option<AmountView>)]
    overdraft_limit: Option<Money>,
    time_zone: String,
    last_entry_number: String,
    version: String,
    #[serde(serialize_with = "time")]
    opened_at: DateTime<Utc>,
    #[serde(serialize_with = "optional_time")]
    closed_at: Option<DateTime<Utc>>,
}

impl TransferView {
    /// Leaves out what a caller that may not use an account must not learn: the account's number of
    /// entries and balance, and the payer's own data.
    pub(crate) fn hide(&mut self, visible: &Visible) {
        let is_asked_for_by_the_payer = [
            TransferType::Transfer,
            TransferType::Reversal,
            TransferType::JournalEntry,
        ]
        .iter()
        .any(|kind| self.transfer_type == kind.as_str());
        if is_asked_for_by_the_payer && !visible.has(self.debit.account_id) {
            self.idempotency_key = None;
            self.metadata = None;
            self.actor = None;
        }
        for side in [&mut self.debit, &mut self.credit] {
            if !visible.has(side.account_id) {
                side.entry_number = None;
                side.running_balance = None;
            }
        }
    }
}

impl From<&Receipt> for TransferView {
    fn from(receipt: &Receipt) -> Self {
        let side = |entry: &EntryReceipt| SideView {
            account_id: entry.account_id,
            transaction_id: entry.transaction_id.as_uuid(),
            entry_number: Some(entry.entry_number.to_string()),
            running_balance: Some(entry.running_balance),
        };
        Self {
            transfer_id: receipt.transfer_id.as_uuid(),
            reference_number: receipt.reference_number().to_string(),
            transfer_type: receipt.transfer_type.to_string(),
            amount: receipt.amount,
            debit: side(&receipt.debit),
            credit: side(&receipt.credit),
            posted_at: receipt.posted_at,
            idempotency_key: None,
            description: None,
            group_id: None,
            reverses: receipt.reverses.map(neobank_domain::TransferId::as_uuid),
            hold_id: receipt.hold.map(neobank_domain::HoldId::as_uuid),
            actor: None,
            metadata: None,
            value_date: None,
        }
    }
}

impl From<Transfer> for TransferView {
    fn from(transfer: Transfer) -> Self {
        let side = |side: &TransferSide| SideView {
            account_id: side.account_id,
            transaction_id: side.transaction_id.as_uuid(),
            entry_number: Some(side.entry_number.to_string()),
            running_balance: Some(side.running_balance),
        };
        Self {
            transfer_id: transfer.transfer_id.as_uuid(),
            reference_number: transfer.reference_number().to_string(),
            transfer_type: transfer.transfer_type.to_string(),
            amount: transfer.amount,
            debit: side(&transfer.debit),
            credit: side(&transfer.credit),
            posted_at: transfer.posted_at,
            idempotency_key: transfer.idempotency_key,
            description: Some(transfer.description),
            group_id: transfer.group_id.map(neobank_domain::GroupId::as_uuid),
            reverses: transfer.reverses.map(neobank_domain::TransferId::as_uuid),
            hold_id: transfer.hold_id.map(neobank_domain::HoldId::as_uuid),
            actor: transfer.actor,
            metadata: transfer.metadata,
            value_date: transfer.value_date,
        }
    }
}

impl From<Account> for AccountView {
    fn from(account: Account) -> Self {
        Self {
            account_id: account.account_id,
            customer_id: account.customer_id.map(neobank_domain::CustomerId::as_uuid),
            account_number: account.account_number,
            account_type: account.account_type.to_string(),
            status: account.status.to_string(),
            currency: account.current_balance.currency().code(),
            current_balance: account.current_balance,
            available_balance: account.available_balance,
            held_balance: account.held_balance,
            overdraft_limit: account.overdraft_limit,
            time_zone: account.time_zone,
            last_entry_number: account.last_entry_number.to_string(),
            version: account.version.to_string(),
            opened_at: account.opened_at,
            closed_at: account.closed_at,
        }
    }
}

/// Writes a time in UTC, with microseconds.
pub(crate) fn time<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// Writes a time that may be missing.
pub(crate) fn optional_time<S: Serializer>(
    value: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => time(value, serializer),
        None => serializer.serialize_none(),
    }
}
