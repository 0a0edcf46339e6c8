//! Reads and changes of `banking.accounts`. None of them changes a balance.

use neobank_db::{DatabaseError, Executor, Statement};
use neobank_entity::banking::accounts::{self, Column};
use neobank_entity::constraints::banking as rules;
use neobank_entity::functions::banking::ExpireDueHolds;
use neobank_entity::sqlstates;
use rust_decimal::Decimal;

use super::query::{self, ChangedRow, HoldRow, ReadRow};
use super::{Account, AccountError, AccountStatus, AccountType, NewAccount};
use crate::text::check_number;
use crate::{AccountId, Currency, CustomerId, Money, shortened};

/// The SQLSTATE with which PostgreSQL rejects an unknown time zone: `invalid_parameter_value`.
const INVALID_PARAMETER: &str = "22023";

/// The beginning of the identifiers that the database reserves for the bank's own accounts:
/// `00000000-0000-8000-8000-`.
const RESERVED_BEGINNING: u128 = 0x8000_8000;

/// The number of bits behind [`RESERVED_BEGINNING`].
const RESERVED_BITS: u32 = 48;

/// Opens an account with a balance of zero.
///
/// The first account in a currency also opens the bank's own accounts in that currency.
///
/// # Errors
///
/// [`AccountError`]: the owner is unknown, suspended or closed; the type or the limit is not
/// allowed for customers; the currency was withdrawn; the time zone is unknown; the number is
/// malformed or belongs to another account; the identifier is reserved for the bank's own accounts;
/// or the account exists already.
pub async fn open(on: &impl Executor, new: &NewAccount) -> Result<Account, AccountError> {
    if new.account_type == AccountType::System {
        return Err(AccountError::AccountType {
            account_type: new.account_type,
        });
    }
    if is_reserved(new.account_id) {
        return Err(AccountError::SystemAccount {
            account: new.account_id,
        });
    }
    if !new.currency.is_active() {
        return Err(AccountError::WithdrawnCurrency {
            currency: new.currency,
        });
    }
    check_limit(new.overdraft_limit, new.currency)?;
    if new.time_zone.contains('\0') {
        return Err(AccountError::TimeZone {
            time_zone: shortened(&new.time_zone),
        });
    }
    if let Some(number) = &new.account_number {
        check_number(number, is_made_here).map_err(|reason| AccountError::Number {
            number: shortened(number),
            reason,
        })?;
    }
    match on.fetch_one(query::open(new)).await {
        Ok(row) => account(row.ok_or(DatabaseError::NoRow)?),
        Err(error) => Err(why_not_opened(new, error)),
    }
}

/// Returns the account with an identifier, or `None`.
///
/// # Errors
///
/// [`AccountError::Database`].
pub async fn find(on: &impl Executor, account: AccountId) -> Result<Option<Account>, AccountError> {
    let row = on.fetch_one(query::by_id(account)).await?;
    row.map(read).transpose()
}

/// Returns the accounts with these identifiers, in any order; an unknown one is left out.
///
/// # Errors
///
/// [`AccountError::Database`].
pub async fn find_many(
    on: &impl Executor,
    accounts: &[AccountId],
) -> Result<Vec<Account>, AccountError> {
    let rows = on.fetch_many(query::by_ids(accounts)).await?;
    rows.into_iter().map(read).collect()
}

/// Returns the account with a number, or `None`.
///
/// # Errors
///
/// [`AccountError::Database`].
pub async fn find_by_number(
    on: &impl Executor,
    number: &str,
) -> Result<Option<Account>, AccountError> {
    if number.contains('\0') {
        return Ok(None);
    }
    let row = on.fetch_one(query::by_number(number)).await?;
    row.map(read).transpose()
}

