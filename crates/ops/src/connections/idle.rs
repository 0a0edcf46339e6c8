//! Idle connections.

use std::time::Duration;

use chrono::{DateTime, Utc};
use neobank_db::{FromRow, Statement};
use neobank_entity::pg_catalog::PgStatActivity;
use sea_query::{Expr, ExprTrait, Func, Order, Query, SelectStatement};
use serde::Serialize;

use super::analysis::{UNTRACKED, age, owner};
use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;
use crate::sql::{count_where, own_process};
use crate::statement_text::HasStatement;

/// The greatest number of listed connections; the longest idle come first.
pub const IDLE_MAX: u64 = 1_000;

/// An idle connection, or one whose state is not tracked.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct IdleConnectionRow {
    /// The process identifier of its session.
    pub process_id: i32,
    /// The session's role.
    pub username: Option<String>,
    /// The session's database.
    pub database: Option<String>,
    /// The session's `application_name`.
    pub application_name: Option<String>,
    /// The client's address; none for a Unix socket.
    pub client_address: Option<String>,
    /// `idle`, `idle in transaction` or `idle in transaction (aborted)`; `disabled` where
    /// `track_activities` is off and the state is unknown.
    pub state: String,
    /// The time of the last change of its state; none where it is not tracked.
    pub state_change: Option<DateTime<Utc>>,
    /// The idle time, in seconds; none where it is not tracked.
    pub idle_seconds: Option<f64>,
    /// The age of its transaction, in seconds, which may have begun long before; none outside of
    /// one, and where it is not tracked.
    pub transaction_seconds: Option<f64>,
    /// The last statement.
    pub query: Option<String>,
}

impl IdleConnectionRow {
    /// Returns `true` if the server tracks the session's activity.
    #[must_use]
    pub fn is_tracked(&self) -> bool {
        self.state != UNTRACKED
    }
}

/// Figures of all idle connections of clients, however short they have been idle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct IdleTotalsRow {
    /// The number of connections that have been idle for at least this long, in a transaction or
    /// not.
    pub idle: i64,
    /// The number of connections that are idle in a transaction, for any time.
    pub in_transaction: i64,
    /// The longest time that one has been idle in its transaction, in seconds; none without any.
    pub longest_in_transaction_seconds: Option<f64>,
    /// The number of connections whose state the server does not track.
    pub untracked: i64,
}

/// Returns the SQL for the totals: one row.
#[must_use]
pub fn totals_statement(at_least: Duration) -> Statement {
    let in_transaction = || {
        Expr::col(PgStatActivity::State)
            .is_in(["idle in transaction", "idle in transaction (aborted)"])
    };
    build(
        Query::select()
            .expr_as(count_where(is_idle(at_least.as_secs_f64().into())), "idle")
            .expr_as(count_where(in_transaction()), "in_transaction")
            .expr_as(
                Func::max(age(PgStatActivity::StateChange)).filter(in_transaction()),
                "longest_in_transaction_seconds",
            )
            .expr_as(count_where(is_untracked()), "untracked")
            .from(PgStatActivity::TABLE)
            .and_where(Expr::col(PgStatActivity::BackendType).eq("client backend"))
            .and_where(Expr::col(PgStatActivity::Pid).ne(own_process())),
    )
}

/// Returns the SQL for connections that have been idle for at least this long, and for those that
/// are not tracked; [`IDLE_MAX`] at most.
#[must_use]
pub fn statement(at_least: Duration) -> Statement {
    build(select(at_least.as_secs_f64().into()).limit(IDLE_MAX))
}

/// Builds the query, which the schema's view `pooling.v_idle_connections` also contains.
pub(crate) fn select(at_least_seconds: Expr) -> SelectStatement {
    let mut query = Query::select();
    query.expr_as(Expr::col(PgStatActivity::Pid), "process_id");
    owner(&mut query)
        .columns([PgStatActivity::State, PgStatActivity::StateChange])
        .expr_as(age(PgStatActivity::StateChange), "idle_seconds")
        .expr_as(age(PgStatActivity::XactStart), "transaction_seconds")
        .column(PgStatActivity::Query)
        .from(PgStatActivity::TABLE)
        .and_where(Expr::col(PgStatActivity::BackendType).eq("client backend"))
        .and_where(is_idle(at_least_seconds).or(is_untracked()))
        .and_where(Expr::col(PgStatActivity::Pid).ne(own_process()))
        .order_by(PgStatActivity::StateChange, Order::Asc)
        .order_by(PgStatActivity::Pid, Order::Asc)
        .take()
}

/// Selects sessions that have been idle for at least this long, in a transaction or not.
fn is_idle(at_least_seconds: Expr) -> Expr {
    Expr::col(PgStatActivity::State)
        .is_in([
            "idle",
            "idle in transaction",
            "idle in transaction (aborted)",
        ])
        .and(age(PgStatActivity::StateChange).gte(at_least_seconds))
}

/// Selects sessions whose activity the server does not track.
fn is_untracked() -> Expr {
    Expr::col(PgStatActivity::State).eq(UNTRACKED)
}

impl HasStatement for IdleConnectionRow {
    fn statement_mut(&mut self) -> &mut Option<String> {
        &mut self.query
    }
}

impl Monitor {
    /// Reads clients' connections that have been idle for at least this long, the longest first. At
    /// the end come those of unknown state, because `track_activities` is off for them. Not
    /// available to a role without the privileges of `pg_read_all_stats`, from which the server
    /// hides other roles' sessions.
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

    /// Reads the number of idle connections, and the longest idle time in a transaction, of all
    /// connections, also those beyond the list of [`Monitor::idle_connections`]. The section is not
    /// available whenever that list is not.
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
    fn the_sql_is_as_reviewed() {
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
