//! What is known of the server's places for connections.

use neobank_db::{FromQueryResult, Statement};
use sea_query::{Expr, ExprTrait, Func, Query};
use serde::Serialize;

use crate::checks::thresholds::Thresholds;
use crate::connections::{UNTRACKED, connection_limits, is_hidden_client};
use crate::monitor::build;
use crate::server_version::ServerVersion;

/// How full the server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromQueryResult)]
pub struct ServerFacts {
    /// Connections that ordinary roles can have.
    pub usable_connections: i32,
    /// Connections of clients.
    pub used_connections: i64,
    /// The limit that is nearest to being reached: `server`, `database` or `role`.
    pub tightest_scope: String,
    /// The name of that database or role; none for the server.
    pub tightest_name: Option<String>,
    /// Connections that it allows.
    pub tightest_usable: i32,
    /// Connections that count against it.
    pub tightest_used: i64,
    /// Those of them whose state the monitor's role may not see.
    pub hidden: i64,
    /// Those of them whose state nobody knows, because `track_activities` is off.
    pub untracked: i64,
    /// Transactions that were left open for as long as a warning takes.
    pub idle_in_transaction: i64,
    /// Transactions that were left open for as long as is critical.
    pub idle_in_transaction_critical: i64,
}

/// The text of the question: the limits of connections with four counts more.
#[must_use]
pub fn statement(version: ServerVersion, thresholds: &Thresholds) -> Statement {
    let left_open = |seconds: u64| {
        Query::select()
            .expr(Func::count(Expr::cust("*")))
            .from(("pg_catalog", "pg_stat_activity"))
            .and_where(
                Expr::col("state").is_in(["idle in transaction", "idle in transaction (aborted)"]),
            )
            .and_where(Expr::col("state_change").lte(Expr::cust_with_values(
                "pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1)",
                [u32::try_from(seconds).map_or(f64::MAX, f64::from)],
            )))
            .take()
    };
    let hidden = Query::select()
        .expr(Func::count(Expr::cust("*")))
        .from(("pg_catalog", "pg_stat_activity"))
        .and_where(is_hidden_client())
        .take();
    let untracked = Query::select()
        .expr(Func::count(Expr::cust("*")))
        .from(("pg_catalog", "pg_stat_activity"))
        .and_where(Expr::col("state").eq(UNTRACKED))
        .and_where(Expr::col("backend_type").eq("client backend"))
        .and_where(Expr::col("pid").ne(Func::cust("pg_catalog.pg_backend_pid")))
        .take();
    build(
        connection_limits(version)
            .expr_as(hidden, "hidden")
            .expr_as(untracked, "untracked")
            .expr_as(
                left_open(thresholds.transactions.idle_warning_seconds),
                "idle_in_transaction",
            )
            .expr_as(
                left_open(thresholds.transactions.idle_critical_seconds),
                "idle_in_transaction_critical",
            ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_text_is_what_was_looked_at() {
        let version = ServerVersion::from_number(180_000).unwrap();
        insta::assert_snapshot!(
            "server_facts",
            readable(&statement(version, &Thresholds::default()))
        );
    }
}
