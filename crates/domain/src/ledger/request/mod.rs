//! Requests: the movements of money that a caller can ask the ledger for.

mod attributes;
mod exchange;
mod group;
mod hold;
mod reversal;

use chrono::{DateTime, Utc};
use neobank_entity::enums::{EntryType, TransferType};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{AccountId, Currency, HoldId, Money, TransferId};

pub use attributes::Attributes;
use attributes::builders;
pub use exchange::{ExchangeError, ExchangeRequest, Given, Quote, Rounding};
pub use group::{Comparison, Condition, GroupRequest, JournalLine, Measure, StepCondition};
pub(in crate::ledger) use hold::HeldBy;
pub use hold::{CaptureRequest, ExpiryRequest, HoldReference, HoldRequest, ReleaseRequest};
pub use reversal::ReversalRequest;

/// A request to move money. Each kind is a variant, and all of them are executed in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// A transfer between two customers' accounts.
    Transfer(TransferRequest),
    /// A posting into or out of a customer's account, against an account of the bank itself.
    Posting(PostingRequest),
    /// A correction of a balance, against the bank's adjustment account.
    Adjustment(AdjustmentRequest),
    /// The reversal of an earlier transfer.
    Reversal(ReversalRequest),
    /// An amount that is reserved on an account.
    Hold(HoldRequest),
    /// A transfer of an amount that a hold has reserved.
    Capture(CaptureRequest),
    /// The end of a hold, whose rest becomes available again.
    Release(ReleaseRequest),
    /// The end of a hold whose time has run out.
    Expiry(ExpiryRequest),
    /// Requests that are posted together or not at all.
    Group(GroupRequest),
}

/// A request to move an amount from one account to another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferRequest {
    /// The account that pays.
    pub from: AccountId,
    /// The account that is paid.
    pub to: AccountId,
    /// The amount, more than zero, in the currency of both accounts.
    pub amount: Money,
    /// The description for people, at most 500 characters.
    pub description: String,
    /// The caller's idempotency key, at most 255 characters: however often the caller repeats the
    /// request, the transfer happens once.
    pub idempotency_key: Option<String>,
    /// Whether the ledger may move less than the amount.
    pub limit: AmountLimit,
    /// Metadata and value date.
    pub attributes: Attributes,
}

/// Whether a transfer may move less than its amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AmountLimit {
    /// The transfer moves exactly the amount.
    #[default]
    Exact,
    /// The transfer moves as much of the amount as the payer has available, and is rejected if the
    /// payer has nothing. The receipt has the amount that moved.
    UpTo,
    /// As [`AmountLimit::UpTo`], for a step of a group: if the payer has nothing, the step moves
    /// nothing, and the group goes on.
    UpToOrNothing,
}

/// A request to move an amount between a customer's account and an account of the bank itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostingRequest {
    /// The customer's account.
    pub account: AccountId,
    /// The kind, which determines the bank's account on the other side.
    pub kind: PostingKind,
    /// The side of the customer's account: a credit raises its balance, a debit lowers it.
    pub direction: EntryType,
    /// The amount, more than zero, in the account's currency.
    pub amount: Money,
    /// The description for people, at most 500 characters.
    pub description: String,
    /// The caller's idempotency key, at most 255 characters: however often the caller repeats the
    /// request, the posting happens once.
    pub idempotency_key: Option<String>,
    /// The time of an imported event; `None` for the time of posting. It must not lie in the
    /// future, and not before the account's last entry or its opening.
    pub event_time: Option<DateTime<Utc>>,
    /// Metadata and value date.
    pub attributes: Attributes,
}

/// A request to set a balance, valid only if the caller has seen the newest version of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdjustmentRequest {
    /// The account to correct.
    pub account: AccountId,
    /// The account's balance afterwards.
    pub new_balance: Money,
    /// The version that the caller saw; the ledger rejects the request if the account has another.
    pub expected_version: i64,
    /// The description for people, at most 500 characters.
    pub description: String,
    /// Metadata and value date.
    pub attributes: Attributes,
}

