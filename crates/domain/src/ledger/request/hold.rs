//! The requests that reserve an amount, capture it and release it.

use chrono::{DateTime, SubsecRound, Utc};

use super::{Attributes, builders};
use crate::{AccountId, HoldId, Money};

/// A request to reserve an amount on an account.
///
/// The book balance stays, and the amount is no longer available to others, until captures have
/// taken it, the caller releases it, or its time runs out. A hold may use the agreed overdraft.
///
/// # Example
///
/// ```
/// use neobank_domain::ledger::HoldRequest;
/// use neobank_domain::{AccountId, Currency, Money};
///
/// let (payer, hotel) = (AccountId::new(), AccountId::new());
/// let amount = Money::parse("180.00", Currency::from_code("EUR")?)?;
/// let hold = HoldRequest::new(payer, amount)
///     .with_destination(hotel)
///     .with_description("Two nights")
///     .with_idempotency_key("booking-4711");
/// assert_eq!(hold.expires_at, None);
/// # Ok::<(), neobank_domain::MoneyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HoldRequest {
    /// The account that has the money.
    pub account: AccountId,
    /// The amount, more than zero, in the account's currency.
    pub amount: Money,
    /// The only account that captures may pay; `None` where each capture names one.
    pub to: Option<AccountId>,
    /// The server's time at which the hold is over; `None` for a hold without an end. The ledger
    /// keeps microseconds.
    pub expires_at: Option<DateTime<Utc>>,
    /// The description for people, at most 500 characters.
    pub description: String,
    /// The caller's idempotency key, at most 255 characters: however often the caller repeats the
    /// request, there is one hold.
    pub idempotency_key: Option<String>,
    pub(in crate::ledger) attributes: Attributes,
}

/// The hold that a capture or a release is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HoldReference {
    /// A hold by its identifier.
    Hold(HoldId),
    /// The hold of an earlier step of the same group, by the index of that step, from 0.
    Step(usize),
}

/// A request to transfer an amount that a hold has reserved.
///
/// A capture takes at most what remains of the hold. For more, such as a tip, add a transfer to the
/// same [`GroupRequest`](super::GroupRequest).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaptureRequest {
    /// The hold.
    pub hold: HoldReference,
    /// The amount, more than zero; `None` for all that remains.
    pub amount: Option<Money>,
    /// The account that is paid; `None` for the one that the hold names.
    pub to: Option<AccountId>,
    /// True if this is the last capture, which releases what it leaves of the hold.
    pub last: bool,
    /// The description for people, at most 500 characters.
    pub description: String,
    /// The caller's idempotency key, at most 255 characters: however often the caller repeats the
    /// request, the capture happens once.
    pub idempotency_key: Option<String>,
    /// Metadata and value date.
    pub attributes: Attributes,
    /// The hold's account and destination, which the ledger looks up before it locks them.
    pub(in crate::ledger) held_by: Option<HeldBy>,
}

/// A request to make all that remains of a hold available again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReleaseRequest {
    /// The hold.
    pub hold: HoldReference,
    /// True for a step of a group that may change nothing: the group goes on if the hold has ended.
    pub if_open: bool,
    /// The caller's idempotency key, at most 255 characters: however often the caller repeats the
    /// request, the ledger releases the hold once.
    pub idempotency_key: Option<String>,
    pub(in crate::ledger) attributes: Attributes,
    pub(in crate::ledger) held_by: Option<HeldBy>,
}

/// A request to record that the time of a hold has run out. The hold is over at that time whether
/// or not the ledger has recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpiryRequest {
    /// The hold.
    pub hold: HoldId,
    pub(in crate::ledger) held_by: Option<HeldBy>,
}

/// The account of a hold, and its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct HeldBy {
    pub(in crate::ledger) account: AccountId,
    pub(in crate::ledger) to: Option<AccountId>,
}

impl HoldRequest {
    /// Returns a hold without a destination, an end, a description and a key.
    #[must_use]
    pub const fn new(account: AccountId, amount: Money) -> Self {
        Self {
            account,
            amount,
            to: None,
            expires_at: None,
            description: String::new(),
            idempotency_key: None,
            attributes: Attributes::NONE,
        }
    }

    /// Returns the hold with the only account that captures may pay.
    #[must_use]
    pub const fn with_destination(mut self, to: AccountId) -> Self {
        self.to = Some(to);
        self
    }

    /// Returns the hold with the server's time at which it is over.
    #[must_use]
    pub fn with_expiry(mut self, expires_at: DateTime<Utc>) -> Self {
        self.expires_at = Some(expires_at.trunc_subsecs(6));
        self
    }

