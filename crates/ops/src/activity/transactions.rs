//! Transactions that stay open.

use std::time::Duration;

use chrono::{DateTime, Utc};
use neobank_db::{FromQueryResult, Statement};
use sea_query::{Expr, ExprTrait, Func, Order, Query};
use serde::Serialize;

use crate::connections::{UNTRACKED, age, count_where};
use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;
use crate::statement_text::HasStatement;

/// Transactions that are shown at most, the oldest first.
pub const TRANSACTIONS_MAX: u64 = 1_000;

/// A transaction that stays open, whether it works, waits or does nothing.
#[derive(Clone, Debug, PartialEq, Serialize, FromQueryResult)]
#[non_exhaustive]
pub struct TransactionRow {
    /// Its server process.
    pub process_id: i32,
    /// Its role.
    pub username: Option<String>,
    /// Its database.
    pub database: Option<String>,
    /// What the program calls itself.
    pub application_name: Option<String>,
    /// Such as `client backend` or `autovacuum worker`.
    pub backend_type: Option<String>,
    /// Such as `idle in transaction`; of a client's `active` one, see `wait_event_type`.
    pub state: Option<String>,
    /// What it waits for, such as `Lock`.
    pub wait_event_type: Option<String>,
    /// What it waits for.
    pub wait_event: Option<String>,
    /// When it began; none where `track_activities` is off, so that nobody knows.
    pub started_at: Option<DateTime<Utc>>,
    /// Its age: since the transaction began, however short its statements are; none where it is not tracked.
    pub transaction_seconds: Option<f64>,
    /// Since its last statement began.
    pub statement_seconds: Option<f64>,
    /// Since its state changed: of one that does nothing, for how long.
    pub state_seconds: Option<f64>,
    /// How many transactions have begun since the oldest whose rows it can still see: they are not cleaned up.
    pub held_back_transactions: Option<i32>,
    /// The statement that it runs, or ran last.
    pub query: Option<String>,
}

/// The text of the question, for transactions that are at least as old, and for those whose age nobody knows.
#[must_use]
pub fn statement(at_least: Duration) -> Statement {
    // Whose activities are not tracked still has the lock that every transaction has on itself.
    let own_lock = Query::select()
        .expr(Expr::cust("1"))
        .from(("pg_catalog", "pg_locks"))
        .and_where(Expr::col(("pg_locks", "locktype")).eq("virtualxid"))
        .and_where(Expr::col(("pg_locks", "granted")))
        .and_where(Expr::col(("pg_locks", "pid")).equals(("pg_stat_activity", "pid")))
        .take();
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
            .columns(["backend_type", "state", "wait_event_type", "wait_event"])
            .expr_as(Expr::col("xact_start"), "started_at")
            .expr_as(age("xact_start"), "transaction_seconds")
            .expr_as(age("query_start"), "statement_seconds")
            .expr_as(age("state_change"), "state_seconds")
            .expr_as(
                Func::cust("pg_catalog.age").arg(Expr::col("backend_xmin")),
                "held_back_transactions",
            )
            .column("query")
            .from(("pg_catalog", "pg_stat_activity"))
            .and_where(
                age("xact_start")
                    .gte(at_least.as_secs_f64())
                    .or(Expr::col("state").eq(UNTRACKED).and(Expr::exists(own_lock))),
            )
            .and_where(Expr::col("pid").ne(Func::cust("pg_catalog.pg_backend_pid")))
            .and_where(is_a_transaction())
            .order_by("xact_start", Order::Asc)
            .order_by("pid", Order::Asc)
            .limit(TRANSACTIONS_MAX),
    )
}

/// A parallel query's workers are in their leader's transaction.
fn is_a_transaction() -> Expr {
    Expr::cust("backend_type IS DISTINCT FROM 'parallel worker'")
}

/// What all open transactions have in common, however young they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromQueryResult)]
#[non_exhaustive]
pub struct TransactionTotalsRow {
    /// Those that are at least as old, without autovacuum's.
    pub long: i64,
    /// The age of the oldest, without autovacuum's; none when there is none.
    pub longest_seconds: Option<f64>,
    /// The age of autovacuum's oldest. It works on its own, and gives way to whoever wants a lock that it has.
    pub longest_autovacuum_seconds: Option<f64>,
}

/// The text of the question for the totals: one row.
#[must_use]
pub fn totals_statement(at_least: Duration) -> Statement {
    let is_autovacuum = || Expr::col("backend_type").eq("autovacuum worker");
    let is_other = || Expr::cust("backend_type IS DISTINCT FROM 'autovacuum worker'");
    build(
        Query::select()
            .expr_as(
                count_where(is_other().and(age("xact_start").gte(at_least.as_secs_f64()))),
                "long",
            )
            .expr_as(
                Func::max(age("xact_start")).filter(is_other()),
                "longest_seconds",
            )
            .expr_as(
                Func::max(age("xact_start")).filter(is_autovacuum()),
                "longest_autovacuum_seconds",
            )
            .from(("pg_catalog", "pg_stat_activity"))
            .and_where(is_a_transaction())
            .and_where(Expr::col("pid").ne(Func::cust("pg_catalog.pg_backend_pid"))),
    )
}

impl TransactionRow {
    /// Whether it is autovacuum's: as long as its table is large, and no transaction that a client left open.
    #[must_use]
    pub fn is_autovacuum(&self) -> bool {
        self.backend_type.as_deref() == Some("autovacuum worker")
    }
}

impl HasStatement for TransactionRow {
    fn statement_mut(&mut self) -> &mut Option<String> {
        &mut self.query
    }
}

impl Monitor {
    /// Transactions that are at least as old, the oldest first: those that work and those that were left open. At the end,
    /// those whose age nobody knows, because `track_activities` is off for their sessions.
    /// Not available to a role without the privileges of `pg_read_all_stats`, from which the server hides what others do.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn long_transactions(
        &self,
        at_least: Duration,
    ) -> Result<Section<Vec<TransactionRow>>, OpsError> {
        let rows = self.session_details(statement(at_least)).await?;
        Ok(rows.map(|rows| self.shown(rows)))
    }

    /// The oldest of all open transactions, however young it is. Not available where [`Monitor::long_transactions`] is not.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn transaction_totals(
        &self,
        at_least: Duration,
    ) -> Result<Section<TransactionTotalsRow>, OpsError> {
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
            "long_transactions",
            readable(&statement(Duration::from_secs(60)))
        );
        insta::assert_snapshot!(
            "transaction_totals",
            readable(&totals_statement(Duration::from_secs(60)))
        );
    }
}
