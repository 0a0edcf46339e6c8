//! The reasons for which the ledger rejects a request.

use chrono::{DateTime, Utc};
use serde::Serialize;
use thiserror::Error;

use crate::accounts::AccountStatus;
use crate::{AccountId, Currency, Money, MoneyError, TransferId};

/// The reason why a request was rejected. The request changed nothing.
///
/// If several reasons apply, the ledger returns the first one in this list; but a key that was used
/// for another request comes before an invalid description.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "details", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rejection {
    /// The amount is invalid: it has too many decimals or is out of range.
    #[error(transparent)]
    Amount(#[from] MoneyError),
    /// A text is invalid.
    #[error("the {field} cannot be kept: {reason}")]
    Text {
        /// `description` or `idempotency_key`.
        field: &'static str,
        /// The defect of the text.
        reason: String,
    },
    /// The idempotency key was used before, for another request.
    #[error("the idempotency key {key:?} was used for another request: {} ({first})", super::ReferenceNumber::from(*.first))]
    KeyReused {
        /// The caller's key.
        key: String,
        /// The transfer that has the key.
        first: TransferId,
    },
    /// A transfer names the same account twice.
    #[error("account {account} cannot pay itself")]
    SameAccount {
        /// The account.
        account: AccountId,
    },
    /// The amount is zero or negative.
    #[error("the amount must be more than zero: {amount}")]
    AmountNotPositive {
        /// The requested amount.
        amount: Money,
    },
    /// The time of the event is a leap second, which the database cannot keep.
    #[error("the event time {event_time} is a leap second, which cannot be kept")]
    LeapSecond {
        /// The requested time.
        event_time: DateTime<Utc>,
    },
    /// An account of the bank itself, which only postings may name, and only as their other side.
    #[error("account {account} is one of the bank's own")]
    SystemAccount {
        /// The account.
        account: AccountId,
    },
    /// The account does not exist.
    #[error("unknown account: {account}")]
    UnknownAccount {
        /// The requested account.
        account: AccountId,
    },
    /// The account is not active.
    #[error("account {account} is {status}")]
    NotActive {
        /// The account.
        account: AccountId,
        /// The account's status.
        status: AccountStatus,
    },
    /// The account is in another currency than the amount.
    #[error("account {account} is in {account_currency}, the amount is in {currency}")]
    CurrencyMismatch {
        /// The account.
        account: AccountId,
        /// The account's currency.
        account_currency: Currency,
        /// The amount's currency.
        currency: Currency,
    },
    /// The account has changed since the caller saw it.
    #[error("account {account} has version {found}, not {expected}")]
    StaleVersion {
        /// The account.
        account: AccountId,
        /// The version that the caller saw.
        expected: i64,
        /// The version that the account has.
        found: i64,
    },
    /// The account already has the corrected balance.
    #[error("account {account} has the balance {balance} already")]
    BalanceUnchanged {
        /// The account.
        account: AccountId,
        /// The account's balance.
        balance: Money,
    },
    /// The time of the event lies before the account's last entry, before its opening or in the
    /// future.
    #[error(
        "account {account} cannot have an entry at {event_time}: it must lie between {earliest} and {latest}"
    )]
    EventTime {
        /// The account.
        account: AccountId,
        /// The requested time.
        event_time: DateTime<Utc>,
        /// The time of the account's last entry or opening.
        earliest: DateTime<Utc>,
        /// The time of the decision.
        latest: DateTime<Utc>,
    },
    /// The available balance is less than the amount.
    #[error("account {account} has {available} available, {requested} was asked for")]
    InsufficientFunds {
        /// The account that was to pay.
        account: AccountId,
        /// The available balance.
        available: Money,
        /// The requested amount.
        requested: Money,
    },
    /// The balance or the available balance would exceed 10^18.
    #[error("account {account} cannot take {amount} on top of {balance}")]
    Overflow {
        /// The account.
        account: AccountId,
        /// The account's balance.
        balance: Money,
        /// The signed amount of the entry.
        amount: Money,
    },
}

impl Rejection {
    /// Returns true for a rejection that depends on the state of accounts. The other reasons lie in
    /// the request itself or in its key.
    pub(super) const fn depends_on_accounts(&self) -> bool {
        !matches!(
            self,
            Self::Text { .. }
                | Self::KeyReused { .. }
                | Self::SameAccount { .. }
                | Self::AmountNotPositive { .. }
                | Self::LeapSecond { .. }
        )
    }

    /// Returns true for a rejection that is valid only while the request's key is unused.
    pub(super) fn needs_unused_key(&self) -> bool {
        match self {
            Self::KeyReused { .. } => false,
            Self::Text { field, .. } => *field != super::decision::IDEMPOTENCY_KEY,
            _ => true,
        }
    }
}