/// The kind of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PostingKind {
    /// Money that enters or leaves the bank: cash, cards, other banks.
    External,
    /// Interest, paid or charged.
    Interest,
    /// A fee, or its return.
    Fee,
    /// One line of a journal entry: only a group may have such postings, and they must sum to zero.
    Clearing,
    /// One side of a currency exchange.
    Exchange,
}

/// An account of the bank itself, one for each currency. It has no limit, and its identifier is
/// computed from its purpose and currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SystemAccount {
    /// The account on the other side of money that enters or leaves the bank.
    External,
    /// The account on the other side of interest.
    Interest,
    /// The account on the other side of fees.
    Fees,
    /// The account on the other side of corrected balances.
    Adjustment,
    /// The account on the other side of the lines of a journal entry; its balance is zero after each
    /// group.
    Clearing,
    /// The bank's position in a currency: the account on the other side of exchanges.
    Exchange,
}

builders!(TransferRequest: description, idempotency_key, metadata, value_date);
builders!(PostingRequest: description, idempotency_key, metadata, value_date);
builders!(AdjustmentRequest: description, metadata, value_date);

impl TransferRequest {
    /// Returns a transfer without a description and without a key.
    #[must_use]
    pub const fn new(from: AccountId, to: AccountId, amount: Money) -> Self {
        Self {
            from,
            to,
            amount,
            description: String::new(),
            idempotency_key: None,
            limit: AmountLimit::Exact,
            attributes: Attributes::NONE,
        }
    }

    /// Returns the transfer of as much of the amount as the payer has available.
    #[must_use]
    pub const fn up_to(mut self) -> Self {
        self.limit = AmountLimit::UpTo;
        self
    }

    /// As [`Self::up_to`], for a step of a group, which may move nothing.
    #[must_use]
    pub const fn up_to_or_nothing(mut self) -> Self {
        self.limit = AmountLimit::UpToOrNothing;
        self
    }
}

impl PostingRequest {
    /// Returns a posting of money that enters the bank.
    #[must_use]
    pub const fn deposit(account: AccountId, amount: Money) -> Self {
        Self::new(account, PostingKind::External, EntryType::Credit, amount)
    }

    /// Returns a posting of money that leaves the bank.
    #[must_use]
    pub const fn withdrawal(account: AccountId, amount: Money) -> Self {
        Self::new(account, PostingKind::External, EntryType::Debit, amount)
    }

    /// Returns a fee, which the bank takes from the account.
    #[must_use]
    pub const fn fee(account: AccountId, amount: Money) -> Self {
        Self::new(account, PostingKind::Fee, EntryType::Debit, amount)
    }

    /// Returns interest, which the bank pays into the account.
    #[must_use]
    pub const fn interest(account: AccountId, amount: Money) -> Self {
        Self::new(account, PostingKind::Interest, EntryType::Credit, amount)
    }

    /// Returns a posting without a description, a key or a time of its own.
    #[must_use]
    pub const fn new(
        account: AccountId,
        kind: PostingKind,
        direction: EntryType,
        amount: Money,
    ) -> Self {
        Self {
            account,
            kind,
            direction,
            amount,
            description: String::new(),
            idempotency_key: None,
            event_time: None,
            attributes: Attributes::NONE,
        }
    }

    /// Returns the posting with a time of its own.
    #[must_use]
    pub const fn effective_at(mut self, event_time: DateTime<Utc>) -> Self {
        self.event_time = Some(event_time);
        self
    }
}

impl AdjustmentRequest {
    /// Creates an adjustment without a description. `expected_version` is the version of the
    /// account that the caller saw.
    #[must_use]
    pub const fn new(account: AccountId, new_balance: Money, expected_version: i64) -> Self {
        Self {
            account,
            new_balance,
            expected_version,
            description: String::new(),
            attributes: Attributes::NONE,
        }
    }
}

impl SystemAccount {
    /// Every account of the bank in a currency.
    pub const ALL: [Self; 6] = [
        Self::External,
        Self::Interest,
        Self::Fees,
        Self::Adjustment,
        Self::Clearing,
        Self::Exchange,
    ];

