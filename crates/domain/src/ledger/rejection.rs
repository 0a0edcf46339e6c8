//! Why the ledger refuses a request.

use chrono::{DateTime, Utc};
use serde::Serialize;
use thiserror::Error;

use crate::accounts::AccountStatus;
use crate::{AccountId, Currency, Money, MoneyError, TransferId};

/// Why a request was refused. Nothing was changed by it.
///
/// When several reasons hold, the one that stands first here is given; but a key that was used for another request comes
/// before a description that cannot be kept.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "details", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rejection {
    /// The amount is not one: too many decimals, out of range.
    #[error(transparent)]
    Amount(#[from] MoneyError),
    /// A text cannot be kept.
    #[error("the {field} cannot be kept: {reason}")]
    Text {
        /// `description` or `idempotency_key`.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The key was used before, for another request.
    #[error("the idempotency key {key:?} was used for another request: {} ({first})", super::ReferenceNumber::from(*.first))]
    KeyReused {
        /// The caller's key.
        key: String,
        /// What it was used for.
        first: TransferId,
    },
    /// Money cannot move from an account to itself.
    #[error("account {account} cannot pay itself")]
    SameAccount {
        /// The account.
        account: AccountId,
    },
    /// The amount is zero or negative.
    #[error("the amount must be more than zero: {amount}")]
    AmountNotPositive {
        /// What was asked for.
        amount: Money,
    },
    /// The time of the event is a leap second, which the database cannot keep.
    #[error("the event time {event_time} is a leap second, which cannot be kept")]
    LeapSecond {
        /// What was asked for.
        event_time: DateTime<Utc>,
    },
    /// The bank's own accounts move by postings, not by transfers.
    #[error("account {account} is one of the bank's own")]
    SystemAccount {
        /// The account.
        account: AccountId,
    },
    /// There is no such account.
    #[error("unknown account: {account}")]
    UnknownAccount {
        /// What was asked for.
        account: AccountId,
    },
    /// The account is frozen or closed.
    #[error("account {account} is {status}")]
    NotActive {
        /// The account.
        account: AccountId,
        /// What it is instead.
        status: AccountStatus,
    },
    /// The account is in another currency than the amount.
    #[error("account {account} is in {account_currency}, the amount is in {currency}")]
    CurrencyMismatch {
        /// The account.
        account: AccountId,
        /// Its currency.
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
    /// The corrected balance is the balance already.
    #[error("account {account} has the balance {balance} already")]
    BalanceUnchanged {
        /// The account.
        account: AccountId,
        /// Its balance.
        balance: Money,
    },
    /// The time of the event lies before the account's last entry or before it was opened, or in the future.
    #[error(
        "account {account} cannot have an entry at {event_time}: it must lie between {earliest} and {latest}"
    )]
    EventTime {
        /// The account.
        account: AccountId,
        /// What was asked for.
        event_time: DateTime<Utc>,
        /// The time of its last entry, or of its opening.
        earliest: DateTime<Utc>,
        /// The time of the decision.
        latest: DateTime<Utc>,
    },
    /// The account has less than what was asked for.
    #[error("account {account} has {available} available, {requested} was asked for")]
    InsufficientFunds {
        /// The account that was to pay.
        account: AccountId,
        /// What may be spent.
        available: Money,
        /// What was asked for.
        requested: Money,
    },
    /// The balance, or what may be spent, would grow beyond 10^18.
    #[error("account {account} cannot take {amount} on top of {balance}")]
    Overflow {
        /// The account.
        account: AccountId,
        /// Its balance.
        balance: Money,
        /// What was to be added or taken.
        amount: Money,
    },
}

impl Rejection {
    /// Whether it depends on what is in the books; of the others the request itself, or its key, is the reason.
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

    /// Whether it is true only as long as the request's key was not used before.
    pub(super) fn needs_unused_key(&self) -> bool {
        match self {
            Self::KeyReused { .. } => false,
            Self::Text { field, .. } => *field != super::decision::IDEMPOTENCY_KEY,
            _ => true,
        }
    }
}
