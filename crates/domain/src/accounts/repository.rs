//! The statements on `banking.accounts`. None of them touches a balance.

use chrono::{DateTime, Utc};
use neobank_db::{DatabaseError, ErrorClass, Executor, FromQueryResult, Value, statement};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Account, AccountError, AccountStatus, AccountType, NewAccount};
use crate::text::check_number;
use crate::{AccountId, Currency, CustomerId, Money, shortened};

/// Every column that an [`Account`] is made of.
const COLUMNS: &str = "account_id, customer_id, account_number, account_type, account_status, currency_code, \
     current_balance::numeric, available_balance, held_balance::numeric, overdraft_limit::numeric, time_zone, \
     last_entry_number, version, opened_at, closed_at";

#[derive(FromQueryResult)]
struct AccountRow {
    account_id: Uuid,
    customer_id: Option<Uuid>,
    account_number: String,
    account_type: String,
    account_status: String,
    currency_code: String,
    current_balance: Decimal,
    available_balance: Option<Decimal>,
    held_balance: Decimal,
    overdraft_limit: Option<Decimal>,
    time_zone: String,
    last_entry_number: i64,
    version: i64,
    opened_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct ChangedRow {
    #[sea_orm(nested)]
    account: AccountRow,
    changed: bool,
}

/// Opens an account, at zero. The first one in a currency also opens the bank's own accounts in it.
///
/// # Errors
///
/// [`AccountError`]: the owner is unknown, suspended or closed, the type or the limit is not a customer's, the time zone is
/// unknown, the number cannot be kept or belongs to another account, or the account exists.
pub async fn open(on: &impl Executor, new: &NewAccount) -> Result<Account, AccountError> {
    if new.account_type == AccountType::System {
        return Err(AccountError::AccountType {
            account_type: new.account_type,
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
    let mut parameters: Vec<Value> = vec![
        new.account_id.as_uuid().into(),
        new.customer_id.as_uuid().into(),
        new.account_type.name().into(),
        new.currency.code().into(),
        new.overdraft_limit.amount().into(),
        new.time_zone.as_str().into(),
    ];
    // Columns that only an importer may give.
    let (mut columns, mut values) = (String::new(), String::new());
    if let Some(opened_at) = new.opened_at {
        parameters.push(opened_at.into());
        columns.push_str(", opened_at");
        values.push_str(&format!(", ${}::timestamptz", parameters.len()));
    }
    if let Some(number) = &new.account_number {
        parameters.push(number.as_str().into());
        columns.push_str(", account_number");
        values.push_str(&format!(", ${}", parameters.len()));
    }
    // One statement, so that a rejection leaves nothing behind, the bank's own accounts included.
    let sql = format!(
        "INSERT INTO banking.accounts
             (account_id, customer_id, account_type, currency_code, minor_units, overdraft_limit, time_zone{columns})
         SELECT $1, $2, $3, currency.currency_code, currency.minor_units, $5, $6{values}
         FROM banking.currencies AS currency, banking.open_system_accounts(currency.currency_code)
         WHERE currency.currency_code = $4
         RETURNING {COLUMNS}"
    );
    match on
        .fetch_one::<AccountRow>(statement(&sql, parameters))
        .await
    {
        Ok(row) => account(row.ok_or(DatabaseError::NoRow)?),
        Err(error) => Err(why_not_opened(new, error)),
    }
}

/// The account with this identifier, or `None`.
///
/// # Errors
///
/// [`AccountError::Database`].
pub async fn find(on: &impl Executor, account: AccountId) -> Result<Option<Account>, AccountError> {
    let sql = format!("SELECT {COLUMNS} FROM banking.accounts WHERE account_id = $1");
    let row = on
        .fetch_one(statement(&sql, [account.as_uuid().into()]))
        .await?;
    row.map(self::account).transpose()
}

/// The account with this number, or `None`.
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
    let sql = format!("SELECT {COLUMNS} FROM banking.accounts WHERE account_number = $1");
    let row = on.fetch_one(statement(&sql, [number.into()])).await?;
    row.map(account).transpose()
}

/// A customer's accounts, the oldest first.
///
/// # Errors
///
/// [`AccountError::Database`].
pub async fn list_by_customer(
    on: &impl Executor,
    customer: CustomerId,
) -> Result<Vec<Account>, AccountError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM banking.accounts WHERE customer_id = $1 ORDER BY opened_at, account_id"
    );
    let rows: Vec<AccountRow> = on
        .fetch_many(statement(&sql, [customer.as_uuid().into()]))
        .await?;
    rows.into_iter().map(account).collect()
}

/// Stops every movement on an account until it is unfrozen.
///
/// # Errors
///
/// [`AccountError::Status`] unless it is active, [`AccountError::UnknownAccount`], [`AccountError::SystemAccount`].
pub async fn freeze(on: &impl Executor, account: AccountId) -> Result<Account, AccountError> {
    change_status(on, account, AccountStatus::Active, AccountStatus::Frozen).await
}

/// Lets a frozen account move again; blocked, while its owner is suspended or closed as a customer.
///
/// # Errors
///
/// [`AccountError::Status`] unless it is frozen, [`AccountError::UnknownAccount`], [`AccountError::SystemAccount`].
pub async fn unfreeze(on: &impl Executor, account: AccountId) -> Result<Account, AccountError> {
    change_status(on, account, AccountStatus::Frozen, AccountStatus::Active).await
}

/// Closes an active account for ever. Its entries stay.
///
/// # Errors
///
/// [`AccountError::NotEmpty`] unless its balance is zero and nothing is held, [`AccountError::Status`] unless it is active,
/// [`AccountError::UnknownAccount`], [`AccountError::SystemAccount`].
pub async fn close(on: &impl Executor, account: AccountId) -> Result<Account, AccountError> {
    change_status(on, account, AccountStatus::Active, AccountStatus::Closed).await
}

/// Agrees on how far below zero an account may go.
///
/// # Errors
///
/// [`AccountError::OverdraftLimit`] for a negative limit or one in another currency, [`AccountError::BelowLimit`] when the
/// account is further below zero already, [`AccountError::Status`] when it is closed, [`AccountError::UnknownAccount`],
/// [`AccountError::SystemAccount`].
pub async fn set_overdraft_limit(
    on: &impl Executor,
    account: AccountId,
    limit: Money,
) -> Result<Account, AccountError> {
    let values: [Value; 3] = [
        limit.amount().into(),
        limit.currency().code().into(),
        Money::limit().into(),
    ];
    let condition = "found.currency_code = $3 AND found.account_status <> 'closed' AND $2 >= 0
        AND found.current_balance - found.held_balance + $2 >= 0
        AND found.current_balance - found.held_balance + $2 < $4";
    change(
        on,
        account,
        "overdraft_limit = $2",
        condition,
        values,
        |found| {
            check_limit(limit, found.current_balance.currency())?;
            if found.status == AccountStatus::Closed {
                return Err(AccountError::Status {
                    account,
                    status: found.status,
                });
            }
            let after = found
                .current_balance
                .checked_sub(found.held_balance)
                .and_then(|free| free.checked_add(limit));
            match after {
                Ok(after) if after.amount() < Decimal::ZERO => Err(AccountError::BelowLimit {
                    account,
                    balance: found.current_balance,
                    limit,
                }),
                Ok(_) => Ok(()),
                // What may be spent would be more than any amount.
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
    let values: [Value; 2] = [from.name().into(), to.name().into()];
    let assignments =
        "account_status = $3, closed_at = CASE WHEN $3 = 'closed' THEN clock_timestamp() END";
    let condition = "found.account_status = $2
        AND ($3 <> 'closed' OR (found.current_balance = 0 AND found.held_balance = 0))";
    change(on, account, assignments, condition, values, |found| {
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

/// Locks the account, changes it when the condition holds, and answers what it is then. One statement, so the reason for
/// a change that was not made is the account as it stood at that moment, whoever else is changing it.
///
/// The condition is on `found`, which is the newest version of the row once its lock is granted; the one that is updated
/// is looked for with the older snapshot of the statement, and by its identifier alone.
async fn change(
    on: &impl Executor,
    account: AccountId,
    assignments: &str,
    condition: &str,
    values: impl IntoIterator<Item = Value>,
    why_not: impl Fn(&Account) -> Result<(), AccountError> + Send,
) -> Result<Account, AccountError> {
    let sql = format!(
        "WITH found AS (
             SELECT * FROM banking.accounts WHERE account_id = $1 FOR NO KEY UPDATE
         ),
         changed AS (
             UPDATE banking.accounts AS account SET {assignments}
             FROM found
             WHERE account.account_id = found.account_id AND found.account_type <> 'system' AND {condition}
             RETURNING account.*
         )
         SELECT {COLUMNS}, true AS changed FROM changed
         UNION ALL
         SELECT {COLUMNS}, false FROM found WHERE NOT EXISTS (SELECT FROM changed)"
    );
    let parameters = std::iter::once(account.as_uuid().into()).chain(values);
    let Some(row) = on
        .fetch_one::<ChangedRow>(statement(&sql, parameters))
        .await?
    else {
        return Err(AccountError::UnknownAccount { account });
    };
    let after = self::account(row.account)?;
    if row.changed {
        return Ok(after);
    }
    if after.account_type == AccountType::System {
        return Err(AccountError::SystemAccount { account });
    }
    why_not(&after)?;
    Err(DatabaseError::NoRow.into())
}

fn check_limit(limit: Money, currency: Currency) -> Result<(), AccountError> {
    if limit.currency() != currency || limit.amount() < Decimal::ZERO {
        return Err(AccountError::OverdraftLimit { limit, currency });
    }
    Ok(())
}

/// Whether the database makes numbers of this form, or reserves them for the bank's own accounts.
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
    let server = error.server();
    match (
        error.class(),
        error.constraint(),
        server.map(|server| server.sqlstate.as_str()),
    ) {
        (ErrorClass::UniqueViolation, Some("accounts_pkey"), _) => AccountError::AlreadyOpen {
            account: new.account_id,
        },
        (ErrorClass::UniqueViolation, Some("accounts_account_number_key"), _) => {
            AccountError::NumberTaken {
                number: new.account_number.clone().unwrap_or_default(),
            }
        }
        (ErrorClass::ForeignKeyViolation, Some("accounts_customer_id_fkey"), _) => {
            AccountError::UnknownCustomer {
                customer: new.customer_id,
            }
        }
        (ErrorClass::CheckViolation, Some("accounts_customer_is_served"), _) => {
            AccountError::CustomerNotServed {
                customer: new.customer_id,
            }
        }
        (ErrorClass::CheckViolation, Some("accounts_time_zone_is_a_name"), _) => time_zone(),
        // Whether there is a zone of that name is asked of PostgreSQL itself, which answers with an invalid parameter.
        (_, _, Some("22023")) => time_zone(),
        _ => error.into(),
    }
}

fn account(row: AccountRow) -> Result<Account, AccountError> {
    let unreadable = |name: &str| DatabaseError::Row {
        reason: format!(
            "{name} of account {} holds a value that this version does not know",
            row.account_id
        ),
    };
    let currency =
        Currency::from_code(&row.currency_code).map_err(|_| unreadable("currency_code"))?;
    let money = |name: &str, amount| Money::new(amount, currency).map_err(|_| unreadable(name));
    Ok(Account {
        account_id: row.account_id.into(),
        customer_id: row.customer_id.map(Into::into),
        account_type: AccountType::from_name(&row.account_type)
            .ok_or_else(|| unreadable("account_type"))?,
        status: AccountStatus::from_name(&row.account_status)
            .ok_or_else(|| unreadable("account_status"))?,
        current_balance: money("current_balance", row.current_balance)?,
        available_balance: row
            .available_balance
            .map(|amount| money("available_balance", amount))
            .transpose()?,
        held_balance: money("held_balance", row.held_balance)?,
        overdraft_limit: row
            .overdraft_limit
            .map(|amount| money("overdraft_limit", amount))
            .transpose()?,
        account_number: row.account_number,
        time_zone: row.time_zone,
        last_entry_number: row.last_entry_number,
        version: row.version,
        opened_at: row.opened_at,
        closed_at: row.closed_at,
    })
}
