//! Receipts and outcomes: the ledger's answers to requests.

use serde::Serialize;
use std::fmt;

use chrono::{DateTime, Utc};

use neobank_entity::enums::HoldEventType;

use super::{Rejection, TransferType};
use crate::{AccountId, EntryId, GroupId, HoldEventId, HoldId, Money, TransferId};

/// The receipt of a posted transfer. The same request under the same idempotency key gets the same
/// receipt again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// The transfer's identifier.
    pub transfer_id: TransferId,
    /// The kind of the transfer.
    pub transfer_type: TransferType,
    /// The amount, which is more than zero.
    pub amount: Money,
    /// The entry of the account that pays.
    pub debit: EntryReceipt,
    /// The entry of the account that is paid.
    pub credit: EntryReceipt,
    /// The time of posting, which both entries have.
    pub posted_at: DateTime<Utc>,
    /// The transfer that this one reverses; `None` for every other transfer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverses: Option<TransferId>,
    /// The hold that this transfer captures; `None` for every other transfer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldId>,
}

/// The receipt of a change of a hold. The same request under the same idempotency key gets the same
/// receipt again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HoldReceipt {
    /// The hold's identifier.
    pub hold_id: HoldId,
    /// The identifier of the change.
    pub event_id: HoldEventId,
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
    /// The time at which the hold is over.
    pub expires_at: Option<DateTime<Utc>>,
    /// The time of the change.
    pub occurred_at: DateTime<Utc>,
    /// The transfer of a capture; of a release, the last capture, which released the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_id: Option<TransferId>,
}

/// The receipt of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GroupReceipt {
    /// The group's identifier.
    pub group_id: GroupId,
    /// One receipt for each step; `None` for a step that was allowed to change nothing and did.
    pub steps: Vec<Option<StepReceipt>>,
}

/// The receipt of a step of a group. Serialised, it is the receipt itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum StepReceipt {
    /// The step moved an amount.
    Transfer(Receipt),
    /// The step made or released a hold.
    Hold(HoldReceipt),
}

/// One side of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EntryReceipt {
    /// The entry's identifier.
    pub transaction_id: EntryId,
    /// The account of the entry.
    pub account_id: AccountId,
    /// The entry's number within its account, from 1.
    pub entry_number: i64,
    /// The account's book balance after the entry.
    pub running_balance: Money,
}

/// The outcome of one request of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "details", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The request was posted.
    Posted(Receipt),
    /// The same request was posted before under the same key; this is the receipt of that time.
    Replayed(Receipt),
    /// The group was posted.
    GroupPosted(GroupReceipt),
    /// The same group was posted before under the same key; this is the receipt of that time.
    GroupReplayed(GroupReceipt),
    /// The hold was changed, and no money moved.
    Hold(HoldReceipt),
    /// The same change was made before under the same key; this is the receipt of that time.
    HoldReplayed(HoldReceipt),
    /// The request was rejected, and nothing was changed.
    Rejected(Rejection),
}

/// A transfer's reference number for people, unique because it is made from the transfer's
/// identifier.
///
/// # Example
///
/// ```
/// use neobank_domain::{TransferId, ledger::ReferenceNumber};
///
/// let transfer: TransferId = "01942f3e-6a7b-7c00-8000-0000000000aa".parse()?;
/// let reference = ReferenceNumber::from(transfer);
/// assert_eq!(reference.to_string(), "TRF-01942F3E6A7B7C0080000000000000AA");
/// let parsed: ReferenceNumber = "TRF-01942F3E6A7B7C0080000000000000AA".parse()?;
/// assert_eq!(parsed.transfer_id(), transfer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReferenceNumber(TransferId);

impl Receipt {
    /// Returns the transfer's reference number.
    #[must_use]
    pub const fn reference_number(&self) -> ReferenceNumber {
        ReferenceNumber(self.transfer_id)
    }
}

impl GroupReceipt {
    /// Returns the receipts of the transfers, in the order of their steps.
    pub fn transfers(&self) -> impl Iterator<Item = &Receipt> {
        self.steps.iter().flatten().filter_map(|step| match step {
            StepReceipt::Transfer(receipt) => Some(receipt),
            StepReceipt::Hold(_) => None,
        })
    }

    /// Returns the receipts of the steps that made or released a hold, in their order.
    pub fn holds(&self) -> impl Iterator<Item = &HoldReceipt> {
        self.steps.iter().flatten().filter_map(|step| match step {
            StepReceipt::Hold(receipt) => Some(receipt),
            StepReceipt::Transfer(_) => None,
        })
    }
}

impl StepReceipt {
    /// Returns the transfer of a step that moved an amount.
    #[must_use]
    pub const fn transfer(&self) -> Option<&Receipt> {
        match self {
            Self::Transfer(receipt) => Some(receipt),
            Self::Hold(_) => None,
        }
    }

    /// Returns the change of a step that made or released a hold.
    #[must_use]
    pub const fn hold(&self) -> Option<&HoldReceipt> {
        match self {
            Self::Hold(receipt) => Some(receipt),
            Self::Transfer(_) => None,
        }
    }
}

impl Outcome {
    /// Returns true for the receipt of an earlier request with the same key.
    #[must_use]
    pub const fn is_replayed(&self) -> bool {
        matches!(
            self,
            Self::Replayed(_) | Self::GroupReplayed(_) | Self::HoldReplayed(_)
        )
    }

    pub(in crate::ledger) const fn is_posted(&self) -> bool {
        matches!(self, Self::Posted(_) | Self::GroupPosted(_) | Self::Hold(_))
    }

