//! Expressions that several queries share.

use neobank_entity::pg_catalog::{PgClass, PgDatabase, PgNamespace};
use sea_query::extension::postgres::PgBinOper;
use sea_query::{BinOper, CommonTableExpression, Expr, ExprTrait, Func, Query, SelectStatement};

/// A constant text, which is written into the statement.
pub(crate) fn text(value: &'static str) -> Expr {
    Expr::Constant(value.into())
}

/// A constant number, which is written into the statement.
pub(crate) fn number(value: i32) -> Expr {
    Expr::Constant(value.into())
}

/// SQL's `NULL`.
pub(crate) fn null() -> Expr {
    Expr::cust("NULL")
}

/// The condition that joins a relation's namespace; the arguments are the aliases of `pg_namespace`
/// and `pg_class`.
pub(crate) fn is_namespace_of(namespace: &'static str, class: &'static str) -> Expr {
    PgNamespace::Oid
        .of(namespace)
        .eq(PgClass::Relnamespace.of(class))
}

/// Selects the oid of the session's own database from `pg_database`.
pub(crate) fn own_database() -> SelectStatement {
    Query::select()
        .expr(PgDatabase::Oid.of("own"))
        .from_as(PgDatabase::TABLE, "own")
        .and_where(PgDatabase::Datname.of("own").eq(current_database()))
        .take()
}

/// The name of the session's own database.
pub(crate) fn current_database() -> Expr {
    Func::cust("pg_catalog.current_database").into()
}

/// The process identifier of the session itself.
pub(crate) fn own_process() -> Expr {
    Func::cust("pg_catalog.pg_backend_pid").into()
}

/// The server's clock; `now()` is the transaction's start.
pub(crate) fn clock() -> Expr {
    Func::cust("pg_catalog.clock_timestamp").into()
}

/// Seconds since a moment, by the clock.
pub(crate) fn seconds_since(moment: Expr) -> Expr {
    seconds(clock().sub(moment))
}

/// The seconds of an interval.
pub(crate) fn seconds(interval: Expr) -> Expr {
    Func::cust("pg_catalog.date_part")
        .arg(text("epoch"))
        .arg(interval)
        .into()
}

/// The moment that is this many seconds ago.
pub(crate) fn seconds_ago(seconds: Expr) -> Expr {
    clock().sub(Expr::cust_with_expr(
        "pg_catalog.make_interval(secs => $1)",
        seconds,
    ))
}

/// `coalesce(first, second)`.
pub(crate) fn coalesce(first: Expr, second: Expr) -> Expr {
    Func::coalesce([first, second]).into()
}

/// `left IS DISTINCT FROM right`.
pub(crate) fn is_distinct(left: Expr, right: Expr) -> Expr {
    left.binary(BinOper::Custom("IS DISTINCT FROM"), right)
}

/// `left || right`.
pub(crate) fn concatenated(left: Expr, right: Expr) -> Expr {
    left.binary(PgBinOper::Concatenate, right)
}

/// The number of a query's rows that meet the condition.
pub(crate) fn count_where(condition: Expr) -> Expr {
    Func::count(Expr::cust("*")).filter(condition).into()
}

/// An empty list of output columns, for `EXISTS`.
pub(crate) fn any_row() -> Expr {
    Expr::cust("1")
}

/// The condition of a lateral join that joins every row.
pub(crate) fn always() -> Expr {
    Expr::cust("TRUE")
}

/// A materialized CTE, which the server computes once, however often it is read.
pub(crate) fn materialized(name: &'static str, query: SelectStatement) -> CommonTableExpression {
    CommonTableExpression::new()
        .table_name(name)
        .materialized(true)
        .query(query)
        .to_owned()
}
