//! Connections that do nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use neobank_db::{FromQueryResult, Statement};
use sea_query::{Expr, ExprTrait, Func, Order, Query};
use serde::Serialize;

use super::analysis::{UNTRACKED, age, count_where};
use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;
use crate::statement_text::HasStatement;

/// Connections that are shown at most, those that were idle longest first.
pub const IDLE_MAX: u64 = 1_000;

/// A connection that does nothing, or of which nobody can say whether it does.
#[derive(Clone, Debug, PartialEq, Serialize, FromQueryResult)]
#[non_exhaustive]
pub struct IdleConnectionRow {
    /// Its server process.
    pub process_id: i32,
    /// Its role.
    pub username: Option<String>,
    /// Its database.
    pub database: Option<String>,
    /// What the program calls itself.
    pub application_name: Option<String>,
    /// From where; none for a Unix socket.
    pub client_address: Option<String>,
    /// `idle`, `idle in transaction` or `idle in transaction (aborted)`; `disabled` where `track_activities` is off, so that
    /// nobody knows whether it does nothing.
    pub state: String,
    /// Since when; none where it is not tracked.
    pub state_change: Option<DateTime<Utc>>,
    /// For how long it has done nothing; none where it is not tracked.
    pub idle_seconds: Option<f64>,
    /// The age of its transaction, which may have begun long before; none outside of one, and where it is not tracked.
    pub transaction_seconds: Option<f64>,
    /// The statement that it ran last.
    pub query: Option<String>,
}

impl IdleConnectionRow {
    /// Whether the server tracks what it does.
    #[must_use]
    pub fn is_tracked(&self) -> bool {
        self.state != UNTRACKED
    }
}

/// What the connections of clients do that do nothing: of all of them, however short that has been.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromQueryResult)]
#[non_exhaustive]
pub struct IdleTotalsRow {
    /// Those that have been idle for at least as long, in a transaction or not.
    pub idle: i64,
    /// Those that are idle in a transaction, for any time.
    pub in_transaction: i64,
    /// For how long the longest of them has been idle in its transaction; none without any.
    pub longest_in_transaction_seconds: Option<f64>,
    /// Those whose state the server does not track.
    pub untracked: i64,
}

/// The text of the question for the totals: one row.
#[must_use]
pub fn totals_statement(at_least: Duration) -> Statement {
    let in_transaction =
        || Expr::col("state").is_in(["idle in transaction", "idle in transaction (aborted)"]);
    let is_idle = Expr::col("state")
        .is_in([
            "idle",
            "idle in transaction",
            "idle in transaction (aborted)",
        ])
        .and(age("state_change").gte(at_least.as_secs_f64()));
    build(
        Query::select()
            .expr_as(count_where(is_idle), "idle")
            .expr_as(count_where(in_transaction()), "in_transaction")
            .expr_as(
                Func::max(age("state_change")).filter(in_transaction()),
                "longest_in_transaction_seconds",
            )
            .expr_as(count_where(Expr::col("state").eq(UNTRACKED)), "untracked")
            .from(("pg_catalog", "pg_stat_activity"))
            .and_where(Expr::col("backend_type").eq("client backend"))
            .and_where(Expr::col("pid").ne(Func::cust("pg_catalog.pg_backend_pid"))),
    )
}

/// The text of the question, for connections that have done nothing for at least as long, and for those that are not
/// tracked.
#[must_use]
pub fn statement(at_least: Duration) -> Statement {
    let mut query = Query::select();
    query.expr_as(Expr::col("pid"), "process_id");
    for (column, name) in [
        ("usename", "username"),
        ("datname", "database"),
        ("application_name", "application_name"),
    ] {
        query.expr_as(Expr::col(column).cast_as("text"), name);
    }
    build(
        query
            .expr_as(
                Func::cust("pg_catalog.host").arg(Expr::col("client_addr")),
                "client_address",
            )
            .columns(["state", "state_change"])
            .expr_as(age("state_change"), "idle_seconds")
            .expr_as(age("xact_start"), "transaction_seconds")
            .column("query")
            .from(("pg_catalog", "pg_stat_activity"))
            .and_where(Expr::col("backend_type").eq("client backend"))
            .and_where(
                Expr::col("state")
                    .is_in([
                        "idle",
                        "idle in transaction",
                        "idle in transaction (aborted)",
                    ])
                    .and(age("state_change").gte(at_least.as_secs_f64()))
                    .or(Expr::col("state").eq(UNTRACKED)),
            )
            .and_where(Expr::col("pid").ne(Func::cust("pg_catalog.pg_backend_pid")))
            .order_by("state_change", Order::Asc)
            .order_by("pid", Order::Asc)
            .limit(IDLE_MAX),
    )
}

impl HasStatement for IdleConnectionRow {
    fn statement_mut(&mut self) -> &mut Option<String> {
        &mut self.query
    }
}

impl Monitor {
    /// Connections of clients that have done nothing for at least as long, the longest first, and at the end those of which
    /// nobody knows, because `track_activities` is off for them. Not available to a
    /// role without the privileges of `pg_read_all_stats`, from which the server hides what others do.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn idle_connections(
        &self,
        at_least: Duration,
    ) -> Result<Section<Vec<IdleConnectionRow>>, OpsError> {
        let rows = self.session_details(statement(at_least)).await?;
        Ok(rows.map(|rows| self.shown(rows)))
    }

    /// How many connections do nothing, and the longest of those that do it in a transaction: of all of them, however many
    /// [`Monitor::idle_connections`] leaves out. Not available where that is not.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn idle_totals(
        &self,
        at_least: Duration,
    ) -> Result<Section<IdleTotalsRow>, OpsError> {
        let rows = self.session_details(totals_statement(at_least)).await?;
        Ok(rows.and_then(Section::of_first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_text_is_what_was_looked_at() {
        insta::assert_snapshot!(
            "idle_connections",
            readable(&statement(Duration::from_secs(300)))
        );
        insta::assert_snapshot!(
            "idle_totals",
            readable(&totals_statement(Duration::from_secs(300)))
        );
    }
}
