//! Transactions that stay open.

use std::time::Duration;

use chrono::{DateTime, Utc};
use neobank_db::{FromRow, Statement};
use neobank_entity::pg_catalog::{PgLocks, PgStatActivity};
use sea_query::{Expr, ExprTrait, Func, Order, Query};
use serde::Serialize;

use crate::connections::{UNTRACKED, age};
use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;
use crate::sql::{any_row, count_where, is_distinct, own_process, text};
use crate::statement_text::HasStatement;

/// Transactions that are shown at most, the oldest first.
pub const TRANSACTIONS_MAX: u64 = 1_000;

/// A transaction that stays open, whether it works, waits or does nothing.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
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
    /// When it began; none where `track_activities` is off.
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

/// The SQL for the transactions that are at least as old, and for those whose age is not tracked.
#[must_use]
pub fn statement(at_least: Duration) -> Statement {
    let activity = |column: PgStatActivity| column.of("activity");
    // Every transaction holds a lock on itself, also where the session's activities are not tracked.
    let own_lock = Query::select()
        .expr(any_row())
        .from_as(PgLocks::TABLE, "own_lock")
        .and_where(PgLocks::Locktype.of("own_lock").eq("virtualxid"))
        .and_where(PgLocks::Granted.of("own_lock"))
        .and_where(
            PgLocks::Pid
                .of("own_lock")
                .eq(activity(PgStatActivity::Pid)),
        )
        .take();
    let is_untracked = activity(PgStatActivity::State).eq(UNTRACKED);
    let name = |column: PgStatActivity| activity(column).cast_as("text");
    build(
        Query::select()
            .expr_as(activity(PgStatActivity::Pid), "process_id")
            .expr_as(name(PgStatActivity::Usename), "username")
            .expr_as(name(PgStatActivity::Datname), "database")
            .expr_as(name(PgStatActivity::ApplicationName), "application_name")
            .columns([
                PgStatActivity::BackendType,
                PgStatActivity::State,
                PgStatActivity::WaitEventType,
                PgStatActivity::WaitEvent,
            ])
            .expr_as(activity(PgStatActivity::XactStart), "started_at")
            .expr_as(age(PgStatActivity::XactStart), "transaction_seconds")
            .expr_as(age(PgStatActivity::QueryStart), "statement_seconds")
            .expr_as(age(PgStatActivity::StateChange), "state_seconds")
            .expr_as(
                Func::cust("pg_catalog.age").arg(activity(PgStatActivity::BackendXmin)),
                "held_back_transactions",
            )
            .column(PgStatActivity::Query)
            .from_as(PgStatActivity::TABLE, "activity")
            .and_where(
                age(PgStatActivity::XactStart)
                    .gte(at_least.as_secs_f64())
                    .or(is_untracked.and(Expr::exists(own_lock))),
            )
            .and_where(activity(PgStatActivity::Pid).ne(own_process()))
            .and_where(is_a_transaction())
            .order_by(PgStatActivity::XactStart, Order::Asc)
            .order_by(PgStatActivity::Pid, Order::Asc)
            .limit(TRANSACTIONS_MAX),
    )
}

/// Whether a session has a transaction of its own: a parallel query's workers are in their leader's.
fn is_a_transaction() -> Expr {
    is_distinct(
        Expr::col(PgStatActivity::BackendType),
        text("parallel worker"),
    )
}

/// What all open transactions have in common, however young they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct TransactionTotalsRow {
    /// Those that are at least as old, without autovacuum's.
    pub long: i64,
    /// The age of the oldest, without autovacuum's; none when there is none.
    pub longest_seconds: Option<f64>,
    /// The age of autovacuum's oldest. It works on its own, and gives way to a session that wants a lock that it holds.
    pub longest_autovacuum_seconds: Option<f64>,
}

/// The SQL for the totals: one row.
#[must_use]
pub fn totals_statement(at_least: Duration) -> Statement {
    let kind = || Expr::col(PgStatActivity::BackendType);
    let is_autovacuum = kind().eq("autovacuum worker");
    let is_other = || is_distinct(kind(), text("autovacuum worker"));
    let transaction_age = || age(PgStatActivity::XactStart);
    build(
        Query::select()
            .expr_as(
                count_where(is_other().and(transaction_age().gte(at_least.as_secs_f64()))),
                "long",
            )
            .expr_as(
                Func::max(transaction_age()).filter(is_other()),
                "longest_seconds",
            )
            .expr_as(
                Func::max(transaction_age()).filter(is_autovacuum),
                "longest_autovacuum_seconds",
            )
            .from(PgStatActivity::TABLE)
            .and_where(is_a_transaction())
            .and_where(Expr::col(PgStatActivity::Pid).ne(own_process())),
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
    /// those whose age is not known, because `track_activities` is off for their sessions.
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
    fn the_sql_is_as_reviewed() {
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
