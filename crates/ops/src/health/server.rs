//! Facts about the server's connections.

use neobank_db::{FromRow, Statement};
use neobank_entity::pg_catalog::PgStatActivity;
use sea_query::{Expr, ExprTrait, Func, Query, SelectStatement};
use serde::Serialize;

use crate::checks::thresholds::Thresholds;
use crate::connections::{UNTRACKED, connection_limits, is_hidden_client, used_connections};
use crate::monitor::build;
use crate::server_version::ServerVersion;
use crate::sql::{own_process, seconds_ago};

/// Use of the server's connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
#[non_exhaustive]
pub struct ServerFacts {
    /// Connections for ordinary roles.
    pub usable_connections: i32,
    /// Connections of clients.
    pub used_connections: i64,
    /// The limit with the highest use: `server`, `database` or `role`.
    pub tightest_scope: String,
    /// The name of that database or role; none for the server.
    pub tightest_name: Option<String>,
    /// Connections that it allows.
    pub tightest_usable: i32,
    /// Connections that count toward it.
    pub tightest_used: i64,
    /// Clients' connections whose state the monitor's role may not see.
    pub hidden: i64,
    /// Clients' connections whose state is not tracked, because `track_activities` is off.
    pub untracked: i64,
    /// Transactions that were left open for at least the warning threshold.
    pub idle_in_transaction: i64,
    /// Transactions that were left open for at least the critical threshold.
    pub idle_in_transaction_critical: i64,
}

/// Returns the SQL for the limits of connections, and four counts of sessions.
#[must_use]
pub fn statement(version: ServerVersion, thresholds: &Thresholds) -> Statement {
    let seconds = |seconds: u64| u32::try_from(seconds).map_or(f64::MAX, f64::from).into();
    let mut query = connection_limits(version);
    let counts = session_counts(
        seconds(thresholds.transactions.idle_warning_seconds),
        seconds(thresholds.transactions.idle_critical_seconds),
    );
    for (name, count) in counts {
        query.expr_as(count, name);
    }
    build(&query)
}

/// Builds the counts alone, which the schema's `pooling.check_pool_health()` also contains.
pub(crate) fn counts(warning_seconds: Expr, critical_seconds: Expr) -> SelectStatement {
    let mut query = Query::select();
    query.expr_as(used_connections(), "used_connections");
    for (name, count) in session_counts(warning_seconds, critical_seconds) {
        query.expr_as(count, name);
    }
    query
}

/// Counts hidden and untracked sessions, and transactions that were left open.
fn session_counts(
    warning_seconds: Expr,
    critical_seconds: Expr,
) -> [(&'static str, SelectStatement); 4] {
    let untracked = Expr::col(PgStatActivity::State)
        .eq(UNTRACKED)
        .and(Expr::col(PgStatActivity::BackendType).eq("client backend"))
        .and(Expr::col(PgStatActivity::Pid).ne(own_process()));
    let left_open = |seconds: Expr| {
        Expr::col(PgStatActivity::State)
            .is_in(["idle in transaction", "idle in transaction (aborted)"])
            .and(Expr::col(PgStatActivity::StateChange).lte(seconds_ago(seconds)))
    };
    [
        ("hidden", is_hidden_client()),
        ("untracked", untracked),
        ("idle_in_transaction", left_open(warning_seconds)),
        ("idle_in_transaction_critical", left_open(critical_seconds)),
    ]
    .map(|(name, condition)| {
        let count = Query::select()
            .expr(Func::count(Expr::cust("*")))
            .from(PgStatActivity::TABLE)
            .and_where(condition)
            .take();
        (name, count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_is_as_reviewed() {
        let version = ServerVersion::from_number(180_000).unwrap();
        insta::assert_snapshot!(
            "server_facts",
            readable(&statement(version, &Thresholds::default()))
        );
    }
}