    /// Returns the receipts of the transfers, in their order; a rejection has none.
    pub fn receipts(&self) -> impl Iterator<Item = &Receipt> {
        let single = match self {
            Self::Posted(receipt) | Self::Replayed(receipt) => Some(receipt),
            _ => None,
        };
        let group = self.group().into_iter().flat_map(GroupReceipt::transfers);
        single.into_iter().chain(group)
    }

    pub(in crate::ledger) fn receipts_mut(&mut self) -> impl Iterator<Item = &mut Receipt> {
        let (single, group): (Option<&mut Receipt>, &mut [Option<StepReceipt>]) = match self {
            Self::Posted(receipt) | Self::Replayed(receipt) => (Some(receipt), &mut []),
            Self::GroupPosted(group) | Self::GroupReplayed(group) => (None, &mut group.steps),
            Self::Hold(_) | Self::HoldReplayed(_) | Self::Rejected(_) => (None, &mut []),
        };
        let of_step = |step| match step {
            &mut StepReceipt::Transfer(ref mut receipt) => Some(receipt),
            StepReceipt::Hold(_) => None,
        };
        let group = group.iter_mut().flatten().filter_map(of_step);
        single.into_iter().chain(group)
    }

    /// Returns the receipts of holds and releases, in their order.
    fn hold_receipts(&self) -> impl Iterator<Item = &HoldReceipt> {
        let single = match self {
            Self::Hold(receipt) | Self::HoldReplayed(receipt) => Some(receipt),
            _ => None,
        };
        let group = self.group().into_iter().flat_map(GroupReceipt::holds);
        single.into_iter().chain(group)
    }

    pub(in crate::ledger) fn hold_receipts_mut(
        &mut self,
    ) -> impl Iterator<Item = &mut HoldReceipt> {
        let (single, group): (Option<&mut HoldReceipt>, &mut [Option<StepReceipt>]) = match self {
            Self::Hold(receipt) | Self::HoldReplayed(receipt) => (Some(receipt), &mut []),
            Self::GroupPosted(group) | Self::GroupReplayed(group) => (None, &mut group.steps),
            Self::Posted(_) | Self::Replayed(_) | Self::Rejected(_) => (None, &mut []),
        };
        let of_step = |step| match step {
            &mut StepReceipt::Hold(ref mut receipt) => Some(receipt),
            StepReceipt::Transfer(_) => None,
        };
        let group = group.iter_mut().flatten().filter_map(of_step);
        single.into_iter().chain(group)
    }

    /// Returns the changes of holds that moved no money.
    pub(in crate::ledger) fn hold_events(&self) -> impl Iterator<Item = HoldEventId> {
        self.hold_receipts().map(|receipt| receipt.event_id)
    }

    const fn group(&self) -> Option<&GroupReceipt> {
        match self {
            Self::GroupPosted(group) | Self::GroupReplayed(group) => Some(group),
            _ => None,
        }
    }

    /// Returns the receipt; of a group, the receipt of its first transfer.
    ///
    /// # Errors
    ///
    /// The [`Rejection`] of a rejected request, and [`Rejection::NoTransfer`] for changes of holds
    /// that moved no money.
    pub fn into_receipt(self) -> Result<Receipt, Rejection> {
        match self {
            Self::Posted(receipt) | Self::Replayed(receipt) => Ok(receipt),
            Self::GroupPosted(group) | Self::GroupReplayed(group) => {
                let first = group.transfers().next().cloned();
                first.ok_or(Rejection::NoTransfer)
            }
            Self::Hold(_) | Self::HoldReplayed(_) => Err(Rejection::NoTransfer),
            Self::Rejected(rejection) => Err(rejection),
        }
    }

    /// Returns the receipt of a hold or a release.
    ///
    /// # Errors
    ///
    /// The [`Rejection`] of a rejected request, and [`Rejection::NotAHold`] for a transfer.
    pub fn into_hold_receipt(self) -> Result<HoldReceipt, Rejection> {
        match self {
            Self::Hold(receipt) | Self::HoldReplayed(receipt) => Ok(receipt),
            Self::Rejected(rejection) => Err(rejection),
            _ => Err(Rejection::NotAHold),
        }
    }

    /// Returns the receipt of a group; that of a single transfer is a group of one step.
    ///
    /// # Errors
    ///
    /// The [`Rejection`] of a rejected request.
    pub fn into_group_receipt(self) -> Result<GroupReceipt, Rejection> {
        match self {
            Self::GroupPosted(group) | Self::GroupReplayed(group) => Ok(group),
            single => single.into_receipt().map(|receipt| GroupReceipt {
                group_id: receipt.transfer_id.as_uuid().into(),
                steps: vec![Some(StepReceipt::Transfer(receipt))],
            }),
        }
    }
}

impl ReferenceNumber {
    /// Returns the transfer that the number names.
    #[must_use]
    pub const fn transfer_id(self) -> TransferId {
        self.0
    }
}

impl From<TransferId> for ReferenceNumber {
    fn from(transfer_id: TransferId) -> Self {
        Self(transfer_id)
    }
}

/// Writes the number's text.
impl Serialize for ReferenceNumber {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for ReferenceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TRF-{:X}", self.0.as_uuid().simple())
    }
}

impl std::str::FromStr for ReferenceNumber {
    type Err = NotAReferenceNumber;

    fn from_str(text: &str) -> Result<Self, NotAReferenceNumber> {
        text.strip_prefix("TRF-")
            .filter(|digits| digits.len() == 32)
            .and_then(|digits| digits.parse::<TransferId>().ok())
            .map(Self)
            .ok_or_else(|| NotAReferenceNumber {
                text: crate::text::shortened(text),
            })
    }
}

/// A text that is not `TRF-` with 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a reference number: {text:?}")]
#[non_exhaustive]
pub struct NotAReferenceNumber {
    /// The text, shortened.
    pub text: String,
}
