//! The SQL of accounts, as builders on the generated entity.

use neobank_db::Statement;
use neobank_entity::banking::accounts::{self, Column, Entity};
use neobank_entity::banking::{currencies, holds};
use neobank_entity::enums::{AccountStatus, AccountType, HoldStatus};
use neobank_entity::functions::banking::{OpenSystemAccounts, ReopenAccount};
use neobank_entity::{FromColumn, FromRow, RowError};
use rust_decimal::Decimal;
use sea_query::extension::postgres::PgFunc;
use sea_query::{
    Asterisk, CommonTableExpression, Condition, Expr, ExprTrait, Func, JoinType, LockType, Order,
    Query, SelectStatement, SubQueryStatement, TableRef, UnionType, UpdateStatement, WithClause,
};

use uuid::Uuid;

use super::NewAccount;
use crate::{AccountId, CustomerId, HoldId, Money};

/// The most holds that an error names.
const HOLDS_NAMED: u64 = 100;

/// The locked account of a change.
const FOUND: &str = "found";
/// The account after the change.
const CHANGED: &str = "changed";
/// The column that is true when the change was made.
const IS_CHANGED: &str = "is_changed";
/// The column of the holds whose time is over.
const DUE: &str = "due";
/// The bank's own accounts in a currency, which the first account in it opens too.
const SYSTEM: &str = "system";

/// The server's function that reads its clock.
const CLOCK: &str = "pg_catalog.clock_timestamp";

/// An account, and a flag that the statement changed it.
pub(super) struct ChangedRow {
    pub(super) account: accounts::Model,
    pub(super) is_changed: bool,
}

impl FromRow for ChangedRow {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        Ok(Self {
            account: accounts::Model::from_row(row)?,
            is_changed: FromColumn::from_column(row, IS_CHANGED)?,
        })
    }
}

/// An account, and the sum of its holds whose time is over: the next decision of the ledger counts
/// it as available.
pub(super) struct ReadRow {
    pub(super) account: accounts::Model,
    pub(super) due: Decimal,
}

impl FromRow for ReadRow {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        Ok(Self {
            account: accounts::Model::from_row(row)?,
            due: FromColumn::from_column(row, DUE)?,
        })
    }
}

fn readable() -> SelectStatement {
    let of_hold = |column: holds::Column| Expr::col((holds::Entity, column));
    let is_open = Expr::cust(format!("'{}'", HoldStatus::Open.as_str()));
    let sum = Func::sum(of_hold(holds::Column::Remaining).cast_as("numeric"));
    let mut due = Query::select();
    due.expr(Func::coalesce([sum.into(), Expr::cust("0")]))
        .from(holds::Entity.table_ref())
        .and_where(of_hold(holds::Column::AccountId).equals((Entity, Column::AccountId)))
        .and_where(of_hold(holds::Column::HoldStatus).eq(is_open))
        .and_where(of_hold(holds::Column::ExpiresAt).lte(clock()));
    let mut query = Entity::select();
    query.expr_as(Expr::SubQuery(None, Box::new(due.into())), DUE);
    query
}

pub(super) fn by_id(account: AccountId) -> Statement {
    let mut query = readable();
    query.and_where(column(Column::AccountId).eq(account.as_uuid()));
    Statement::from_query(&query)
}

pub(super) fn by_ids(accounts: &[AccountId]) -> Statement {
    let identifiers: Vec<Uuid> = accounts.iter().map(|account| account.as_uuid()).collect();
    let mut query = readable();
    query.and_where(column(Column::AccountId).eq(PgFunc::any(Expr::val(identifiers))));
    Statement::from_query(&query)
}

pub(super) fn by_number(number: &str) -> Statement {
    let mut query = readable();
    query.and_where(column(Column::AccountNumber).eq(number));
    Statement::from_query(&query)
}

pub(super) fn by_customer(customer: CustomerId) -> Statement {
    let mut query = readable();
    query
        .and_where(column(Column::CustomerId).eq(customer.as_uuid()))
        .order_by((Entity, Column::OpenedAt), Order::Asc)
        .order_by((Entity, Column::AccountId), Order::Asc);
    Statement::from_query(&query)
}