/// Returns a customer's accounts, oldest first.
///
/// # Errors
///
/// [`AccountError::Database`].
pub async fn list_by_customer(
    on: &impl Executor,
    customer: CustomerId,
) -> Result<Vec<Account>, AccountError> {
    let rows = on.fetch_many(query::by_customer(customer)).await?;
    rows.into_iter().map(read).collect()
}

/// Freezes an active account: the ledger rejects every entry on it until it is unfrozen.
///
/// # Errors
///
/// [`AccountError::Status`] unless the account is active, [`AccountError::UnknownAccount`],
/// [`AccountError::SystemAccount`] and [`AccountError::Database`].
pub async fn freeze(on: &impl Executor, account: AccountId) -> Result<Account, AccountError> {
    change_status(on, account, AccountStatus::Active, AccountStatus::Frozen).await
}

/// Makes a frozen account active again.
///
/// While its owner is suspended or closed as a customer, the account becomes blocked instead.
///
/// # Errors
///
/// [`AccountError::Status`] unless the account is frozen, [`AccountError::UnknownAccount`],
/// [`AccountError::SystemAccount`] and [`AccountError::Database`].
pub async fn unfreeze(on: &impl Executor, account: AccountId) -> Result<Account, AccountError> {
    change_status(on, account, AccountStatus::Frozen, AccountStatus::Active).await
}

/// Closes an active account. Its entries stay readable, and [`reopen`] makes it active again. The ends
/// of holds whose time is over are recorded first where they need it.
///
/// # Errors
///
/// [`AccountError::OpenHolds`] while the account has holds whose time is not over,
/// [`AccountError::NotEmpty`] unless the balance is zero, [`AccountError::Status`]
/// unless the account is active, [`AccountError::UnknownAccount`], [`AccountError::SystemAccount`]
/// and [`AccountError::Database`].
pub async fn close(on: &impl Executor, account: AccountId) -> Result<Account, AccountError> {
    let closed = change_status(on, account, AccountStatus::Active, AccountStatus::Closed).await;
    match closed {
        Err(error @ AccountError::NotEmpty { held, .. }) if !held.is_zero() => {
            let holds = on.fetch_many::<HoldRow>(query::open_holds(account)).await?;
            let holds: Vec<_> = holds.into_iter().map(|row| row.hold).collect();
            if holds.is_empty() {
                return Err(error);
            }
            Err(AccountError::OpenHolds {
                account,
                held,
                holds,
            })
        }
        other => other,
    }
}

/// Makes a closed account active again, with its number, its terms and its entries.
///
/// `on` is a transaction that names its actor, whom the change log records: see
/// [`Ledger::begin_change`](crate::Ledger::begin_change).
///
/// # Errors
///
/// [`AccountError::ActorRequired`] without an actor, [`AccountError::Status`] unless the account is
/// closed, [`AccountError::CustomerNotServed`] while its owner is suspended or closed as a customer,
/// [`AccountError::UnknownAccount`], [`AccountError::SystemAccount`] and [`AccountError::Database`].
pub async fn reopen(on: &impl Executor, account: AccountId) -> Result<Account, AccountError> {
    let before = find(on, account).await?;
    let before = before.ok_or(AccountError::UnknownAccount { account })?;
    if before.account_type == AccountType::System {
        return Err(AccountError::SystemAccount { account });
    }
    let reopened: Result<bool, _> = on.fetch_value(query::reopen(account)).await;
    let is_reopened = reopened.map_err(|error| match (error.violated(), before.customer_id) {
        (Some(rules::ACCOUNTS_CUSTOMER_IS_SERVED), Some(customer)) => {
            AccountError::CustomerNotServed { customer }
        }
        _ if error.sqlstate() == Some(sqlstates::ACTOR_REQUIRED) => {
            AccountError::ActorRequired { account }
        }
        _ => error.into(),
    })?;
    let after = find(on, account).await?;
    let after = after.ok_or(AccountError::UnknownAccount { account })?;
    if is_reopened {
        return Ok(after);
    }
    Err(AccountError::Status {
        account,
        status: after.status,
    })
}

