//! Limits of accounts: the most that may leave or enter an account at once, on a day or in a number
//! of hours.

use chrono::{DateTime, Utc};
use neobank_db::{DatabaseError, Executor, FromRow};
use neobank_entity::enums::{EntryType, LimitWindow, TransferType};
use neobank_entity::functions::banking::{LimitUses, RemoveAccountLimit, SetAccountLimit};
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::{AccountError, AccountStatus, find};
use crate::{AccountId, Currency, Money};

/// A limit of an account. One account has at most one limit for each direction, kind of transfers
/// and window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AccountLimit {
    /// The side that the limit counts: debits leave the account, credits enter it.
    pub direction: EntryType,
    /// The only kind of transfers that the limit counts; `None` for all that customers ask for,
    /// which is all but interest, fees, adjustments and reversals.
    pub transfer_type: Option<TransferType>,
    /// The transfers that are summed up.
    pub window: Window,
    /// The most that they may sum up to, in the account's currency.
    pub amount: Money,
}

/// The transfers that a limit sums up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "hours", rename_all = "snake_case")]
pub enum Window {
    /// Each transfer by itself.
    Transfer,
    /// The transfers of a day in the account's time zone.
    Day,
    /// The transfers of this many hours until the transfer, from 1 to [`Window::HOURS_MAX`].
    Rolling(u16),
}

/// A limit with its use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LimitUse {
    /// The limit.
    pub limit: AccountLimit,
    /// The sum of the transfers in the window until now; zero for [`Window::Transfer`].
    pub used: Money,
    /// The part of the limit that is left; zero where a limit was lowered below its use.
    pub remaining: Money,
    /// The end of the day, at which its use ends; `None` for the other windows.
    pub ends_at: Option<DateTime<Utc>>,
    /// The person or program that set the limit.
    pub actor: Option<String>,
    /// The time at which the limit was set.
    pub set_at: Option<DateTime<Utc>>,
}

impl Window {
    /// The most hours of a rolling window: 366 days.
    pub const HOURS_MAX: u16 = 8_784;

    fn parts(self) -> (LimitWindow, Option<i32>) {
        match self {
            Self::Transfer => (LimitWindow::Transfer, None),
            Self::Day => (LimitWindow::Day, None),
            Self::Rolling(hours) => (LimitWindow::Rolling, Some(i32::from(hours))),
        }
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Transfer => formatter.write_str("transfer"),
            Self::Day => formatter.write_str("day"),
            Self::Rolling(1) => formatter.write_str("1 hour"),
            Self::Rolling(hours) => write!(formatter, "{hours} hours"),
        }
    }
}

impl AccountLimit {
    /// Returns a limit on all kinds of transfers.
    #[must_use]
    pub const fn new(direction: EntryType, window: Window, amount: Money) -> Self {
        Self {
            direction,
            transfer_type: None,
            window,
            amount,
        }
    }

    /// Sets the only kind of transfers that the limit counts.
    #[must_use]
    pub fn with_transfer_type(mut self, transfer_type: impl Into<Option<TransferType>>) -> Self {
        self.transfer_type = transfer_type.into();
        self
    }

    /// Returns true if the limit counts this side of this kind of transfers.
    #[must_use]
    pub fn counts(&self, direction: EntryType, transfer_type: TransferType) -> bool {
        use TransferType as T;
        self.direction == direction
            && match self.transfer_type {
                Some(own) => own == transfer_type,
                None => !matches!(
                    transfer_type,
                    T::Interest | T::Fee | T::Adjustment | T::Reversal
                ),
            }
    }
}

impl LimitUse {
    /// Returns a limit of which this sum is used.
    #[must_use]
    pub fn new(limit: AccountLimit, used: Money) -> Self {
        let left = limit.amount.amount().saturating_sub(used.amount());
        let remaining = Money::new(left.max(Decimal::ZERO), limit.amount.currency());
        Self {
            remaining: remaining.unwrap_or_else(|_| Money::zero(limit.amount.currency())),
            limit,
            used,
            ends_at: None,
            actor: None,
            set_at: None,
        }
    }
}

