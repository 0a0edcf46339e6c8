//! The statements with the most execution time, from the extension `pg_stat_statements`.

use neobank_db::{FromRow, Statement};
use neobank_entity::pg_catalog::{PgExtension, PgNamespace};
use sea_query::{Alias, Expr, ExprTrait, Func, JoinType, Order, Query};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::{Cause, Reason, Section};
use crate::sql::own_database;
use crate::statement_text::HasStatement;
use crate::table_name::TableName;

/// The greatest number of listed statements.
pub const STATEMENTS_MAX: u64 = 500;

/// A normalized statement of the monitor's own database; its values are replaced by `$1`, `$2`, …
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct StatementRow {
    /// The server's identifier of the statement; a text in JSON.
    #[serde(serialize_with = "crate::as_text::option")]
    pub query_id: Option<i64>,
    /// The statement's text, with secrets replaced; `<insufficient privilege>` for a role that may
    /// not see it.
    pub query: Option<String>,
    /// The number of executions.
    pub calls: i64,
    /// The total number of rows that it returned or changed.
    pub rows: i64,
    /// The total execution time, in milliseconds, without planning.
    pub total_milliseconds: f64,
    /// The mean execution time, in milliseconds.
    pub mean_milliseconds: f64,
    /// The longest execution time, in milliseconds.
    pub max_milliseconds: f64,
    /// Blocks found in the server's buffers.
    pub blocks_hit: i64,
    /// Blocks not found there.
    pub blocks_read: i64,
}

/// Figures of all statements of this database, however little time they took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct StatementTotalsRow {
    /// The number of statements that ran often enough to be judged.
    pub judged: i64,
    /// The longest mean time of one of them, in milliseconds; none when there is no such statement.
    pub slowest_mean_milliseconds: Option<f64>,
}

#[derive(FromRow)]
struct SchemaRow {
    schema: String,
}

/// Returns the SQL for the schema of the extension, which may be any schema.
#[must_use]
pub fn schema_statement() -> Statement {
    build(
        Query::select()
            .expr_as(
                PgNamespace::Nspname.of("namespace").cast_as("text"),
                "schema",
            )
            .from_as(PgExtension::TABLE, "extension")
            .join_as(
                JoinType::InnerJoin,
                PgNamespace::TABLE,
                "namespace",
                PgNamespace::Oid
                    .of("namespace")
                    .eq(PgExtension::Extnamespace.of("extension")),
            )
            .and_where(
                PgExtension::Extname
                    .of("extension")
                    .eq("pg_stat_statements"),
            ),
    )
}

/// Returns the SQL for the totals of the statements that ran at least this often: one row. It does
/// not read the statements' texts, which the server keeps in a file.
#[must_use]
pub fn totals_statement(schema: &str, calls_min: i64) -> Statement {
    build(
        Query::select()
            .expr_as(Func::count(Expr::cust("*")), "judged")
            .expr_as(
                Func::max(Expr::col("mean_exec_time")),
                "slowest_mean_milliseconds",
            )
            .from_function(
                // sea-query writes a function's name as it is given, so the schema is quoted here
                // as the server would quote it.
                Func::cust(Alias::new(
                    TableName::new(schema, "pg_stat_statements").to_string(),
                ))
                .arg(false),
                "counted",
            )
            .and_where(is_own_database())
            .and_where(Expr::col("calls").gte(calls_min)),
    )
}

/// Selects rows of the monitor's own database.
fn is_own_database() -> Expr {
    Expr::col("dbid").eq(own_database())
}

/// Returns the SQL for the statements, with the most total time first; the extension is in this
/// schema.
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
            .and_where(is_own_database())
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
    /// Reads the statements of this database with the most total time; at most `limit`, and at most
    /// [`STATEMENTS_MAX`].
    ///
    /// Not available where the extension `pg_stat_statements` is not installed in the database, or
    /// not loaded.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn slow_statements(
        &self,
        limit: u64,
    ) -> Result<Section<Vec<StatementRow>>, OpsError> {
        match self.statements_schema().await? {
            Ok(schema) => {
                let rows = self.section(statement(&schema, limit)).await?;
                Ok(rows.map(|rows| self.shown(rows)))
            }
            Err(reason) => Ok(Section::NotAvailable { reason }),
        }
    }

    /// Reads the slowest mean time of all statements of this database that ran at least this often,
    /// however little time they took in total. Not available where [`Monitor::slow_statements`] is
    /// not.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn statement_totals(
        &self,
        calls_min: u64,
    ) -> Result<Section<StatementTotalsRow>, OpsError> {
        let calls_min = i64::try_from(calls_min).unwrap_or(i64::MAX);
        match self.statements_schema().await? {
            Ok(schema) => {
                let rows = self.section(totals_statement(&schema, calls_min)).await?;
                Ok(rows.and_then(Section::of_first))
            }
            Err(reason) => Ok(Section::NotAvailable { reason }),
        }
    }

    /// Returns the schema of the extension, or the reason why it is missing.
    async fn statements_schema(&self) -> Result<Result<String, Reason>, OpsError> {
        let schemas: Section<Vec<SchemaRow>> = self.section(schema_statement()).await?;
        let missing = || Reason {
            cause: Cause::Missing,
            detail: "the extension pg_stat_statements is not installed in this database".to_owned(),
        };
        Ok(match schemas {
            Section::Available { value, .. } => {
                let first = value.into_iter().next();
                first.map(|row| row.schema).ok_or_else(missing)
            }
            Section::NotAvailable { reason } => Err(reason),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_is_as_reviewed() {
        insta::assert_snapshot!("slow_statements", readable(&statement("a \"b\".c; --", 20)));
        insta::assert_snapshot!("slow_statements_schema", readable(&schema_statement()));
        insta::assert_snapshot!("statement_totals", readable(&totals_statement("s", 5)));
    }
}