    /// Returns the identifier of this account in a currency, as `banking.system_account_id`
    /// computes it.
    #[must_use]
    pub fn id(self, currency: Currency) -> AccountId {
        let purpose: u8 = match self {
            Self::External => 1,
            Self::Interest => 2,
            Self::Fees => 3,
            Self::Adjustment => 4,
            Self::Clearing => 5,
            Self::Exchange => 6,
        };
        let mut bytes = [0, 0, 0, 0, 0, 0, 0x80, 0, 0x80, 0, purpose, 0, 0, 0, 0, 0];
        for (byte, letter) in bytes.iter_mut().skip(13).zip(currency.code().bytes()) {
            *byte = letter;
        }
        Uuid::from_bytes(bytes).into()
    }
}

macro_rules! kinds {
    ($($kind:ident($request:ty)),+ $(,)?) => {
        $(impl From<$request> for Request {
            fn from(request: $request) -> Self {
                Self::$kind(request)
            }
        })+
    };
}

kinds!(
    Transfer(TransferRequest),
    Posting(PostingRequest),
    Adjustment(AdjustmentRequest),
    Reversal(ReversalRequest),
    Hold(HoldRequest),
    Capture(CaptureRequest),
    Release(ReleaseRequest),
    Expiry(ExpiryRequest),
    Group(GroupRequest),
);

