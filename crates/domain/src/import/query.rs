//! The queries of an import, as builders on the generated entities.
//!
//! Each takes arrays: one query asks for everything that the files name.

use chrono::NaiveDate;
use neobank_db::Statement;
use neobank_entity::banking::{accounts, customers, transactions, transfers};
use neobank_entity::functions::banking::StartOfDay;
use sea_query::extension::postgres::PgFunc;
use sea_query::{CommonTableExpression, Expr, ExprTrait, Func, Query, SelectStatement, WithClause};
use uuid::Uuid;

/// The days and time zones that the files name.
const ASKED: &str = "asked";
/// The name of a time zone.
pub(super) const TIME_ZONE: &str = "time_zone";
/// A day of the files.
pub(super) const DAY: &str = "day";
/// The first moment of that day in that zone.
pub(super) const STARTS_AT: &str = "starts_at";

/// The identifier of a customer or an account.
pub(super) const ID: &str = "id";
/// The number that people use for it.
pub(super) const NUMBER: &str = "number";

/// The server's function that turns an array into rows.
const UNNEST: &str = "pg_catalog.unnest";
/// The server's view of the time zones that it knows, and the column with their names.
const KNOWN_ZONES: (&str, &str) = ("pg_catalog", "pg_timezone_names");
const KNOWN_NAME: (&str, &str) = ("pg_timezone_names", "name");

/// Returns the query of the numbers of these customers.
pub(super) fn customer_numbers(ids: Vec<Uuid>) -> Statement {
    use customers::{Column, Entity};
    build(
        Query::select()
            .expr_as(Expr::col(Column::CustomerId), ID)
            .expr_as(Expr::col(Column::CustomerNumber), NUMBER)
            .from(Entity.table_ref())
            .and_where(any(Expr::col(Column::CustomerId), ids)),
    )
}

/// Returns the query of the numbers of these accounts.
pub(super) fn account_numbers(ids: Vec<Uuid>) -> Statement {
    use accounts::{Column, Entity};
    build(
        Query::select()
            .expr_as(Expr::col(Column::AccountId), ID)
            .expr_as(Expr::col(Column::AccountNumber), NUMBER)
            .from(Entity.table_ref())
            .and_where(any(Expr::col(Column::AccountId), ids)),
    )
}

/// Returns the query of the accounts that an earlier import opened.
pub(super) fn existing_accounts(ids: Vec<Uuid>) -> Statement {
    use accounts::{Column, Entity};
    build(
        Query::select()
            .columns([Column::AccountId, Column::TimeZone, Column::OverdraftLimit])
            .from(Entity.table_ref())
            .and_where(any(Expr::col(Column::AccountId), ids)),
    )
}

/// Returns the query of the running balances in the journal, by the keys of their transfers.
///
/// It gives both entries of each transfer: the customer's and that of the bank's own account.
pub(super) fn balances(keys: Vec<String>) -> Statement {
    let transfer = |column: transfers::Column| Expr::col((transfers::Entity, column));
    let entry = |column: transactions::Column| Expr::col((transactions::Entity, column));
    let is_of_transfer = entry(transactions::Column::AccountId)
        .is_in([
            transfer(transfers::Column::FromAccountId),
            transfer(transfers::Column::ToAccountId),
        ])
        // The date lets the index on account and date find the entry.
        .and(entry(transactions::Column::TransactionDate).eq(transfer(transfers::Column::PostedAt)))
        .and(entry(transactions::Column::TransferId).eq(transfer(transfers::Column::TransferId)));
    build(
        Query::select()
            .column((transfers::Entity, transfers::Column::IdempotencyKey))
            .column((transactions::Entity, transactions::Column::AccountId))
            .column((transactions::Entity, transactions::Column::RunningBalance))
            .from(transfers::Entity.table_ref())
            .inner_join(transactions::Entity.table_ref(), is_of_transfer)
            .and_where(any(transfer(transfers::Column::IdempotencyKey), keys)),
    )
}

/// Returns the query of the moments at which days begin in time zones, pair by pair.
pub(super) fn starts_of_days(zones: Vec<String>, days: Vec<NaiveDate>) -> Statement {
    let asked = Query::select()
        .expr(unnest(Expr::val(zones)))
        .expr(unnest(Expr::val(days)))
        .to_owned();
    let (zone, day) = (Expr::col((ASKED, TIME_ZONE)), Expr::col((ASKED, DAY)));
    let starts = Query::select()
        .columns([(ASKED, TIME_ZONE), (ASKED, DAY)])
        .expr_as(Func::cust(StartOfDay::NAME).args([day, zone]), STARTS_AT)
        .from(ASKED)
        .to_owned();
    Statement::from_query(&starts.with(given(asked, &[TIME_ZONE, DAY])))
}

/// Returns the query of the names among these that are no time zone of the server.
pub(super) fn unknown_zones(zones: Vec<String>) -> Statement {
    let asked = Query::select().expr(unnest(Expr::val(zones))).to_owned();
    let known = Query::select()
        .column(KNOWN_NAME)
        .from(KNOWN_ZONES)
        .and_where(Expr::col(KNOWN_NAME).eq(Expr::col((ASKED, TIME_ZONE))))
        .to_owned();
    let unknown = Query::select()
        .column((ASKED, TIME_ZONE))
        .from(ASKED)
        .and_where(Expr::col((ASKED, TIME_ZONE)).ne("UTC"))
        .and_where(Expr::exists(known).not())
        .to_owned();
    Statement::from_query(&unknown.with(given(asked, &[TIME_ZONE])))
}

fn given(rows: SelectStatement, columns: &[&'static str]) -> WithClause {
    let table = CommonTableExpression::new()
        .table_name(ASKED)
        .columns(columns.iter().copied())
        .query(rows)
        .to_owned();
    WithClause::new().cte(table).to_owned()
}

fn unnest(array: Expr) -> Expr {
    Func::cust(UNNEST).arg(array).into()
}

fn any<T>(column: Expr, values: Vec<T>) -> Expr
where
    Expr: From<Vec<T>>,
{
    column.eq(PgFunc::any(Expr::from(values)))
}

fn build(query: &SelectStatement) -> Statement {
    Statement::from_query(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_match_their_snapshots() {
        let ids = || vec![Uuid::nil()];
        let texts = || vec!["text".to_owned()];
        insta::assert_snapshot!("customer_numbers", customer_numbers(ids()).sql);
        insta::assert_snapshot!("account_numbers", account_numbers(ids()).sql);
        insta::assert_snapshot!("existing_accounts", existing_accounts(ids()).sql);
        insta::assert_snapshot!("balances", balances(texts()).sql);
        insta::assert_snapshot!(
            "starts_of_days",
            starts_of_days(texts(), vec![NaiveDate::MIN]).sql
        );
        insta::assert_snapshot!("unknown_zones", unknown_zones(texts()).sql);
    }
}
