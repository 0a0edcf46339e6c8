use chrono::{DateTime, Utc};
use serde::Serialize;

use neobank_entity::enums::{AccountStatus, AccountType};

use crate::{AccountId, Currency, CustomerId, Money};

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Identifies it.
    pub account_id: AccountId,
    /// Its owner; `None` for the bank's own accounts.
    pub customer_id: Option<CustomerId>,
    /// The number that people use: made by the database, or the source's own for an imported account.
    pub account_number: String,
    /// What kind it is.
    pub account_type: AccountType,
    /// Whether it may move.
    pub status: AccountStatus,
    /// The book balance: the sum of its entries.
    pub current_balance: Money,
    /// What may be spent: book balance less holds plus overdraft limit. `None` for the bank's own accounts, which have no
    /// limit.
    pub available_balance: Option<Money>,
    /// The part of the book balance that is reserved.
    pub held_balance: Money,
    /// How far below zero it may go. `None` for the bank's own accounts.
    pub overdraft_limit: Option<Money>,
    /// The zone whose days its statements use, as in the IANA database.
    pub time_zone: String,
    /// How many entries it has.
    pub last_entry_number: i64,
    /// Moves with every change; for optimistic locking.
    pub version: i64,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
}

/// What an account is opened with.
///
/// # Example
///
/// ```
/// use neobank_domain::accounts::NewAccount;
/// use neobank_domain::{AccountType, Currency, CustomerId};
///
/// let account = NewAccount::new(CustomerId::new(), AccountType::Checking, Currency::from_code("CZK")?)
///     .with_time_zone("Europe/Prague");
/// # Ok::<(), neobank_domain::MoneyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Its identifier; made here, so that opening it again is refused.
    pub account_id: AccountId,
    /// Its owner.
    pub customer_id: CustomerId,
    /// What kind it is; not [`AccountType::System`].
    pub account_type: AccountType,
    /// Its currency, for ever.
    pub currency: Currency,
    /// How far below zero it may go; in its currency, not negative.
    pub overdraft_limit: Money,
    /// The zone whose days its statements use, as in the IANA database: `UTC`, or an area and a place.
    pub time_zone: String,
    /// When it was opened, for an account of another system; `None` is now. Only members of the role `neobank_import`
    /// may give it.
    pub opened_at: Option<DateTime<Utc>>,
    /// The number of another system: 1 to 64 printable characters without a space at either end, not of the form that
    /// the database makes or reserves. `None` lets the database make one. Only members of the role `neobank_import` may
    /// give it.
    pub account_number: Option<String>,
}

impl NewAccount {
    /// An account without an overdraft, whose days are those of UTC.
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

    /// The same with a limit below zero, in the account's currency.
    #[must_use]
    pub const fn with_overdraft_limit(mut self, limit: Money) -> Self {
        self.overdraft_limit = limit;
        self
    }

    /// The same with the zone whose days its statements use: `UTC`, or an area and a place of the IANA database.
    #[must_use]
    pub fn with_time_zone(mut self, time_zone: impl Into<String>) -> Self {
        self.time_zone = time_zone.into();
        self
    }

    /// The same with the number that another system gave it; see [`NewAccount::account_number`].
    #[must_use]
    pub fn with_account_number(mut self, number: impl Into<String>) -> Self {
        self.account_number = Some(number.into());
        self
    }

    /// The same, opened at a time in the past: for accounts of another system; see [`NewAccount::opened_at`].
    #[must_use]
    pub const fn with_opened_at(mut self, opened_at: DateTime<Utc>) -> Self {
        self.opened_at = Some(opened_at);
        self
    }
}
