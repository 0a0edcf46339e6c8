//! Facts about each pool.

use neobank_db::{FromRow, Statement};
use neobank_entity::pg_catalog::PgStatActivity;
use neobank_entity::pooling::pool_stats::{Column, Entity};
use sea_query::{
    BinOper, Expr, ExprTrait, Func, JoinType, Order, Query, SelectStatement, UnionType,
};
use serde::Serialize;

use crate::checks::thresholds::PoolHealthThresholds;
use crate::connections::UNTRACKED;
use crate::monitor::build;
use crate::sql::{
    always, coalesce, concatenated, count_where, current_database, number, own_process,
    seconds_ago, text,
};

/// A pool's samples and sessions in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromRow)]
#[non_exhaustive]
pub struct PoolFacts {
    /// The pool's name: its connections' `application_name`, or `pgbouncer:database/user` for a
    /// pool of PgBouncer.
    pub pool_name: String,
    /// Samples in the window.
    pub samples: i64,
    /// Samples in which a caller waited for at least the threshold.
    pub waiting_samples: i64,
    /// The longest wait for a connection, in milliseconds.
    pub longest_wait_ms: i64,
    /// The highest number of connections in use.
    pub peak_active: i32,
    /// The highest number of open connections.
    pub peak_connections: i32,
    /// The pool's current sessions that run a statement or have an open transaction, without the
    /// monitor's own.
    pub busy: i64,
    /// The pool's current sessions that wait for a lock.
    pub lock_waiting: i64,
    /// The pool's current sessions that have been idle in a transaction for at least the threshold.
    pub held: i64,
    /// The pool's sessions whose state is hidden from the monitor's role, or not tracked because
    /// `track_activities` is off.
    pub hidden: i64,
}

/// The thresholds that count samples and sessions: parameters of the monitor's statement, and of
/// the schema's `pooling.check_pool_health()`.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    /// The greatest age of a sample, in seconds.
    pub(crate) window_seconds: Expr,
    /// The least wait that counts, in milliseconds.
    pub(crate) wait_milliseconds: Expr,
    /// The least time idle in a transaction that counts, in seconds.
    pub(crate) held_seconds: Expr,
}

/// Returns the SQL for the facts: a row for each pool that wrote a sample within the window.
#[must_use]
pub fn statement(thresholds: &PoolHealthThresholds) -> Statement {
    let seconds = |number: u64| u32::try_from(number).map_or(f64::MAX, f64::from).into();
    build(&select(Counted {
        window_seconds: seconds(thresholds.window_seconds),
        wait_milliseconds: i64::try_from(thresholds.wait_milliseconds)
            .unwrap_or(i64::MAX)
            .into(),
        held_seconds: seconds(thresholds.held_seconds),
    }))
}

/// Builds the query, which the schema's `pooling.check_pool_health()` also contains.
pub(crate) fn select(counted: Counted) -> SelectStatement {
    let mut query = Query::select();
    for name in [
        "pool_name",
        "samples",
        "waiting_samples",
        "longest_wait_ms",
        "peak_active",
        "peak_connections",
    ] {
        query.column(("pool", name));
    }
    for name in ["busy", "lock_waiting", "held", "hidden"] {
        query.expr_as(coalesce(Expr::col(("live", name)), number(0)), name);
    }
    let samples = samples(counted.window_seconds, counted.wait_milliseconds);
    query
        .from_subquery(samples, "pool")
        .join_subquery(
            JoinType::LeftJoin,
            sessions(counted.held_seconds),
            "live",
            Expr::col(("live", "pool_name")).eq(by_bytes(Expr::col(("pool", "pool_name")))),
        )
        .order_by(("pool", "pool_name"), Order::Asc)
        .take()
}

/// Selects the figures of each pool's samples in the window.
fn samples(window_seconds: Expr, wait_milliseconds: Expr) -> SelectStatement {
    let sample = |column: Column| Expr::col(("sample", column));
    Query::select()
        .expr(sample(Column::PoolName))
        .expr_as(Func::count(Expr::cust("*")), "samples")
        .expr_as(
            count_where(sample(Column::MaxWaitMs).gte(wait_milliseconds)),
            "waiting_samples",
        )
        .expr_as(sample(Column::MaxWaitMs).max(), "longest_wait_ms")
        .expr_as(sample(Column::ServerActive).max(), "peak_active")
        .expr_as(sample(Column::ServerConnections).max(), "peak_connections")
        .from_as(Entity.table_ref(), "sample")
        .and_where(sample(Column::CollectedAt).gte(seconds_ago(window_seconds)))
        .group_by_col(("sample", Column::PoolName))
        .take()
}

/// Selects the figures of each pool's current sessions, without the monitor's own.
fn sessions(held_seconds: Expr) -> SelectStatement {
    let activity = |column: PgStatActivity| column.of("activity");
    let state = || activity(PgStatActivity::State);
    let kind = || activity(PgStatActivity::BackendType);
    let held = state()
        .is_in([
            text("idle in transaction"),
            text("idle in transaction (aborted)"),
        ])
        .and(activity(PgStatActivity::StateChange).lte(seconds_ago(held_seconds)));
    // The server hides the kind of other roles' sessions from a role, but not their owner.
    let is_hidden_client = kind()
        .is_null()
        .and(activity(PgStatActivity::Usesysid).is_not_null())
        .and(activity(PgStatActivity::Datid).is_not_null());
    Query::select()
        .column(("named", "pool_name"))
        .expr_as(
            count_where(state().is_not_in([text("idle"), text(UNTRACKED)])),
            "busy",
        )
        .expr_as(
            count_where(activity(PgStatActivity::WaitEventType).eq(text("Lock"))),
            "lock_waiting",
        )
        .expr_as(count_where(held), "held")
        .expr_as(
            count_where(kind().is_null().or(state().eq(text(UNTRACKED)))),
            "hidden",
        )
        .from_as(PgStatActivity::TABLE, "activity")
        .join_lateral(JoinType::InnerJoin, names(), "named", always())
        .and_where(kind().eq(text("client backend")).or(is_hidden_client))
        .and_where(activity(PgStatActivity::Pid).ne(own_process()))
        .and_where(Expr::col(("named", "pool_name")).is_not_null())
        .group_by_col(("named", "pool_name"))
        .take()
}

/// Selects the names of the pools that a session may belong to. A pool of PgBouncer is identified
/// by database and user, because its sessions have the names of its clients.
fn names() -> SelectStatement {
    let activity = |column: PgStatActivity| column.of("activity");
    let is_own = activity(PgStatActivity::Datname)
        .eq(current_database())
        .and(
            activity(PgStatActivity::ApplicationName).binary(BinOper::NotLike, text("pgbouncer:%")),
        );
    let own = Expr::case(is_own, by_bytes(activity(PgStatActivity::ApplicationName)));
    let database = concatenated(text("pgbouncer:"), activity(PgStatActivity::Datname));
    let pgbouncer = concatenated(
        concatenated(database, text("/")),
        activity(PgStatActivity::Usename),
    );
    Query::select()
        .expr_as(own, "pool_name")
        .union(
            UnionType::All,
            Query::select().expr(by_bytes(pgbouncer)).take(),
        )
        .take()
}

/// Compares a text byte for byte.
fn by_bytes(text: Expr) -> Expr {
    Expr::cust_with_expr("($1) COLLATE pg_catalog.\"C\"", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_is_as_reviewed() {
        let thresholds = PoolHealthThresholds::default();
        insta::assert_snapshot!("pool_facts", readable(&statement(&thresholds)));
    }
}
