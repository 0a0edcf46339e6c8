//! Connections that do nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use neobank_db::{FromQueryResult, Statement};
use sea_query::{Expr, ExprTrait, Func, Order, Query};
use serde::Serialize;

use super::analysis::{UNTRACKED, age};
use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;

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
        self.session_details(statement(at_least)).await
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
    }
}
