//! Statements that take most time, by the extension `pg_stat_statements`.

use neobank_db::{FromQueryResult, Statement};
use sea_query::{Alias, Expr, ExprTrait, JoinType, Order, Query};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::{Cause, Section};
use crate::statement_text::HasStatement;

/// Statements that are shown at most.
pub const STATEMENTS_MAX: u64 = 500;

/// A kind of statement of the monitor's own database; its values are replaced by `$1`, `$2`, …
#[derive(Clone, Debug, PartialEq, Serialize, FromQueryResult)]
#[non_exhaustive]
pub struct StatementRow {
    /// The server's own number for it; a text in JSON.
    #[serde(serialize_with = "crate::as_text::option")]
    pub query_id: Option<i64>,
    /// Its text, with secrets replaced; `<insufficient privilege>` for a role that may not see it.
    pub query: Option<String>,
    /// How often it ran.
    pub calls: i64,
    /// Rows that it gave or touched, in all.
    pub rows: i64,
    /// The time that it took in all, in milliseconds, without planning.
    pub total_milliseconds: f64,
    /// The mean, in milliseconds.
    pub mean_milliseconds: f64,
    /// The longest, in milliseconds.
    pub max_milliseconds: f64,
    /// Blocks that it found in the buffers.
    pub blocks_hit: i64,
    /// Blocks that it did not find there.
    pub blocks_read: i64,
}

#[derive(FromQueryResult)]
struct SchemaRow {
    schema: String,
}

/// The text of the question for the schema that the extension is in: it can be any.
#[must_use]
pub fn schema_statement() -> Statement {
    build(
        Query::select()
            .expr_as(
                Expr::col(("namespace", "nspname")).cast_as("text"),
                "schema",
            )
            .from_as(("pg_catalog", "pg_extension"), "extension")
            .join_as(
                JoinType::InnerJoin,
                ("pg_catalog", "pg_namespace"),
                "namespace",
                Expr::col(("namespace", "oid")).equals(("extension", "extnamespace")),
            )
            .and_where(Expr::col(("extension", "extname")).eq("pg_stat_statements")),
    )
}

/// The text of the question, for the extension in this schema: those that took most time in all first.
#[must_use]
pub fn statement(schema: &str, limit: u64) -> Statement {
    build(
        Query::select()
            .expr_as(Expr::col("queryid"), "query_id")
            .columns(["query", "calls", "rows"])
            .expr_as(Expr::col("total_exec_time"), "total_milliseconds")
            .expr_as(Expr::col("mean_exec_time"), "mean_milliseconds")
            .expr_as(Expr::col("max_exec_time"), "max_milliseconds")
            .expr_as(Expr::col("shared_blks_hit"), "blocks_hit")
            .expr_as(Expr::col("shared_blks_read"), "blocks_read")
            .from((Alias::new(schema), "pg_stat_statements"))
            .and_where(Expr::col("dbid").eq(Expr::cust(
                "(SELECT own.oid FROM pg_catalog.pg_database AS own WHERE own.datname = pg_catalog.current_database())",
            )))
            .order_by("total_exec_time", Order::Desc)
            .limit(Ord::min(limit, STATEMENTS_MAX)),
    )
}

impl HasStatement for StatementRow {
    fn statement_mut(&mut self) -> &mut Option<String> {
        &mut self.query
    }
}

impl Monitor {
    /// The statements of this database that took most time in all; at most `limit`, and at most [`STATEMENTS_MAX`].
    ///
    /// Not available where the extension `pg_stat_statements` is not installed in the database, or not loaded.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn slow_statements(
        &self,
        limit: u64,
    ) -> Result<Section<Vec<StatementRow>>, OpsError> {
        let schemas: Section<Vec<SchemaRow>> = self.section(schema_statement()).await?;
        let schemas = match schemas {
            Section::Available { value, .. } => value,
            Section::NotAvailable { reason } => return Ok(Section::NotAvailable { reason }),
        };
        match schemas.first() {
            Some(row) => {
                let rows = self.section(statement(&row.schema, limit)).await?;
                Ok(rows.map(|rows| self.shown(rows)))
            }
            None => Ok(Section::not_available(
                Cause::Missing,
                "the extension pg_stat_statements is not installed in this database",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_texts_are_what_was_looked_at() {
        insta::assert_snapshot!("slow_statements", readable(&statement("a \"b\".c; --", 20)));
        insta::assert_snapshot!("slow_statements_schema", readable(&schema_statement()));
    }
}