    pub(super) fn hash_into(&self, part: &mut impl FnMut(&[u8])) {
        part(b"hold");
        part(self.account.as_uuid().as_bytes());
        part(self.amount.to_string().as_bytes());
        part(&optional(self.to));
        let expires_at = self.expires_at.map(|time| time.timestamp_micros());
        let expires_at = expires_at.map(|micros| micros.to_string());
        part(expires_at.unwrap_or_default().as_bytes());
    }
}

impl HoldReference {
    /// Returns the identifier of a hold that the request names by it.
    pub(in crate::ledger) const fn id(self) -> Option<HoldId> {
        match self {
            Self::Hold(hold) => Some(hold),
            Self::Step(_) => None,
        }
    }

    fn hash_into(self, part: &mut impl FnMut(&[u8])) {
        match self {
            Self::Hold(hold) => part(hold.as_uuid().as_bytes()),
            Self::Step(step) => part(format!("step {step}").as_bytes()),
        }
    }
}

impl From<HoldId> for HoldReference {
    fn from(hold: HoldId) -> Self {
        Self::Hold(hold)
    }
}

impl CaptureRequest {
    /// Returns the capture of all that remains of a hold, which pays the hold's destination.
    #[must_use]
    pub const fn new(hold: HoldId) -> Self {
        Self::of(HoldReference::Hold(hold))
    }

    /// As [`Self::new`], for the hold of an earlier step of the same group, which has no identifier
    /// yet. Steps are counted from 0.
    #[must_use]
    pub const fn of_step(step: usize) -> Self {
        Self::of(HoldReference::Step(step))
    }

    /// As [`Self::new`], for a hold by its identifier or by its step.
    #[must_use]
    pub const fn of(hold: HoldReference) -> Self {
        Self {
            hold,
            amount: None,
            to: None,
            last: true,
            description: String::new(),
            idempotency_key: None,
            attributes: Attributes::NONE,
            held_by: None,
        }
    }

    /// Returns the capture of a part of the hold.
    #[must_use]
    pub const fn with_amount(mut self, amount: Money) -> Self {
        self.amount = Some(amount);
        self
    }

    /// Returns the capture with the account that is paid.
    #[must_use]
    pub const fn with_destination(mut self, to: AccountId) -> Self {
        self.to = Some(to);
        self
    }

    /// Returns a capture that leaves the rest of the hold to later captures.
    #[must_use]
    pub const fn more_to_come(mut self) -> Self {
        self.last = false;
        self
    }

    /// Returns the account that is paid, as far as it is known.
    pub(in crate::ledger) fn destination(&self) -> Option<AccountId> {
        self.to.or_else(|| self.held_by?.to)
    }

    pub(super) fn hash_into(&self, part: &mut impl FnMut(&[u8])) {
        part(b"capture");
        self.hold.hash_into(part);
        let amount = self.amount.map(|amount| amount.to_string());
        part(amount.unwrap_or_default().as_bytes());
        part(&optional(self.to));
        part(if self.last { b"last" } else { b"more to come" });
    }
}

builders!(HoldRequest: description, idempotency_key, metadata);
builders!(CaptureRequest: description, idempotency_key, metadata, value_date);
builders!(ReleaseRequest: idempotency_key, metadata);

impl ReleaseRequest {
    /// Returns the release of all that remains of a hold.
    #[must_use]
    pub const fn new(hold: HoldId) -> Self {
        Self::of(HoldReference::Hold(hold))
    }

    /// As [`Self::new`], for the hold of an earlier step of the same group. Steps are counted from
    /// 0.
    #[must_use]
    pub const fn of_step(step: usize) -> Self {
        Self::of(HoldReference::Step(step))
    }

    /// As [`Self::new`], for a hold by its identifier or by its step.
    #[must_use]
    pub const fn of(hold: HoldReference) -> Self {
        Self {
            hold,
            if_open: false,
            idempotency_key: None,
            attributes: Attributes::NONE,
            held_by: None,
        }
    }

    /// Returns the release as a step of a group that may change nothing: if captures, a release or
    /// its time have ended the hold, the group goes on.
    #[must_use]
    pub const fn if_open(mut self) -> Self {
        self.if_open = true;
        self
    }

    pub(super) fn hash_into(&self, part: &mut impl FnMut(&[u8])) {
        part(b"release");
        self.hold.hash_into(part);
        // A release of before has the hash that it had then.
        if self.if_open {
            part(b"if open");
        }
    }
}

impl ExpiryRequest {
    /// Returns the request to record that the time of a hold has run out.
    #[must_use]
    pub const fn new(hold: HoldId) -> Self {
        Self {
            hold,
            held_by: None,
        }
    }

    pub(super) const ATTRIBUTES: &'static Attributes = &Attributes::NONE;
}

fn optional(account: Option<AccountId>) -> Vec<u8> {
    let bytes = account.map(|account| account.as_uuid().as_bytes().to_vec());
    bytes.unwrap_or_default()
}
