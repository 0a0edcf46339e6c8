//! What can be asked of the ledger.

use chrono::{DateTime, Utc};
use neobank_entity::enums::{EntryType, TransferType};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{AccountId, Currency, Money};

/// One movement of money that somebody asks for. Each kind is a variant; all of them take the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// From one customer's account to another.
    Transfer(TransferRequest),
    /// Into or out of the bank, against one of its own accounts.
    Posting(PostingRequest),
    /// To a corrected balance, against the bank's adjustment account.
    Adjustment(AdjustmentRequest),
}

/// Moves an amount from one account to another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferRequest {
    /// The account that pays.
    pub from: AccountId,
    /// The account that is paid.
    pub to: AccountId,
    /// How much; more than zero, in the currency of both accounts.
    pub amount: Money,
    /// Why, for people; at most 500 characters.
    pub description: String,
    /// The caller's key: the transfer happens once, however often it is asked for.
    pub idempotency_key: Option<String>,
}

/// Moves an amount between an account and the outside, or the bank itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostingRequest {
    /// The customer's account.
    pub account: AccountId,
    /// What it is; says which of the bank's own accounts is on the other side.
    pub kind: PostingKind,
    /// Whether the customer's account gains or loses.
    pub direction: EntryType,
    /// How much; more than zero, in the account's currency.
    pub amount: Money,
    /// Why, for people; at most 500 characters.
    pub description: String,
    /// The caller's key: the posting happens once, however often it is asked for.
    pub idempotency_key: Option<String>,
    /// When it happened, for history that is brought in; now, when there is none. Not in the future, and not before the
    /// account's last entry.
    pub event_time: Option<DateTime<Utc>>,
}

/// Sets a balance, when the caller has seen the newest version of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdjustmentRequest {
    /// The account to correct.
    pub account: AccountId,
    /// Its balance afterwards.
    pub new_balance: Money,
    /// The version that the caller saw; any other is refused.
    pub expected_version: i64,
    /// Why, for people; at most 500 characters.
    pub description: String,
}

/// What a posting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PostingKind {
    /// Money that enters or leaves the bank: cash, cards, other banks.
    External,
    /// Interest, paid or charged.
    Interest,
    /// A fee, or its return.
    Fee,
}

/// An account of the bank itself, one for each currency. It has no limit, and its identifier can be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SystemAccount {
    /// The other side of money that enters or leaves.
    External,
    /// The other side of interest.
    Interest,
    /// The other side of fees.
    Fees,
    /// The other side of corrected balances.
    Adjustment,
}

impl TransferRequest {
    /// A transfer without a description and without a key.
    #[must_use]
    pub const fn new(from: AccountId, to: AccountId, amount: Money) -> Self {
        Self {
            from,
            to,
            amount,
            description: String::new(),
            idempotency_key: None,
        }
    }

    /// The same transfer with a description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// The same transfer under the caller's key.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}

impl PostingRequest {
    /// Money that enters the bank.
    #[must_use]
    pub const fn deposit(account: AccountId, amount: Money) -> Self {
        Self::new(account, PostingKind::External, EntryType::Credit, amount)
    }

    /// Money that leaves the bank.
    #[must_use]
    pub const fn withdrawal(account: AccountId, amount: Money) -> Self {
        Self::new(account, PostingKind::External, EntryType::Debit, amount)
    }

    /// A posting without a description, a key or a time of its own.
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
        }
    }

    /// The same posting with a description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// The same posting under the caller's key.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// The same posting at a time of its own.
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
        }
    }

    /// Sets the description, of at most 500 characters.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }
}

impl SystemAccount {
    /// The identifier of this account in a currency, as `banking.system_account_id` computes it.
    #[must_use]
    pub fn id(self, currency: Currency) -> AccountId {
        let purpose: u8 = match self {
            Self::External => 1,
            Self::Interest => 2,
            Self::Fees => 3,
            Self::Adjustment => 4,
        };
        let mut bytes = [0, 0, 0, 0, 0, 0, 0x80, 0, 0x80, 0, purpose, 0, 0, 0, 0, 0];
        for (byte, letter) in bytes.iter_mut().skip(13).zip(currency.code().bytes()) {
            *byte = letter;
        }
        Uuid::from_bytes(bytes).into()
    }
}

impl From<TransferRequest> for Request {
    fn from(request: TransferRequest) -> Self {
        Self::Transfer(request)
    }
}

impl From<PostingRequest> for Request {
    fn from(request: PostingRequest) -> Self {
        Self::Posting(request)
    }
}

impl From<AdjustmentRequest> for Request {
    fn from(request: AdjustmentRequest) -> Self {
        Self::Adjustment(request)
    }
}

impl Request {
    /// The accounts that must be locked to decide on it.
    #[must_use]
    pub fn accounts(&self) -> [AccountId; 2] {
        match self {
            Self::Transfer(transfer) => [transfer.from, transfer.to],
            Self::Posting(posting) => [
                posting.account,
                posting.kind.system_account().id(posting.amount.currency()),
            ],
            Self::Adjustment(adjustment) => [
                adjustment.account,
                SystemAccount::Adjustment.id(adjustment.new_balance.currency()),
            ],
        }
    }

    /// The caller's key.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&str> {
        match self {
            Self::Transfer(transfer) => transfer.idempotency_key.as_deref(),
            Self::Posting(posting) => posting.idempotency_key.as_deref(),
            // A second one finds a newer version, so the version is its key.
            Self::Adjustment(_) => None,
        }
    }

    /// Why, for people.
    #[must_use]
    pub fn description(&self) -> &str {
        match self {
            Self::Transfer(transfer) => &transfer.description,
            Self::Posting(posting) => &posting.description,
            Self::Adjustment(adjustment) => &adjustment.description,
        }
    }

    /// SHA-256 of everything that makes it this request, its key aside: two requests are the same when theirs are.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        // A length before each part keeps two neighbours from trading characters unseen.
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
        }
        part(self.description().as_bytes());
        hash.finalize().into()
    }
}

impl PostingKind {
    pub(crate) const fn system_account(self) -> SystemAccount {
        match self {
            Self::External => SystemAccount::External,
            Self::Interest => SystemAccount::Interest,
            Self::Fee => SystemAccount::Fees,
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
        }
    }
}
