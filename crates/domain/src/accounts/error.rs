use neobank_db::DatabaseError;
use thiserror::Error;

use super::{AccountStatus, AccountType};
use crate::{AccountId, Currency, CustomerId, Money};

/// Why an account was not opened or changed. Nothing was changed, whatever the reason.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum AccountError {
    /// There is no such account.
    #[error("unknown account: {account}")]
    UnknownAccount {
        /// What was asked for.
        account: AccountId,
    },
    /// The owner does not exist.
    #[error("unknown customer: {customer}")]
    UnknownCustomer {
        /// What was given.
        customer: CustomerId,
    },
    /// The owner is suspended or closed as a customer.
    #[error("customer {customer} is suspended or closed")]
    CustomerNotServed {
        /// What was given.
        customer: CustomerId,
    },
    /// The account exists already.
    #[error("account {account} exists already")]
    AlreadyOpen {
        /// Its identifier.
        account: AccountId,
    },
    /// The account's number cannot be kept, or is of the form that the database makes.
    #[error("an account cannot have the number {number:?}: {reason}")]
    Number {
        /// What was given, cut to a length.
        number: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Another account has this number.
    #[error("the account number {number:?} belongs to another account")]
    NumberTaken {
        /// What was given.
        number: String,
    },
    /// Customers have no accounts of this kind.
    #[error("a customer's account cannot be of type {account_type}")]
    AccountType {
        /// What was given.
        account_type: AccountType,
    },
    /// The overdraft limit is negative, in another currency than the account, or so high that more could be spent than
    /// any amount is.
    #[error("an account in {currency} cannot have an overdraft limit of {limit}")]
    OverdraftLimit {
        /// What was given.
        limit: Money,
        /// The account's currency.
        currency: Currency,
    },
    /// The account is further below zero than the new limit allows.
    #[error("account {account} is at {balance}, below an overdraft limit of {limit}")]
    BelowLimit {
        /// The account.
        account: AccountId,
        /// Its book balance.
        balance: Money,
        /// The limit that was asked for.
        limit: Money,
    },
    /// The time zone is not in the IANA database, or not named in full there: `UTC`, or an area and a place.
    #[error("unknown time zone: {time_zone:?}")]
    TimeZone {
        /// What was given.
        time_zone: String,
    },
    /// Accounts are opened in active currencies only.
    #[error("no account can be opened in {currency}: the currency was withdrawn")]
    WithdrawnCurrency {
        /// What was given.
        currency: Currency,
    },
    /// The account's status does not allow it.
    #[error("account {account} is {status}")]
    Status {
        /// The account.
        account: AccountId,
        /// What it is.
        status: AccountStatus,
    },
    /// Only an empty account can be closed.
    #[error("account {account} cannot be closed: its balance is {balance} and {held} is held")]
    NotEmpty {
        /// The account.
        account: AccountId,
        /// Its book balance.
        balance: Money,
        /// What is reserved.
        held: Money,
    },
    /// The bank's own accounts are not opened, frozen, closed or limited by anybody.
    #[error("account {account} is one of the bank's own")]
    SystemAccount {
        /// The account.
        account: AccountId,
    },
    /// The database failed or refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
