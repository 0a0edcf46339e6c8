use chrono::{DateTime, Utc};
use serde::Serialize;

use neobank_entity::enums::{AccountStatus, AccountType};

use crate::{AccountId, Currency, CustomerId, Money};

/// An account of a customer or of the bank itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Account {
    /// The account's identifier.
    pub account_id: AccountId,
    /// The identifier of the account's owner; `None` for the bank's own accounts.
    pub customer_id: Option<CustomerId>,
    /// The account number that people use: made by the database, or the source's own for an
    /// imported account.
    pub account_number: String,
    /// The type of the account.
    pub account_type: AccountType,
    /// The account's status: only an active account takes entries.
    pub status: AccountStatus,
    /// The book balance: the sum of the account's entries.
    pub current_balance: Money,
    /// The amount that can be spent: the book balance less holds plus the overdraft limit. `None`
    /// for the bank's own accounts, which have no limit.
    pub available_balance: Option<Money>,
    /// The reserved part of the book balance.
    pub held_balance: Money,
    /// The amount by which the balance may fall below zero. `None` for the bank's own accounts.
    pub overdraft_limit: Option<Money>,
    /// The IANA name of the time zone whose days the account's statements count.
    pub time_zone: String,
    /// The number of the account's last entry, which is also the number of its entries.
    pub last_entry_number: i64,
    /// The version for optimistic locking; every change of the account raises it.
    pub version: i64,
    /// The time at which the account was opened.
    pub opened_at: DateTime<Utc>,
    /// The time at which the account was closed.
    pub closed_at: Option<DateTime<Utc>>,
}

/// The values with which an account is opened.
///
/// # Example
///
/// ```
/// use neobank_domain::accounts::NewAccount;
/// use neobank_domain::{AccountType, Currency, CustomerId};
///
/// let czk = Currency::from_code("CZK")?;
/// let account = NewAccount::new(CustomerId::new(), AccountType::Checking, czk)
///     .with_time_zone("Europe/Prague");
/// # Ok::<(), neobank_domain::MoneyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewAccount {
    /// The account's identifier. The client makes it, so that a repeated opening is rejected with
    /// [`AccountError::AlreadyOpen`](super::AccountError::AlreadyOpen).
    pub account_id: AccountId,
    /// The identifier of the account's owner.
    pub customer_id: CustomerId,
    /// The type of the account; not [`AccountType::System`].
    pub account_type: AccountType,
    /// The account's currency, which never changes.
    pub currency: Currency,
    /// The amount by which the balance may fall below zero, in the account's currency; not
    /// negative.
    pub overdraft_limit: Money,
    /// The IANA name of the time zone whose days the account's statements count: `UTC`, or an area
    /// and a place.
    pub time_zone: String,
    /// The time at which another system opened the account; `None` is now. Only members of the role
    /// `neobank_import` may set it.
    pub opened_at: Option<DateTime<Utc>>,
    /// The account number of another system: 1 to 64 printable characters without a space at either
    /// end, not of a form that the database makes or reserves. `None` lets the database make one.
    /// Only members of the role `neobank_import` may set it.
    pub account_number: Option<String>,
}

impl NewAccount {
    /// Creates an account without an overdraft, whose days are those of UTC.
    #[must_use]
    pub fn new(customer_id: CustomerId, account_type: AccountType, currency: Currency) -> Self {
        Self {
            account_id: AccountId::new(),
            customer_id,
            account_type,
            currency,
            overdraft_limit: Money::zero(currency),
            time_zone: "UTC".to_owned(),
            opened_at: None,
            account_number: None,
        }
    }

    /// Sets the amount by which the balance may fall below zero, in the account's currency.
    #[must_use]
    pub const fn with_overdraft_limit(mut self, limit: Money) -> Self {
        self.overdraft_limit = limit;
        self
    }

    /// Sets the time zone whose days the statements count: `UTC`, or an area and a place of the
    /// IANA database.
    #[must_use]
    pub fn with_time_zone(mut self, time_zone: impl Into<String>) -> Self {
        self.time_zone = time_zone.into();
        self
    }

    /// Sets the number that another system gave the account; see [`NewAccount::account_number`].
    #[must_use]
    pub fn with_account_number(mut self, number: impl Into<String>) -> Self {
        self.account_number = Some(number.into());
        self
    }

    /// Sets the time at which another system opened the account; see [`NewAccount::opened_at`].
    #[must_use]
    pub const fn with_opened_at(mut self, opened_at: DateTime<Utc>) -> Self {
        self.opened_at = Some(opened_at);
        self
    }
}
