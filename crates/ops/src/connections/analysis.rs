//! Connections by who has them, and what they do.

use neobank_db::{FromQueryResult, Statement};
use sea_query::{Alias, Expr, ExprTrait, Func, Order, Query, SimpleExpr};
use serde::Serialize;

use super::limits::is_client;
use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;

/// The connections of one role, from one place, to one database, by one program.
#[derive(Clone, Debug, PartialEq, Serialize, FromQueryResult)]
#[non_exhaustive]
pub struct ConnectionRow {
    /// The role; none for one that was dropped meanwhile.
    pub username: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// What the program calls itself.
    pub application_name: Option<String>,
    /// From where; none for a Unix socket, and where the role may not see it.
    pub client_address: Option<String>,
    /// All of them.
    pub total_connections: i64,
    /// That run a statement.
    pub active: i64,
    /// That wait for a statement, outside of a transaction.
    pub idle: i64,
    /// That wait for a statement inside of a transaction.
    pub idle_in_transaction: i64,
    /// The same, after an error.
    pub aborted: i64,
    /// In a state that is none of these, such as a function call of the old protocol.
    pub other: i64,
    /// Whose state the server does not track, because `track_activities` is off for them: they are in none of these counts,
    /// and their transactions in none of the ages.
    pub untracked: i64,
    /// Whose state the monitor's role may not see.
    pub hidden: i64,
    /// That wait for a lock; those that the role may not see are not counted.
    pub waiting_for_lock: i64,
    /// Their mean age.
    pub average_connection_age_seconds: Option<f64>,
    /// How long the longest of them has been in its state.
    pub longest_in_state_seconds: Option<f64>,
    /// The age of the oldest of their transactions.
    pub oldest_transaction_seconds: Option<f64>,
}

/// The state of a session whose activities the server does not track.
pub(crate) const UNTRACKED: &str = "disabled";

/// The text of the question; without the monitor's own session.
#[must_use]
pub fn statement() -> Statement {
    let state = |name: &'static str| count_where(Expr::col("state").eq(name));
    let known = [
        "active",
        "idle",
        "idle in transaction",
        "idle in transaction (aborted)",
        UNTRACKED,
    ];
    let mut query = Query::select();
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
            .expr_as(Func::count(Expr::cust("*")), "total_connections")
            .expr_as(state("active"), "active")
            .expr_as(state("idle"), "idle")
            .expr_as(state("idle in transaction"), "idle_in_transaction")
            .expr_as(state("idle in transaction (aborted)"), "aborted")
            .expr_as(count_where(Expr::col("state").is_not_in(known)), "other")
            .expr_as(state(UNTRACKED), "untracked")
            .expr_as(count_where(Expr::col("state").is_null()), "hidden")
            .expr_as(
                count_where(Expr::col("wait_event_type").eq("Lock")),
                "waiting_for_lock",
            )
            .expr_as(
                Func::avg(age("backend_start")),
                "average_connection_age_seconds",
            )
            .expr_as(Func::max(age("state_change")), "longest_in_state_seconds")
            .expr_as(Func::max(age("xact_start")), "oldest_transaction_seconds")
            .from(("pg_catalog", "pg_stat_activity"))
            .and_where(is_client())
            .and_where(Expr::col("pid").ne(Func::cust("pg_catalog.pg_backend_pid")))
            .group_by_columns(["usename", "datname", "application_name", "client_addr"])
            .order_by(Alias::new("total_connections"), Order::Desc)
            .order_by_columns([
                ("username", Order::Asc),
                ("database", Order::Asc),
                ("application_name", Order::Asc),
                ("client_address", Order::Asc),
            ]),
    )
}

impl Monitor {
    /// Connections of clients, by role, database, program and address; the largest groups first.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn connection_analysis(&self) -> Result<Section<Vec<ConnectionRow>>, OpsError> {
        self.section(statement()).await
    }
}

pub(crate) fn count_where(condition: SimpleExpr) -> SimpleExpr {
    Func::count(Expr::cust("*")).filter(condition).into()
}

/// Seconds since a moment, never below zero: a session can change between the look at it and the look at the clock.
pub(crate) fn age(moment: &'static str) -> SimpleExpr {
    Func::cust("pg_catalog.date_part")
        .arg("epoch")
        .arg(Expr::cust("pg_catalog.clock_timestamp()").sub(Expr::col(moment)))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_text_is_what_was_looked_at() {
        insta::assert_snapshot!("connection_analysis", readable(&statement()));
    }
}