/// Returns the insertion of an account, with the bank's own accounts in its currency.
///
/// It is one statement, so that a rejection leaves nothing behind.
pub(super) fn open(new: &NewAccount) -> Statement {
    let currency = (currencies::Entity, currencies::Column::CurrencyCode);
    let mut row = Query::select();
    row.expr(Expr::val(new.account_id.as_uuid()))
        .expr(Expr::val(new.customer_id.as_uuid()))
        .expr(Expr::val(new.account_type.as_str()))
        .column(currency)
        .column((currencies::Entity, currencies::Column::MinorUnits))
        .expr(Expr::val(new.overdraft_limit.amount()))
        .expr(Expr::val(new.time_zone.as_str()))
        .from(currencies::Entity.table_ref())
        .join(
            JoinType::CrossJoin,
            TableRef::FunctionCall(
                Func::cust(OpenSystemAccounts::NAME).arg(Expr::col(currency)),
                SYSTEM.into(),
            ),
            Condition::all(),
        )
        .and_where(Expr::col(currency).eq(new.currency.code()));
    let mut columns = vec![
        Column::AccountId,
        Column::CustomerId,
        Column::AccountType,
        Column::CurrencyCode,
        Column::MinorUnits,
        Column::OverdraftLimit,
        Column::TimeZone,
    ];
    // Only members of the role `neobank_import` have the privilege to set these columns.
    if let Some(opened_at) = new.opened_at {
        columns.push(Column::OpenedAt);
        row.expr(Expr::val(opened_at));
    }
    if let Some(number) = &new.account_number {
        columns.push(Column::AccountNumber);
        row.expr(Expr::val(number.as_str()));
    }
    let mut insert = Query::insert();
    insert
        .into_table(Entity.table_ref())
        .columns(columns)
        .returning(Query::returning().columns(Column::ALL));
    // It fails when the columns and the values differ in number, which the snapshot would show.
    let _ = insert.select_from(row);
    Statement::from_query(&insert)
}

/// An open hold.
pub(super) struct HoldRow {
    pub(super) hold: HoldId,
}

impl FromRow for HoldRow {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        let hold = <Uuid as FromColumn>::from_column(row, holds::Column::HoldId.as_str())?;
        Ok(Self { hold: hold.into() })
    }
}

/// Returns the query of an account's open holds, at most as many as an error names.
pub(super) fn open_holds(account: AccountId) -> Statement {
    let of_hold = |column: holds::Column| Expr::col((holds::Entity, column));
    let is_open = Expr::cust(format!("'{}'", HoldStatus::Open.as_str()));
    let mut query = Query::select();
    query
        .column((holds::Entity, holds::Column::HoldId))
        .from(holds::Entity.table_ref())
        .and_where(of_hold(holds::Column::AccountId).eq(account.as_uuid()))
        .and_where(of_hold(holds::Column::HoldStatus).eq(is_open))
        .order_by((holds::Entity, holds::Column::HoldId), Order::Asc)
        .limit(HOLDS_NAMED);
    Statement::from_query(&query)
}

/// Returns the change of an account's status, for an account whose status is `from`.
pub(super) fn change_status(
    account: AccountId,
    from: AccountStatus,
    to: AccountStatus,
) -> Statement {
    let mut update = Query::update();
    update
        .value(Column::AccountStatus, to.as_str())
        .and_where(found(Column::AccountStatus).eq(from.as_str()));
    if to == AccountStatus::Closed {
        update
            .value(Column::ClosedAt, clock())
            .and_where(found(Column::CurrentBalance).eq(Decimal::ZERO))
            .and_where(found(Column::HeldBalance).eq(Decimal::ZERO));
    }
    change(account, update)
}

/// Returns the call that makes a closed account active again.
pub(super) fn reopen(account: AccountId) -> Statement {
    let account_id = account.as_uuid();
    ReopenAccount { account_id }.statement()
}

