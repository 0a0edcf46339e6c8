//! What a caller gets for a request.

use serde::Serialize;
use std::fmt;

use chrono::{DateTime, Utc};

use super::{Rejection, TransferType};
use crate::{AccountId, EntryId, Money, TransferId};

/// Proof that money moved. The same request under the same key gets the same receipt again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// Identifies the transfer.
    pub transfer_id: TransferId,
    /// What it was.
    pub transfer_type: TransferType,
    /// How much.
    pub amount: Money,
    /// The side that paid.
    pub debit: EntryReceipt,
    /// The side that was paid.
    pub credit: EntryReceipt,
    /// When.
    pub posted_at: DateTime<Utc>,
}

/// One side of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EntryReceipt {
    /// Identifies the entry.
    pub transaction_id: EntryId,
    /// The account.
    pub account_id: AccountId,
    /// The entry's number among the account's.
    pub entry_number: i64,
    /// The account's book balance after the entry.
    pub running_balance: Money,
}

/// What became of one request of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "details", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The money moved.
    Posted(Receipt),
    /// It had moved before, under the same key; this is the receipt of then.
    Replayed(Receipt),
    /// Nothing happened.
    Rejected(Rejection),
}

/// A transfer's number for people, unique for ever: it is made from the transfer's identifier.
///
/// # Example
///
/// ```
/// use neobank_domain::{TransferId, ledger::ReferenceNumber};
///
/// let transfer: TransferId = "01942f3e-6a7b-7c00-8000-0000000000aa".parse()?;
/// let reference = ReferenceNumber::from(transfer);
/// assert_eq!(reference.to_string(), "TRF-01942F3E6A7B7C0080000000000000AA");
/// assert_eq!("TRF-01942F3E6A7B7C0080000000000000AA".parse::<ReferenceNumber>()?.transfer_id(), transfer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReferenceNumber(TransferId);

impl Receipt {
    /// The number for people.
    #[must_use]
    pub const fn reference_number(&self) -> ReferenceNumber {
        ReferenceNumber(self.transfer_id)
    }
}

impl Outcome {
    pub(in crate::ledger) const fn is_replayed(&self) -> bool {
        matches!(self, Self::Replayed(_))
    }

    /// The receipt, or why there is none.
    ///
    /// # Errors
    ///
    /// The rejection.
    pub fn into_receipt(self) -> Result<Receipt, Rejection> {
        match self {
            Self::Posted(receipt) | Self::Replayed(receipt) => Ok(receipt),
            Self::Rejected(rejection) => Err(rejection),
        }
    }
}

impl ReferenceNumber {
    /// The transfer that it names.
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

/// Its text.
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

/// The text is not `TRF-` and 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a reference number: {text:?}")]
#[non_exhaustive]
pub struct NotAReferenceNumber {
    /// What was given.
    pub text: String,
}