/// Sets the amount by which an account's balance may fall below zero.
///
/// # Errors
///
/// [`AccountError::OverdraftLimit`] for a limit that is negative, in another currency, or so high
/// that the available balance would reach 10^18; [`AccountError::BelowLimit`] when the balance is
/// below the new limit already; [`AccountError::Status`] when the account is closed;
/// [`AccountError::UnknownAccount`], [`AccountError::SystemAccount`] and
/// [`AccountError::Database`].
pub async fn set_overdraft_limit(
    on: &impl Executor,
    account: AccountId,
    limit: Money,
) -> Result<Account, AccountError> {
    change(
        on,
        account,
        || query::set_overdraft_limit(account, limit),
        |found| {
            check_limit(limit, found.current_balance.currency())?;
            if found.status == AccountStatus::Closed {
                return Err(AccountError::Status {
                    account,
                    status: found.status,
                });
            }
            let free = found.current_balance.checked_sub(found.held_balance);
            match free.and_then(|free| Ok((free, free.checked_add(limit)?))) {
                Ok((balance, after)) if after.amount() < Decimal::ZERO => {
                    Err(AccountError::BelowLimit {
                        account,
                        balance,
                        limit,
                    })
                }
                Ok(_) => Ok(()),
                // The available balance would be more than any amount.
                Err(_) => Err(AccountError::OverdraftLimit {
                    limit,
                    currency: found.current_balance.currency(),
                }),
            }
        },
    )
    .await
}

async fn change_status(
    on: &impl Executor,
    account: AccountId,
    from: AccountStatus,
    to: AccountStatus,
) -> Result<Account, AccountError> {
    let statement = || query::change_status(account, from, to);
    change(on, account, statement, |found| {
        if found.status != from {
            return Err(AccountError::Status {
                account,
                status: found.status,
            });
        }
        if to == AccountStatus::Closed
            && !(found.current_balance.is_zero() && found.held_balance.is_zero())
        {
            return Err(AccountError::NotEmpty {
                account,
                balance: found.current_balance,
                held: found.held_balance,
            });
        }
        Ok(())
    })
    .await
}

/// Runs a change of [`query`]. `why_not` returns the reason for a change that was not made, from
/// the account at that moment.
///
/// A hold whose time is over counts in the account's row until its end is recorded. A change that
/// fails because of holds is therefore repeated after recording what is due.
async fn change(
    on: &impl Executor,
    account: AccountId,
    statement: impl Fn() -> Statement + Send + Sync,
    why_not: impl Fn(&Account) -> Result<(), AccountError> + Send + Sync,
) -> Result<Account, AccountError> {
    let (is_changed, after) = change_once(on, account, statement()).await?;
    if is_changed {
        return Ok(after);
    }
    let Err(error) = why_not(&after) else {
        return Err(DatabaseError::NoRow.into());
    };
    let counts_holds = matches!(
        error,
        AccountError::NotEmpty { .. } | AccountError::BelowLimit { .. }
    );
    if !counts_holds || after.held_balance.is_zero() {
        return Err(error);
    }
    let expire = ExpireDueHolds {
        account_id: account.as_uuid(),
    };
    if on.fetch_value::<i64>(expire.statement()).await? == 0 {
        return Err(error);
    }
    let (is_changed, after) = change_once(on, account, statement()).await?;
    if is_changed {
        return Ok(after);
    }
    why_not(&after)?;
    Err(DatabaseError::NoRow.into())
}

/// Runs a change once, and returns whether it was made and the account as it is then.
async fn change_once(
    on: &impl Executor,
    account: AccountId,
    statement: Statement,
) -> Result<(bool, Account), AccountError> {
    let Some(row) = on.fetch_one::<ChangedRow>(statement).await? else {
        return Err(AccountError::UnknownAccount { account });
    };
    let after = self::account(row.account)?;
    if !row.is_changed && after.account_type == AccountType::System {
        return Err(AccountError::SystemAccount { account });
    }
    Ok((row.is_changed, after))
}

