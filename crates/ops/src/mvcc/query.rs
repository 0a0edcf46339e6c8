//! The three queries: facts about the table, its pages, its visible rows.

use neobank_db::{FromRow, Statement, statement};
use sea_query::{
    Asterisk, CommonTableExpression, Condition, Expr, ExprTrait, Func, JoinType, Order, Query,
    SelectStatement, WithClause,
};

use super::Pages;
use crate::monitor::build;
use crate::table_name::{TableName, quoted};

/// Facts about the table, and whether its pages can be read.
#[derive(Clone, Debug, FromRow)]
pub(super) struct TableFacts {
    pub(super) kind: String,
    pub(super) page_count: i64,
    pub(super) inspector_schema: Option<String>,
    pub(super) is_superuser: bool,
    pub(super) snapshot: String,
}

/// Returns the SQL for one row, or none when there is no such table.
pub(super) fn facts(table: &TableName) -> Statement {
    statement(
        // A table that was dropped in between has no size.
        "SELECT found.kind, found.page_count, found.inspector_schema, found.is_superuser, found.snapshot
        FROM (
        SELECT relation.relkind::pg_catalog.text AS kind,
            pg_catalog.pg_relation_size(relation.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8 AS page_count,
            (SELECT home.nspname FROM pg_catalog.pg_extension AS extension
             JOIN pg_catalog.pg_namespace AS home ON home.oid = extension.extnamespace
             WHERE extension.extname = 'pageinspect') AS inspector_schema,
            (SELECT asker.rolsuper FROM pg_catalog.pg_roles AS asker WHERE asker.rolname = current_user) AS is_superuser,
            pg_catalog.pg_current_snapshot()::pg_catalog.text AS snapshot
        FROM pg_catalog.pg_class AS relation
        JOIN pg_catalog.pg_namespace AS space ON space.oid = relation.relnamespace
        WHERE space.nspname = $1 AND relation.relname = $2
        ) AS found
        WHERE found.page_count IS NOT NULL",
        [table.schema.as_str().into(), table.table.as_str().into()],
    )
}

/// A row version from its page.
#[derive(Clone, Debug, FromRow)]
pub(super) struct PageRow {
    pub(super) place: String,
    pub(super) xmin: i64,
    pub(super) xmin_status: Option<String>,
    pub(super) xmin_is_own: bool,
    pub(super) xmin_in_snapshot: bool,
    pub(super) xmax: i64,
    pub(super) members: Option<serde_json::Value>,
    pub(super) bits: i32,
    pub(super) more_bits: i32,
    pub(super) next: String,
    pub(super) visible: bool,
    pub(super) snapshot: String,
}

/// Returns the SQL for every version in these pages.
pub(super) fn pages(
    table: &TableName,
    pages: Pages,
    page_count: i64,
    inspector_schema: &str,
) -> Statement {
    let end = i64::from(pages.first).saturating_add(i64::from(pages.count));
    let last = Ord::min(end, page_count).saturating_sub(1);
    let inspector = quoted(inspector_schema);
    let page = Func::cust(format!("{inspector}.get_raw_page"))
        .arg(table.to_string())
        .arg(Expr::col(("page", "page")));
    let items = Query::select()
        .column(Asterisk)
        .from_function(
            Func::cust(format!("{inspector}.heap_page_items")).arg(page),
            "found",
        )
        .take();
    let item = Query::select()
        .expr_as(
            Expr::cust("pg_catalog.format('(%s,%s)', page.page, item.lp)::pg_catalog.tid"),
            "place",
        )
        .columns(
            ["t_xmin", "t_xmax", "t_ctid", "t_infomask", "t_infomask2"]
                .map(|column| ("item", column)),
        )
        .from_function(
            Func::cust("pg_catalog.generate_series")
                .arg(i64::from(pages.first))
                .arg(last),
            "page",
        )
        .join_lateral(JoinType::InnerJoin, items, "item", Condition::all())
        .and_where(Expr::col(("item", "lp_flags")).eq(1))
        .take();
    let seen = visible(table, pages)
        .expr_as(Expr::col(("version", "ctid")), "place")
        .expr_as(Expr::col(("version", "xmin")), "xmin")
        .take();
    let versions = Query::select()
        .expr_as(Expr::cust("item.place::pg_catalog.text"), "place")
        .expr_as(number("item.t_xmin"), "xmin")
        .expr_as(Expr::cust(format!("CASE WHEN item.t_infomask & 768 = 0 THEN {} END", status("item.t_xmin"))), "xmin_status")
        .expr_as(is_own("item.t_xmin"), "xmin_is_own")
        .expr_as(
            Expr::cust(format!(
                "item.t_infomask & 768 = 768 OR pg_catalog.pg_visible_in_snapshot({}, pg_catalog.pg_current_snapshot())",
                whole("item.t_xmin")
            )),
            "xmin_in_snapshot",
        )
        .expr_as(number("item.t_xmax"), "xmax")
        .expr_as(members(), "members")
        .expr_as(Expr::col(("item", "t_infomask")), "bits")
        .expr_as(Expr::col(("item", "t_infomask2")), "more_bits")
        .expr_as(Expr::cust("item.t_ctid::pg_catalog.text"), "next")
        .expr_as(
            Expr::cust("EXISTS (SELECT FROM seen WHERE seen.place = item.place AND seen.xmin = item.t_xmin)"),
            "visible",
        )
        .expr_as(snapshot(), "snapshot")
        .from("item")
        .order_by(("item", "place"), Order::Asc)
        .take();
    build(&versions.with(common([("own", own()), ("item", item), ("seen", seen)])))
}

/// A row version as a plain `SELECT` shows it.
#[derive(Clone, Debug, FromRow)]
pub(super) struct VisibleRow {
    pub(super) place: String,
    pub(super) xmin: i64,
    pub(super) xmin_is_own: bool,
    pub(super) xmax: i64,
    pub(super) snapshot: String,
}

/// Returns the SQL for the visible versions in these pages.
pub(super) fn visible_rows(table: &TableName, pages: Pages) -> Statement {
    let rows = visible(table, pages)
        .expr_as(Expr::cust("version.ctid::pg_catalog.text"), "place")
        .expr_as(number("version.xmin"), "xmin")
        // A visible version in progress is the transaction's own, also where a released savepoint
        // holds no lock any more.
        .expr_as(
            Expr::cust(format!(
                "{} OR COALESCE({} = 'in progress', false)",
                text_of_is_own("version.xmin"),
                status("version.xmin")
            )),
            "xmin_is_own",
        )
        .expr_as(number("version.xmax"), "xmax")
        .expr_as(snapshot(), "snapshot")
        .order_by(("version", "ctid"), Order::Asc)
        .take();
    build(&rows.with(common([("own", own())])))
}

/// Selects the rows of the table in these pages, without columns.
fn visible(table: &TableName, pages: Pages) -> SelectStatement {
    let at = |page: u32| Expr::val(format!("({page},0)")).cast_as("tid");
    Query::select()
        .from_as(table.reference(), "version")
        .and_where(Expr::col(("version", "ctid")).gte(at(pages.first)))
        .and_where(Expr::col(("version", "ctid")).lt(at(pages.first.saturating_add(pages.count))))
        .take()
}

/// Selects the transaction's own numbers and those of its savepoints, which a snapshot does not
/// contain.
fn own() -> SelectStatement {
    Query::select()
        .expr_as(Expr::col("transactionid"), "xid")
        .from(("pg_catalog", "pg_locks"))
        .and_where(Expr::col("locktype").eq("transactionid"))
        .and_where(Expr::col("mode").eq("ExclusiveLock"))
        .and_where(Expr::col("granted"))
        .and_where(Expr::col("pid").eq(Expr::cust("pg_catalog.pg_backend_pid()")))
        .take()
}

fn common<const N: usize>(parts: [(&'static str, SelectStatement); N]) -> WithClause {
    let mut clause = Query::with();
    for (name, query) in parts {
        let mut part = CommonTableExpression::new();
        part.table_name(name).query(query).materialized(true);
        clause.cte(part);
    }
    clause
}

/// Returns each transaction of xmax; a single one has no mode, which the header bits show.
fn members() -> Expr {
    let row = |xid: &str, mode: &str| {
        format!(
            "pg_catalog.jsonb_build_object('xid', {}, 'mode', {mode}, 'status', {}, 'is_own', {})",
            text_of_number(xid),
            status(xid),
            text_of_is_own(xid)
        )
    };
    Expr::cust(format!(
        "CASE WHEN item.t_infomask & 2048 <> 0 OR item.t_xmax = '0' THEN NULL \
         WHEN item.t_infomask & 4096 <> 0 THEN (SELECT pg_catalog.jsonb_agg({}) \
         FROM pg_catalog.pg_get_multixact_members(item.t_xmax) AS member) \
         ELSE pg_catalog.jsonb_build_array({}) END",
        row("member.xid", "member.mode"),
        row("item.t_xmax", "NULL"),
    ))
}

/// Returns the server's state of a transaction.
fn status(xid: &str) -> String {
    format!("pg_catalog.pg_xact_status({})", whole(xid))
}

/// Returns a transaction's number with its epoch: the one nearest to the next number to be
/// assigned.
fn whole(xid: &str) -> String {
    let next = "pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text::pg_catalog.int8";
    let number = text_of_number(xid);
    format!(
        "({next} + ({number} - {next} % 4294967296 + 6442450944) % 4294967296 - 2147483648)\
         ::pg_catalog.text::pg_catalog.xid8"
    )
}

fn number(xid: &str) -> Expr {
    Expr::cust(text_of_number(xid))
}

fn text_of_number(xid: &str) -> String {
    format!("{xid}::pg_catalog.text::pg_catalog.int8")
}

fn is_own(xid: &str) -> Expr {
    Expr::cust(text_of_is_own(xid))
}

fn text_of_is_own(xid: &str) -> String {
    format!("EXISTS (SELECT FROM own WHERE own.xid = {xid})")
}

fn snapshot() -> Expr {
    Expr::cust("pg_catalog.pg_current_snapshot()::pg_catalog.text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn every_name_is_quoted() {
        let table = TableName::new("a\"; DROP TABLE x; --", "b.'c\n$$");
        let few = Pages::new(3, 2);
        insta::assert_snapshot!("mvcc_facts", readable(&facts(&table)));
        insta::assert_snapshot!("mvcc_pages", readable(&pages(&table, few, 100, "in\"side")));
        insta::assert_snapshot!("mvcc_visible_rows", readable(&visible_rows(&table, few)));
    }
}