impl Request {
    /// Returns the accounts on which the decision depends. An account may occur several times. The
    /// accounts of a reversal, a capture and a release are known only to the ledger, which looks
    /// them up.
    pub fn accounts(&self) -> impl Iterator<Item = AccountId> + '_ {
        let conditions = match self {
            Self::Group(group) => group.conditions.as_slice(),
            _ => &[],
        };
        let parties = self.steps().iter().flat_map(Self::parties).flatten();
        parties.chain(conditions.iter().map(|one| one.condition.account))
    }

    /// Returns the steps of a group, and any other request as the only step.
    pub(in crate::ledger) fn steps(&self) -> &[Self] {
        match self {
            Self::Group(group) => &group.steps,
            single => std::slice::from_ref(single),
        }
    }

    /// As [`Self::steps`].
    pub(in crate::ledger) fn steps_mut(&mut self) -> &mut [Self] {
        match self {
            Self::Group(group) => &mut group.steps,
            single => std::slice::from_mut(single),
        }
    }

    /// Returns the accounts of a request that is not a group, as far as they are known.
    fn parties(&self) -> [Option<AccountId>; 2] {
        match self {
            Self::Transfer(transfer) => [Some(transfer.from), Some(transfer.to)],
            Self::Posting(posting) => [
                Some(posting.account),
                Some(posting.kind.system_account().id(posting.amount.currency())),
            ],
            Self::Adjustment(adjustment) => [
                Some(adjustment.account),
                Some(SystemAccount::Adjustment.id(adjustment.new_balance.currency())),
            ],
            Self::Reversal(reversal) => match reversal.parties {
                Some([from, to]) => [Some(from), Some(to)],
                None => [None, None],
            },
            Self::Hold(hold) => [Some(hold.account), hold.to],
            Self::Capture(capture) => [
                capture.held_by.map(|found| found.account),
                capture.destination(),
            ],
            Self::Release(ReleaseRequest { held_by, .. })
            | Self::Expiry(ExpiryRequest { held_by, .. }) => {
                [held_by.map(|found| found.account), None]
            }
            Self::Group(_) => [None, None],
        }
    }

    /// Returns the holds that the request names by their identifiers.
    pub(in crate::ledger) fn holds(&self) -> impl Iterator<Item = HoldId> + '_ {
        self.steps().iter().filter_map(|step| match step {
            Self::Capture(capture) => capture.hold.id(),
            Self::Release(release) => release.hold.id(),
            Self::Expiry(expiry) => Some(expiry.hold),
            _ => None,
        })
    }

    /// Returns where the ledger notes the account and the destination of the hold that the request
    /// names.
    pub(in crate::ledger) fn held_by_mut(&mut self) -> Option<(HoldId, &mut Option<HeldBy>)> {
        match self {
            Self::Capture(capture) => Some((capture.hold.id()?, &mut capture.held_by)),
            Self::Release(release) => Some((release.hold.id()?, &mut release.held_by)),
            Self::Expiry(expiry) => Some((expiry.hold, &mut expiry.held_by)),
            _ => None,
        }
    }

    /// Returns true for a request that changes holds, or is a group with such a step.
    pub(in crate::ledger) fn changes_holds(&self) -> bool {
        let mut steps = self.steps().iter();
        steps.any(|step| {
            matches!(
                step,
                Self::Hold(_) | Self::Capture(_) | Self::Release(_) | Self::Expiry(_)
            )
        })
    }

    /// Returns true for a request that can result in a transfer.
    pub(in crate::ledger) const fn can_move_money(&self) -> bool {
        !matches!(self, Self::Hold(_) | Self::Release(_) | Self::Expiry(_))
    }

    /// Returns true for a request with a booking time or a value date of its own, or a group with
    /// such a step.
    pub(in crate::ledger) fn names_a_day(&self) -> bool {
        let is_dated = |request: &Self| {
            let event_time = match request {
                Self::Posting(posting) => posting.event_time,
                _ => None,
            };
            request.attributes().value_date.is_some() || event_time.is_some()
        };
        is_dated(self) || self.steps().iter().any(is_dated)
    }

    /// Returns the transfers that the request reverses.
    pub(in crate::ledger) fn originals(&self) -> impl Iterator<Item = TransferId> + '_ {
        self.steps().iter().filter_map(|step| match step {
            Self::Reversal(reversal) => Some(reversal.transfer),
            _ => None,
        })
    }

    /// Returns the metadata and the value date.
    #[must_use]
    pub const fn attributes(&self) -> &Attributes {
        match self {
            Self::Transfer(transfer) => &transfer.attributes,
            Self::Posting(posting) => &posting.attributes,
            Self::Adjustment(adjustment) => &adjustment.attributes,
            Self::Reversal(reversal) => &reversal.attributes,
            Self::Hold(hold) => &hold.attributes,
            Self::Capture(capture) => &capture.attributes,
            Self::Release(release) => &release.attributes,
            Self::Expiry(_) => ExpiryRequest::ATTRIBUTES,
            Self::Group(group) => &group.attributes,
        }
    }

    /// Sets the caller's idempotency key. An adjustment and the end of a hold have none.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        let place = match &mut self {
            Self::Transfer(transfer) => &mut transfer.idempotency_key,
            Self::Posting(posting) => &mut posting.idempotency_key,
            Self::Reversal(reversal) => &mut reversal.idempotency_key,
            Self::Hold(hold) => &mut hold.idempotency_key,
            Self::Capture(capture) => &mut capture.idempotency_key,
            Self::Release(release) => &mut release.idempotency_key,
            Self::Group(group) => &mut group.idempotency_key,
            Self::Adjustment(_) | Self::Expiry(_) => return self,
        };
        *place = Some(key.into());
        self
    }

    /// Returns the caller's idempotency key.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&str> {
        match self {
            Self::Transfer(transfer) => transfer.idempotency_key.as_deref(),
            Self::Posting(posting) => posting.idempotency_key.as_deref(),
            // A repeated adjustment finds a newer version, so it needs no key.
            Self::Adjustment(_) => None,
            Self::Reversal(reversal) => reversal.idempotency_key.as_deref(),
            Self::Hold(hold) => hold.idempotency_key.as_deref(),
            Self::Capture(capture) => capture.idempotency_key.as_deref(),
            Self::Release(release) => release.idempotency_key.as_deref(),
            Self::Expiry(_) => None,
            Self::Group(group) => group.idempotency_key.as_deref(),
        }
    }

    /// Returns the description.
    #[must_use]
    pub fn description(&self) -> &str {
        match self {
            Self::Transfer(transfer) => &transfer.description,
            Self::Posting(posting) => &posting.description,
            Self::Adjustment(adjustment) => &adjustment.description,
            Self::Reversal(reversal) => &reversal.description,
            Self::Hold(hold) => &hold.description,
            Self::Capture(capture) => &capture.description,
            Self::Release(_) | Self::Expiry(_) => "",
            Self::Group(group) => &group.description,
        }
    }

    /// Returns the SHA-256 of the request without its key: two requests are the same if their
    /// hashes are equal.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        // The length before each part keeps two different pairs of parts from having one hash.
        let mut part = |bytes: &[u8]| {
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(bytes);
        };
        match self {
            Self::Transfer(transfer) => {
                part(b"transfer");
                part(transfer.from.as_uuid().as_bytes());
                part(transfer.to.as_uuid().as_bytes());
                part(transfer.amount.to_string().as_bytes());
                // An exact amount has no part here, as before there were other limits.
                match transfer.limit {
                    AmountLimit::Exact => {}
                    AmountLimit::UpTo => part(b"up to"),
                    AmountLimit::UpToOrNothing => part(b"up to or nothing"),
                }
            }
            Self::Posting(posting) => {
                part(posting.transfer_type().as_str().as_bytes());
                part(match posting.direction {
                    EntryType::Credit => b"credit",
                    EntryType::Debit => b"debit",
                });
                part(posting.account.as_uuid().as_bytes());
                part(posting.amount.to_string().as_bytes());
                part(
                    posting
                        .event_time
                        .map(|time| time.timestamp_micros().to_string())
                        .unwrap_or_default()
                        .as_bytes(),
                );
            }
            Self::Adjustment(adjustment) => {
                part(b"adjustment");
                part(adjustment.account.as_uuid().as_bytes());
                part(adjustment.new_balance.to_string().as_bytes());
                part(&adjustment.expected_version.to_be_bytes());
            }
            Self::Reversal(reversal) => {
                part(b"reversal");
                part(reversal.transfer.as_uuid().as_bytes());
                let amount = reversal.amount.map(|amount| amount.to_string());
                part(amount.unwrap_or_default().as_bytes());
            }
            Self::Hold(hold) => hold.hash_into(&mut part),
            Self::Capture(capture) => capture.hash_into(&mut part),
            Self::Release(release) => release.hash_into(&mut part),
            Self::Expiry(expiry) => {
                part(b"expiry");
                part(expiry.hold.as_uuid().as_bytes());
            }
            Self::Group(group) => {
                part(b"group");
                for step in &group.steps {
                    part(&step.hash());
                }
                for text in group.hashed() {
                    part(text.as_bytes());
                }
            }
        }
        part(self.description().as_bytes());
        // A request without attributes has the hash that it had before there were attributes.
        let Attributes {
            metadata,
            value_date,
        } = self.attributes();
        if let Some(metadata) = metadata {
            part(b"metadata");
            part(metadata.as_str().as_bytes());
        }
        if let Some(value_date) = value_date {
            part(b"value date");
            part(value_date.to_string().as_bytes());
        }
        hash.finalize().into()
    }
}

impl PostingKind {
    pub(crate) const fn system_account(self) -> SystemAccount {
        match self {
            Self::External => SystemAccount::External,
            Self::Interest => SystemAccount::Interest,
            Self::Fee => SystemAccount::Fees,
            Self::Clearing => SystemAccount::Clearing,
            Self::Exchange => SystemAccount::Exchange,
        }
    }
}

impl PostingRequest {
    pub(crate) const fn transfer_type(&self) -> TransferType {
        match (self.kind, self.direction) {
            (PostingKind::External, EntryType::Credit) => TransferType::Deposit,
            (PostingKind::External, EntryType::Debit) => TransferType::Withdrawal,
            (PostingKind::Interest, _) => TransferType::Interest,
            (PostingKind::Fee, _) => TransferType::Fee,
            (PostingKind::Clearing, _) => TransferType::JournalEntry,
            (PostingKind::Exchange, _) => TransferType::Exchange,
        }
    }
}
