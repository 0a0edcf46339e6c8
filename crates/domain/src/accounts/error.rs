use neobank_db::DatabaseError;
use thiserror::Error;

use super::limits::AccountLimit;
use super::{AccountStatus, AccountType};
use crate::{AccountId, Currency, CustomerId, HoldId, Money};

/// The error of opening or changing an account. Every variant but [`AccountError::Database`] means
/// that nothing was changed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum AccountError {
    /// No account has this identifier.
    #[error("unknown account: {account}")]
    UnknownAccount {
        /// The identifier that the caller gave.
        account: AccountId,
    },
    /// No customer has the owner's identifier.
    #[error("unknown customer: {customer}")]
    UnknownCustomer {
        /// The owner's identifier that the caller gave.
        customer: CustomerId,
    },
    /// The owner is suspended or closed as a customer.
    #[error("customer {customer} is suspended or closed")]
    CustomerNotServed {
        /// The owner's identifier.
        customer: CustomerId,
    },
    /// An account with this identifier exists already.
    #[error("account {account} exists already")]
    AlreadyOpen {
        /// The account's identifier.
        account: AccountId,
    },
    /// The account number is malformed, or has a form that the database reserves for its own.
    #[error("an account cannot have the number {number:?}: {reason}")]
    Number {
        /// The number that the caller gave, cut to 80 characters.
        number: String,
        /// The rule that the number breaks.
        reason: &'static str,
    },
    /// Another account has this number.
    #[error("the account number {number:?} belongs to another account")]
    NumberTaken {
        /// The number that the caller gave.
        number: String,
    },
    /// The account type is reserved for the bank's own accounts.
    #[error("a customer's account cannot be of type {account_type}")]
    AccountType {
        /// The type that the caller gave.
        account_type: AccountType,
    },
    /// The overdraft limit is negative, in another currency than the account, or so high that the
    /// available balance would reach 10^18.
    #[error("an account in {currency} cannot have an overdraft limit of {limit}")]
    OverdraftLimit {
        /// The limit that the caller gave.
        limit: Money,
        /// The account's currency.
        currency: Currency,
    },
    /// The account is further below zero than the new limit allows, or its holds need more.
    #[error("account {account} has {balance} after its holds, below an overdraft limit of {limit}")]
    BelowLimit {
        /// The account's identifier.
        account: AccountId,
        /// The account's book balance less its holds.
        balance: Money,
        /// The limit that the caller gave.
        limit: Money,
    },
    /// The account has open holds, so it cannot be closed.
    #[error("account {account} has {held} on hold: {}", listed(.holds))]
    OpenHolds {
        /// The account's identifier.
        account: AccountId,
        /// The sum of the holds.
        held: Money,
        /// The open holds, at most 100 of them.
        holds: Vec<HoldId>,
    },
    /// The time zone is neither `UTC` nor the full name of an area and a place in the IANA
    /// database.
    #[error("unknown time zone: {time_zone:?}")]
    TimeZone {
        /// The name that the caller gave, cut to 80 characters.
        time_zone: String,
    },
    /// The currency was withdrawn; accounts are opened in active currencies only.
    #[error("no account can be opened in {currency}: the currency was withdrawn")]
    WithdrawnCurrency {
        /// The currency that the caller gave.
        currency: Currency,
    },
    /// A limit's amount is not positive or in another currency than the account, or its window has
    /// too many hours or none.
    #[error("an account in {currency} cannot have a limit of {} for {}", .limit.amount, .limit.window)]
    Limit {
        /// The limit that the caller gave.
        limit: Box<AccountLimit>,
        /// The account's currency.
        currency: Currency,
    },
    /// The account's status does not allow the change.
    #[error("account {account} is {status}")]
    Status {
        /// The account's identifier.
        account: AccountId,
        /// The account's status at the moment of the change.
        status: AccountStatus,
    },
    /// The change needs an actor, and the transaction names none.
    #[error("reopening account {account} needs an actor")]
    ActorRequired {
        /// The account's identifier.
        account: AccountId,
    },
    /// The account's balance or held amount is not zero, so that it cannot be closed.
    #[error("account {account} cannot be closed: its balance is {balance} and {held} is held")]
    NotEmpty {
        /// The account's identifier.
        account: AccountId,
        /// The account's book balance.
        balance: Money,
        /// The held part of the book balance.
        held: Money,
    },
    /// The account is one of the bank's own, or its identifier is reserved for them. No caller can
    /// open, freeze, close or limit such an account.
    #[error("account {account} is one of the bank's own")]
    SystemAccount {
        /// The account's identifier.
        account: AccountId,
    },
    /// The database failed or rejected the statement. The change may have taken effect if the
    /// client lost the connection or the answer; see [`DatabaseError::ConnectionLost`].
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Returns the identifiers of holds as a list.
fn listed(holds: &[HoldId]) -> String {
    let holds: Vec<String> = holds.iter().map(ToString::to_string).collect();
    holds.join(", ")
}
