//! Open transactions and their ages.

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

/// The greatest number of listed transactions; the oldest come first.
pub const TRANSACTIONS_MAX: u64 = 1_000;

/// An open transaction, whether it runs a statement, waits or is idle.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct TransactionRow {
    /// The process identifier of its session.
    pub process_id: i32,
    /// The session's role.
    pub username: Option<String>,
    /// The session's database.
    pub database: Option<String>,
    /// The session's `application_name`.
    pub application_name: Option<String>,
    /// The kind of process, such as `client backend` or `autovacuum worker`.
    pub backend_type: Option<String>,
    /// The session's state, such as `idle in transaction`; for a waiting `active` session see
    /// `wait_event_type`.
    pub state: Option<String>,
    /// The kind of event that it waits for, such as `Lock`.
    pub wait_event_type: Option<String>,
    /// The event that it waits for.
    pub wait_event: Option<String>,
    /// The start of the transaction; none where `track_activities` is off.
    pub started_at: Option<DateTime<Utc>>,
    /// The age of the transaction, in seconds, however short its statements are; none where it is
    /// not tracked.
    pub transaction_seconds: Option<f64>,
    /// Seconds since its last statement began.
    pub statement_seconds: Option<f64>,
    /// Seconds since its state changed; for an idle session, the idle time.
    pub state_seconds: Option<f64>,
    /// The number of transactions since the oldest one that it can still see; vacuum cannot remove
    /// their dead rows.
    pub held_back_transactions: Option<i32>,
    /// The current or last statement.
    pub query: Option<String>,
}

/// Returns the SQL for transactions that are at least this old, and for those whose age is not
/// tracked.
#[must_use]
pub fn statement(at_least: Duration) -> Statement {
    let activity = |column: PgStatActivity| column.of("activity");
    // Every transaction holds a lock on its own virtual transaction id, also where the session's
    // activities are not tracked.
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

/// Selects sessions with a transaction of their own; a parallel worker shares its leader's
/// transaction.
fn is_a_transaction() -> Expr {
    is_distinct(
        Expr::col(PgStatActivity::BackendType),
        text("parallel worker"),
    )
}

/// Figures of all open transactions, however young they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct TransactionTotalsRow {
    /// The number of transactions that are at least this old, without autovacuum's.
    pub long: i64,
    /// The age of the oldest transaction, in seconds, without autovacuum's; none when there is no
    /// transaction.
    pub longest_seconds: Option<f64>,
    /// The age of autovacuum's oldest transaction, in seconds. Autovacuum cancels itself when
    /// another session wants a lock that it holds.
    pub longest_autovacuum_seconds: Option<f64>,
}

/// Returns the SQL for the totals: one row.
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
    /// Returns `true` for a transaction of autovacuum, whose length follows from the size of its
    /// table.
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
    /// Reads the transactions that are at least this old, whether they are active or idle, the
    /// oldest first. At the end come those of unknown age, because `track_activities` is off for
    /// their sessions. Not available to a role without the privileges of `pg_read_all_stats`, from
    /// which the server hides other roles' sessions.
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

    /// Reads the figures of all open transactions, however young they are. Not available where
    /// [`Monitor::long_transactions`] is not.
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
