//! The queries of preferences, as builders on the generated entities.

use neobank_db::Statement;
use neobank_entity::banking::customer_preferences::{Column, Entity};
use neobank_entity::banking::customers;
use sea_query::extension::postgres::PgExpr;
use sea_query::{
    Asterisk, BinOper, CommonTableExpression, Expr, ExprTrait, Func, OnConflict, Order, Query,
    SelectStatement, SubQueryStatement, WithClause,
};
use serde_json::Value;
use uuid::Uuid;

use crate::CustomerId;

/// The preferences that the caller gave.
const GIVEN: &str = "given";
/// The customers among them that do not exist.
const MISSING_CUSTOMERS: &str = "missing_customers";
/// The customers whose preferences were written.
const MERGED: &str = "merged";
/// The row that an insertion would have added, had it met no conflict.
const EXCLUDED: &str = "excluded";

/// The number of customers whose preferences were written.
pub(super) const CHANGED: &str = "changed";
/// The identifiers of the customers that do not exist.
pub(super) const MISSING: &str = "missing";
/// The preferences as a text.
pub(super) const TEXT: &str = "text";

/// The server's function that turns an array into rows.
const UNNEST: &str = "pg_catalog.unnest";
/// The constructor of an array from the rows of a query.
const ARRAY: &str = "ARRAY";

/// Returns the merge of many customers' preferences.
///
/// It looks for unknown customers itself, because a foreign key's error would name only one and
/// would end the caller's transaction. It writes in the order of the identifiers, so that two calls
/// with the same customers cannot deadlock.
pub(super) fn merge(customers: Vec<Uuid>, preferences: Vec<Value>) -> Statement {
    let unnest = |array: Expr| Func::cust(UNNEST).arg(array);
    let given = Query::select()
        .expr(unnest(Expr::val(customers)))
        .expr(unnest(Expr::val(preferences)))
        .to_owned();
    let given = table(GIVEN, given)
        .columns([Column::CustomerId, Column::Preferences])
        .to_owned();
    let counted = Query::select()
        .expr(Func::count(Expr::col(Asterisk)))
        .from(MERGED)
        .to_owned();
    let missing = Query::select()
        .column((MISSING_CUSTOMERS, Column::CustomerId))
        .from(MISSING_CUSTOMERS)
        .order_by((MISSING_CUSTOMERS, Column::CustomerId), Order::Asc)
        .to_owned();
    let result = Query::select()
        .expr_as(subquery(counted), CHANGED)
        .expr_as(Func::cust(ARRAY).arg(subquery(missing)), MISSING)
        .to_owned();
    let clause = WithClause::new()
        .cte(given)
        .cte(table(MISSING_CUSTOMERS, missing_customers()))
        .cte(table(MERGED, insertion()))
        .to_owned();
    Statement::from_query(&result.with(clause))
}

/// Returns the query of a customer's preferences as a text, whose numbers nothing has rounded yet.
pub(super) fn find(customer: CustomerId) -> Statement {
    let query = Query::select()
        .expr_as(Expr::col(Column::Preferences).cast_as("text"), TEXT)
        .from(Entity.table_ref())
        .and_where(Expr::col(Column::CustomerId).eq(customer.as_uuid()))
        .to_owned();
    Statement::from_query(&query)
}

/// Returns the removal of keys from a customer's preferences. It changes no row that has none of the
/// keys.
pub(super) fn remove(customer: CustomerId, keys: &[String]) -> Statement {
    let keys = || Expr::val(keys.to_vec()).cast_as("text[]");
    let has_any = Expr::col(Column::Preferences).binary(BinOper::Custom("?|"), keys());
    let update = Query::update()
        .table(Entity.table_ref())
        .value(
            Column::Preferences,
            Expr::col(Column::Preferences).binary(BinOper::Sub, keys()),
        )
        .and_where(Expr::col(Column::CustomerId).eq(customer.as_uuid()))
        .and_where(has_any)
        .to_owned();
    Statement::from_query(&update)
}

fn missing_customers() -> SelectStatement {
    let customer_id = (customers::Entity, customers::Column::CustomerId);
    let existing = Query::select()
        .column(customer_id)
        .from(customers::Entity.table_ref())
        .and_where(Expr::col(customer_id).eq(Expr::col((GIVEN, Column::CustomerId))))
        .to_owned();
    Query::select()
        .column((GIVEN, Column::CustomerId))
        .from(GIVEN)
        .and_where(Expr::exists(existing).not())
        .to_owned()
}

/// Returns the insertion or update of every given customer, or of none when one is missing.
fn insertion() -> sea_query::InsertStatement {
    let any_missing = Query::select()
        .column((MISSING_CUSTOMERS, Column::CustomerId))
        .from(MISSING_CUSTOMERS)
        .to_owned();
    let rows = Query::select()
        .columns([Column::CustomerId, Column::Preferences].map(|column| (GIVEN, column)))
        .from(GIVEN)
        .and_where(Expr::exists(any_missing).not())
        .order_by((GIVEN, Column::CustomerId), Order::Asc)
        .to_owned();
    // The keys on the right replace those on the left.
    let merged = Expr::col((Entity, Column::Preferences))
        .concatenate(Expr::col((EXCLUDED, Column::Preferences)));
    let mut insert = Query::insert();
    insert
        .into_table(Entity.table_ref())
        .columns([Column::CustomerId, Column::Preferences])
        .on_conflict(
            OnConflict::column(Column::CustomerId)
                .value(Column::Preferences, merged)
                .to_owned(),
        )
        .returning_col((Entity, Column::CustomerId));
    // It fails when the columns and the values differ in number, which the snapshot would show.
    let _ = insert.select_from(rows);
    insert
}

fn table(name: &'static str, query: impl Into<SubQueryStatement>) -> CommonTableExpression {
    CommonTableExpression::new()
        .query(query)
        .table_name(name)
        .to_owned()
}

fn subquery(query: SelectStatement) -> Expr {
    Expr::SubQuery(None, Box::new(query.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_match_their_snapshots() {
        insta::assert_snapshot!("merge", merge(vec![Uuid::nil()], vec![Value::Null]).sql);
        insta::assert_snapshot!("find", find(CustomerId::from(Uuid::nil())).sql);
    }
}