fn check_limit(limit: Money, currency: Currency) -> Result<(), AccountError> {
    if limit.currency() != currency || limit.amount() < Decimal::ZERO {
        return Err(AccountError::OverdraftLimit { limit, currency });
    }
    Ok(())
}

/// Returns true for an identifier in the range that the database reserves for the bank's own
/// accounts, such as [`SystemAccount::id`](crate::ledger::SystemAccount::id).
#[must_use]
pub fn is_reserved(account: AccountId) -> bool {
    account.as_uuid().as_u128() >> RESERVED_BITS == RESERVED_BEGINNING
}

/// Returns true for a number of a form that the database makes, or reserves for the bank's own
/// accounts.
fn is_made_here(number: &str) -> bool {
    number.starts_with("SYS-")
        || number
            .strip_prefix("NB")
            .is_some_and(|rest| rest.len() == 12 && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

fn why_not_opened(new: &NewAccount, error: DatabaseError) -> AccountError {
    let time_zone = || AccountError::TimeZone {
        time_zone: shortened(&new.time_zone),
    };
    match error.violated() {
        Some(rules::ACCOUNTS_PKEY) => AccountError::AlreadyOpen {
            account: new.account_id,
        },
        Some(rules::ACCOUNTS_ACCOUNT_NUMBER_KEY) => AccountError::NumberTaken {
            number: new.account_number.clone().unwrap_or_default(),
        },
        Some(rules::ACCOUNTS_CUSTOMER_ID_FKEY) => AccountError::UnknownCustomer {
            customer: new.customer_id,
        },
        Some(rules::ACCOUNTS_CUSTOMER_IS_SERVED) => AccountError::CustomerNotServed {
            customer: new.customer_id,
        },
        Some(rules::ACCOUNTS_TIME_ZONE_IS_A_NAME) => time_zone(),
        // A trigger asks PostgreSQL for the zone, which answers an unknown name with this SQLSTATE.
        _ if error.sqlstate() == Some(INVALID_PARAMETER) => time_zone(),
        _ => error.into(),
    }
}

/// Returns an account as the ledger's next decision sees it.
fn read(row: ReadRow) -> Result<Account, AccountError> {
    let ReadRow { mut account, due } = row;
    // Both are within the range of a balance.
    account.held_balance = account.held_balance.saturating_sub(due);
    account.available_balance = account
        .available_balance
        .map(|available| available.saturating_add(due));
    self::account(account)
}

fn account(row: accounts::Model) -> Result<Account, AccountError> {
    let unreadable = |column: Column| DatabaseError::Row {
        reason: format!(
            "{} of account {} holds a value that this version does not know",
            column.as_str(),
            row.account_id
        ),
    };
    let currency =
        Currency::from_code(&row.currency_code).map_err(|_| unreadable(Column::CurrencyCode))?;
    let money = |column, amount| Money::new(amount, currency).map_err(|_| unreadable(column));
    Ok(Account {
        account_id: row.account_id.into(),
        customer_id: row.customer_id.map(Into::into),
        account_type: row.account_type,
        status: row.account_status,
        current_balance: money(Column::CurrentBalance, row.current_balance)?,
        available_balance: row
            .available_balance
            .map(|amount| money(Column::AvailableBalance, amount))
            .transpose()?,
        held_balance: money(Column::HeldBalance, row.held_balance)?,
        overdraft_limit: row
            .overdraft_limit
            .map(|amount| money(Column::OverdraftLimit, amount))
            .transpose()?,
        account_number: row.account_number,
        time_zone: row.time_zone,
        last_entry_number: row.last_entry_number,
        version: row.version,
        opened_at: row.opened_at,
        closed_at: row.closed_at,
    })
}