/// Returns the change of an open account's overdraft limit, if its balance is within the new one.
pub(super) fn set_overdraft_limit(account: AccountId, limit: Money) -> Statement {
    let available = || {
        found(Column::CurrentBalance)
            .sub(found(Column::HeldBalance))
            .add(limit.amount())
    };
    let mut update = Query::update();
    update
        .value(Column::OverdraftLimit, limit.amount())
        .and_where(found(Column::CurrencyCode).eq(limit.currency().code()))
        .and_where(found(Column::AccountStatus).ne(AccountStatus::Closed.as_str()))
        .and_where(Expr::val(limit.amount()).gte(Decimal::ZERO))
        .and_where(available().gte(Decimal::ZERO))
        .and_where(available().lt(Money::limit()));
    change(account, update)
}

/// Returns a statement that locks an account, applies `update` when its conditions hold, and
/// returns the account as it then is.
///
/// It is one statement, so that the returned row gives the reason for a change that was not made.
/// The conditions are on `found`, the newest version of the row once its lock is granted. The
/// statement's own snapshot may be older; it finds the updated row by its identifier alone.
fn change(account: AccountId, mut update: UpdateStatement) -> Statement {
    let locked = Query::select()
        .columns(Column::ALL)
        .from(Entity.table_ref())
        .and_where(column(Column::AccountId).eq(account.as_uuid()))
        .lock(LockType::NoKeyUpdate)
        .to_owned();
    update
        .table(Entity.table_ref())
        .from(FOUND)
        .and_where(Expr::col((Entity, Column::AccountId)).eq(found(Column::AccountId)))
        .and_where(found(Column::AccountType).ne(AccountType::System.as_str()))
        .returning(Query::returning().columns(Column::ALL.map(|column| (Entity, column))));
    let is_unchanged =
        Expr::exists(Query::select().column(Asterisk).from(CHANGED).to_owned()).not();
    let after = rows(CHANGED, true)
        .union(
            UnionType::All,
            rows(FOUND, false).and_where(is_unchanged).to_owned(),
        )
        .to_owned();
    let clause = WithClause::new()
        .cte(table(FOUND, locked))
        .cte(table(CHANGED, update))
        .to_owned();
    Statement::from_query(&after.with(clause))
}

fn rows(of: &'static str, is_changed: bool) -> SelectStatement {
    Query::select()
        .columns(Column::ALL)
        .expr_as(Expr::val(is_changed), IS_CHANGED)
        .from(of)
        .to_owned()
}

fn table(name: &'static str, query: impl Into<SubQueryStatement>) -> CommonTableExpression {
    CommonTableExpression::new()
        .query(query)
        .table_name(name)
        .to_owned()
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

fn found(column: Column) -> Expr {
    Expr::col((FOUND, column))
}

fn clock() -> Expr {
    Func::cust(CLOCK).into()
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use rust_decimal::Decimal;
    use uuid::Uuid;

    use super::*;
    use crate::Currency;

    fn text(statement: &Statement) -> String {
        for (place, value) in (1_usize..).zip(statement.values.iter().flat_map(|values| &values.0))
        {
            assert!(statement.sql.contains(&format!("${place}")), "{value:?}");
        }
        statement.sql.clone()
    }

    #[test]
    fn statements_name_their_columns() {
        let account = AccountId::from(Uuid::nil());
        let customer = CustomerId::from(Uuid::nil());
        let czk = Currency::from_code("CZK").unwrap();
        let limit = Money::new(Decimal::TEN, czk).unwrap();
        let new = NewAccount::new(customer, AccountType::Checking, czk);
        let earlier = Utc.with_ymd_and_hms(2026, 1, 2, 3, 4, 5).unwrap();
        insta::assert_snapshot!("by_id", text(&by_id(account)));
        insta::assert_snapshot!("by_number", text(&by_number("1")));
        insta::assert_snapshot!("by_customer", text(&by_customer(customer)));
        insta::assert_snapshot!("open", text(&open(&new)));
        insta::assert_snapshot!(
            "open_in_the_past",
            text(&open(&new.with_opened_at(earlier)))
        );
        insta::assert_snapshot!(
            "freeze",
            text(&change_status(
                account,
                AccountStatus::Active,
                AccountStatus::Frozen
            ))
        );
        insta::assert_snapshot!(
            "close",
            text(&change_status(
                account,
                AccountStatus::Active,
                AccountStatus::Closed
            ))
        );
        insta::assert_snapshot!(
            "set_overdraft_limit",
            text(&set_overdraft_limit(account, limit))
        );
    }
}
