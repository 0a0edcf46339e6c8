//! Every session that works in a database, as it is now.

use chrono::{DateTime, Utc};
use neobank_db::{FromRow, Statement};
use neobank_entity::pg_catalog::PgStatActivity;
use sea_query::{BinOper, Expr, ExprTrait, Func, NullOrdering, Order, Query};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;
use crate::sql::{own_process, text};
use crate::statement_text::HasStatement;

/// How many sessions one answer has at most; those with the oldest transactions come first. No screen is longer.
pub const SESSIONS_MAX: u64 = 2_000;

/// How many bytes of a statement one answer has; a longer one is cut there, with `\\ooo` for bytes outside of ASCII.
pub const STATEMENT_LENGTH_MAX: i32 = 8_000;

/// A session. What the role may not see of it is none, and its statement is `<insufficient privilege>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromRow)]
pub struct SessionRow {
    /// Its server process.
    pub process_id: i32,
    /// True for the monitor's own.
    pub is_own: bool,
    /// When it connected; with the process it names the session, since the server uses numbers again.
    pub backend_start: Option<DateTime<Utc>>,
    /// Its role.
    pub username: Option<String>,
    /// Its database.
    pub database: Option<String>,
    /// What it calls itself; it can say anything.
    pub application_name: Option<String>,
    /// From where it is connected; none for a Unix socket.
    pub client_address: Option<String>,
    /// Such as `client backend`.
    pub backend_type: Option<String>,
    /// Such as `idle in transaction`.
    pub state: Option<String>,
    /// The kind of its wait, such as `Lock`.
    pub wait_event_type: Option<String>,
    /// Its wait, such as `transactionid`.
    pub wait_event: Option<String>,
    /// The age of its transaction.
    pub transaction_age_milliseconds: Option<i64>,
    /// The age of its statement; none when it runs none.
    pub statement_age_milliseconds: Option<i64>,
    /// For how long it is in its state.
    pub state_age_milliseconds: Option<i64>,
    /// When its statement, or its last one, began.
    pub statement_started_at: Option<DateTime<Utc>>,
    /// The statement that it runs, or ran last, without secrets; cut after [`STATEMENT_LENGTH_MAX`].
    pub statement: Option<String>,
}

/// The SQL for the sessions: at most [`SESSIONS_MAX`] rows.
#[must_use]
pub fn statement() -> Statement {
    build(
        Query::select()
            .expr_as(Expr::col(PgStatActivity::Pid), "process_id")
            .expr_as(Expr::col(PgStatActivity::Pid).eq(own_process()), "is_own")
            .column(PgStatActivity::BackendStart)
            .expr_as(Expr::col(PgStatActivity::Usename).cast_as("text"), "username")
            .expr_as(Expr::col(PgStatActivity::Datname).cast_as("text"), "database")
            .column(PgStatActivity::ApplicationName)
            .expr_as(
                Func::cust("pg_catalog.host").arg(Expr::col(PgStatActivity::ClientAddr)),
                "client_address",
            )
            .column(PgStatActivity::BackendType)
            .column(PgStatActivity::State)
            .column(PgStatActivity::WaitEventType)
            .column(PgStatActivity::WaitEvent)
            .expr_as(
                milliseconds_since(PgStatActivity::XactStart),
                "transaction_age_milliseconds",
            )
            .expr_as(
                Expr::case(
                    runs_a_statement(),
                    milliseconds_since(PgStatActivity::QueryStart),
                ),
                "statement_age_milliseconds",
            )
            .expr_as(milliseconds_since(PgStatActivity::StateChange), "state_age_milliseconds")
            .expr_as(Expr::col(PgStatActivity::QueryStart), "statement_started_at")
            .expr_as(
                // The texts of other databases may have bytes that the server's own functions on texts refuse.
                Expr::cust(format!(
                    "CASE WHEN pg_catalog.octet_length(query) <= {STATEMENT_LENGTH_MAX} THEN query \
                    ELSE pg_catalog.encode(pg_catalog.substring(pg_catalog.textsend(query), 1, {STATEMENT_LENGTH_MAX}), \
                    'escape') END"
                )),
                "statement",
            )
            .from(PgStatActivity::TABLE)
            .and_where(Expr::col(PgStatActivity::Datid).is_not_null())
            .order_by_with_nulls(PgStatActivity::XactStart, Order::Asc, NullOrdering::Last)
            .order_by(PgStatActivity::Pid, Order::Asc)
            .limit(SESSIONS_MAX),
    )
}

/// Whether a session's state is neither idle nor idle in a transaction.
fn runs_a_statement() -> Expr {
    let state = || Expr::col(PgStatActivity::State);
    state()
        .ne(text("idle"))
        .and(state().binary(BinOper::NotLike, text("idle in%")))
}

/// How long ago a column's time was, by the clock and not by the transaction's start; none stays none.
fn milliseconds_since(column: PgStatActivity) -> Expr {
    Expr::cust_with_expr(
        "(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - $1) * 1000)::pg_catalog.int8",
        Expr::col(column),
    )
}

impl HasStatement for SessionRow {
    fn statement_mut(&mut self) -> &mut Option<String> {
        &mut self.statement
    }
}

impl Monitor {
    /// Every session that works in a database, of all databases.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn sessions(&self) -> Result<Section<Vec<SessionRow>>, OpsError> {
        let rows = self.section(statement()).await?;
        Ok(rows.map(|rows| self.shown(rows)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_is_as_reviewed() {
        insta::assert_snapshot!("live_sessions", readable(&statement()));
    }
}