/// Sets a limit, or changes the amount of the limit with the same direction, kind of transfers and
/// window.
///
/// # Errors
///
/// [`AccountError::Limit`] for an amount that is not positive or in another currency, and for a
/// window of too many hours or none; [`AccountError::Status`] for a closed account;
/// [`AccountError::UnknownAccount`], [`AccountError::SystemAccount`] and
/// [`AccountError::Database`].
pub async fn set(
    on: &impl Executor,
    account: AccountId,
    limit: &AccountLimit,
) -> Result<(), AccountError> {
    let found = find(on, account).await?;
    let found = found.ok_or(AccountError::UnknownAccount { account })?;
    if found.overdraft_limit.is_none() {
        return Err(AccountError::SystemAccount { account });
    }
    if found.status == AccountStatus::Closed {
        return Err(AccountError::Status {
            account,
            status: found.status,
        });
    }
    let currency = found.current_balance.currency();
    let has_hours = match limit.window {
        Window::Rolling(hours) => (1..=Window::HOURS_MAX).contains(&hours),
        Window::Transfer | Window::Day => true,
    };
    if limit.amount.currency() != currency || !limit.amount.is_positive() || !has_hours {
        return Err(AccountError::Limit {
            limit: Box::new(limit.clone()),
            currency,
        });
    }
    let (window, window_hours) = limit.window.parts();
    let call = SetAccountLimit {
        account_id: account.as_uuid(),
        entry_type: limit.direction.as_str().to_owned(),
        limit_window: window.as_str().to_owned(),
        amount: limit.amount.amount(),
        transfer_type: limit.transfer_type.map(|one| one.as_str().to_owned()),
        window_hours,
    };
    let is_set: bool = on.fetch_value(call.statement()).await?;
    if is_set {
        Ok(())
    } else {
        Err(AccountError::UnknownAccount { account })
    }
}

/// Removes the limit with a direction, a kind of transfers and a window. Returns false, and changes
/// nothing, if the account has no such limit.
///
/// # Errors
///
/// [`AccountError::Database`].
pub async fn remove(
    on: &impl Executor,
    account: AccountId,
    direction: EntryType,
    transfer_type: Option<TransferType>,
    window: Window,
) -> Result<bool, AccountError> {
    let (window, window_hours) = window.parts();
    let call = RemoveAccountLimit {
        account_id: account.as_uuid(),
        entry_type: direction.as_str().to_owned(),
        limit_window: window.as_str().to_owned(),
        transfer_type: transfer_type.map(|one| one.as_str().to_owned()),
        window_hours,
    };
    Ok(on.fetch_value(call.statement()).await?)
}

/// Returns an account's limits with their uses at this time. The next transfer may be decided on a
/// later use.
///
/// # Errors
///
/// [`AccountError::UnknownAccount`] and [`AccountError::Database`].
pub async fn list(on: &impl Executor, account: AccountId) -> Result<Vec<LimitUse>, AccountError> {
    let found = find(on, account).await?;
    found.ok_or(AccountError::UnknownAccount { account })?;
    let uses = read(on, &[account], Utc::now()).await?;
    Ok(uses.into_iter().map(|(_, one)| one).collect())
}

/// Returns the limits of accounts with their uses in the windows that end at a time.
pub(crate) async fn read(
    on: &impl Executor,
    accounts: &[AccountId],
    at: DateTime<Utc>,
) -> Result<Vec<(AccountId, LimitUse)>, DatabaseError> {
    let call = LimitUses {
        account_id: accounts.iter().map(|account| account.as_uuid()).collect(),
        at,
    };
    let rows: Vec<UseRow> = on.fetch_many(call.statement()).await?;
    rows.iter().map(limit_use).collect()
}

#[derive(FromRow)]
struct UseRow {
    account_id: Uuid,
    entry_type: EntryType,
    transfer_type: Option<TransferType>,
    limit_window: LimitWindow,
    window_hours: Option<i32>,
    amount: Decimal,
    currency_code: String,
    used: Decimal,
    ends_at: Option<DateTime<Utc>>,
    actor: Option<String>,
    set_at: DateTime<Utc>,
}

fn limit_use(row: &UseRow) -> Result<(AccountId, LimitUse), DatabaseError> {
    let unreadable = |reason: &dyn std::fmt::Display| DatabaseError::Row {
        reason: format!("a limit of account {}: {reason}", row.account_id),
    };
    let currency = Currency::from_code(&row.currency_code).map_err(|error| unreadable(&error))?;
    let money = |amount| Money::new(amount, currency).map_err(|error| unreadable(&error));
    let window = match row.limit_window {
        LimitWindow::Transfer => Window::Transfer,
        LimitWindow::Day => Window::Day,
        LimitWindow::Rolling => {
            let hours = row.window_hours.and_then(|hours| hours.try_into().ok());
            Window::Rolling(hours.ok_or_else(|| unreadable(&"no hours"))?)
        }
        other => return Err(unreadable(&other)),
    };
    let limit = AccountLimit {
        direction: row.entry_type,
        transfer_type: row.transfer_type,
        window,
        amount: money(row.amount)?,
    };
    let found = LimitUse {
        ends_at: row.ends_at,
        set_at: Some(row.set_at),
        actor: row.actor.clone(),
        ..LimitUse::new(limit, money(row.used)?)
    };
    Ok((row.account_id.into(), found))
}
