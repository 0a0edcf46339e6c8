//! Connections by owner and state.

use neobank_db::{FromRow, Statement};
use neobank_entity::pg_catalog::PgStatActivity;
use sea_query::{Expr, ExprTrait, Func, Order, Query, SelectStatement};
use serde::Serialize;

use super::limits::is_client;
use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;
use crate::sql::{count_where, own_process, seconds_since};

/// The connections of one role, from one address, to one database, by one application.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct ConnectionRow {
    /// The role; none for one that was dropped in between.
    pub username: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// The `application_name`.
    pub application_name: Option<String>,
    /// The client's address; none for a Unix socket, and where the role may not see it.
    pub client_address: Option<String>,
    /// All connections of the group.
    pub total_connections: i64,
    /// Connections that run a statement.
    pub active: i64,
    /// Connections that are idle outside of a transaction.
    pub idle: i64,
    /// Connections that are idle in a transaction.
    pub idle_in_transaction: i64,
    /// Connections that are idle in a failed transaction.
    pub aborted: i64,
    /// Connections in another state, such as a function call of the old protocol.
    pub other: i64,
    /// Connections whose state the server does not track, because `track_activities` is off for
    /// them. They are in none of these counts, and their transactions in none of the ages.
    pub untracked: i64,
    /// Connections whose state the monitor's role may not see.
    pub hidden: i64,
    /// Connections that wait for a lock; those that the role may not see are not counted.
    pub waiting_for_lock: i64,
    /// The mean age of the connections, in seconds.
    pub average_connection_age_seconds: Option<f64>,
    /// The longest time that one of them has been in its state, in seconds.
    pub longest_in_state_seconds: Option<f64>,
    /// The age of the oldest of their transactions, in seconds.
    pub oldest_transaction_seconds: Option<f64>,
}

/// The state of a session whose activity the server does not track.
pub(crate) const UNTRACKED: &str = "disabled";

/// Returns the SQL for the connections of clients, without the monitor's own session.
#[must_use]
pub fn statement() -> Statement {
    build(&select())
}

/// Builds the query, which the schema's view `pooling.v_connection_analysis` also contains.
pub(crate) fn select() -> SelectStatement {
    let state = || Expr::col(PgStatActivity::State);
    let in_state = |name: &'static str| count_where(state().eq(name));
    let known = [
        "active",
        "idle",
        "idle in transaction",
        "idle in transaction (aborted)",
        UNTRACKED,
    ];
    let mut query = Query::select();
    owner(&mut query)
        .expr_as(Func::count(Expr::cust("*")), "total_connections")
        .expr_as(in_state("active"), "active")
        .expr_as(in_state("idle"), "idle")
        .expr_as(in_state("idle in transaction"), "idle_in_transaction")
        .expr_as(in_state("idle in transaction (aborted)"), "aborted")
        .expr_as(count_where(state().is_not_in(known)), "other")
        .expr_as(count_where(state().is_null()), "hidden")
        .expr_as(
            count_where(Expr::col(PgStatActivity::WaitEventType).eq("Lock")),
            "waiting_for_lock",
        )
        .expr_as(
            age(PgStatActivity::BackendStart).avg(),
            "average_connection_age_seconds",
        )
        .expr_as(
            age(PgStatActivity::StateChange).max(),
            "longest_in_state_seconds",
        )
        .expr_as(
            age(PgStatActivity::XactStart).max(),
            "oldest_transaction_seconds",
        )
        .expr_as(in_state(UNTRACKED), "untracked")
        .from(PgStatActivity::TABLE)
        .and_where(is_client())
        .and_where(Expr::col(PgStatActivity::Pid).ne(own_process()))
        .group_by_columns([
            PgStatActivity::Usename,
            PgStatActivity::Datname,
            PgStatActivity::ApplicationName,
            PgStatActivity::ClientAddr,
        ])
        .order_by("total_connections", Order::Desc)
        .order_by_columns([
            ("username", Order::Asc),
            ("database", Order::Asc),
            ("application_name", Order::Asc),
            ("client_address", Order::Asc),
        ])
        .take()
}

/// Selects the owner of a session: its role, its database, its application and its address.
pub(super) fn owner(query: &mut SelectStatement) -> &mut SelectStatement {
    let name = |column: PgStatActivity| Expr::col(column).cast_as("text");
    query
        .expr_as(name(PgStatActivity::Usename), "username")
        .expr_as(name(PgStatActivity::Datname), "database")
        .expr_as(name(PgStatActivity::ApplicationName), "application_name")
        .expr_as(
            Func::cust("pg_catalog.host").arg(Expr::col(PgStatActivity::ClientAddr)),
            "client_address",
        )
}

impl Monitor {
    /// Reads the connections of clients, by role, database, application and address; the largest
    /// groups first.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn connection_analysis(&self) -> Result<Section<Vec<ConnectionRow>>, OpsError> {
        self.section(statement()).await
    }
}

/// Returns the seconds since a moment of a session; not below zero, because the clock is read after
/// the session.
pub(crate) fn age(moment: PgStatActivity) -> Expr {
    seconds_since(Expr::col(moment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_is_as_reviewed() {
        insta::assert_snapshot!("connection_analysis", readable(&statement()));
    }
}
