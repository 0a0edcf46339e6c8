//! Every session of every database, as it is now.

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

/// The greatest number of sessions in a result, more than any screen shows; those with the oldest
/// transactions come first.
pub const SESSIONS_MAX: u64 = 2_000;

/// The greatest length of a statement in a result, in bytes; a longer one is cut there, with
/// `\\ooo` for bytes outside of ASCII.
pub const STATEMENT_LENGTH_MAX: i32 = 8_000;

/// A session. Values that the role may not see are none, and its statement is then `<insufficient
/// privilege>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromRow)]
#[non_exhaustive]
pub struct SessionRow {
    /// The process identifier.
    pub process_id: i32,
    /// `true` for the monitor's own session.
    pub is_own: bool,
    /// The time of its connection; it identifies the session together with the process identifier,
    /// which the server reuses.
    pub backend_start: Option<DateTime<Utc>>,
    /// The role.
    pub username: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// The `application_name`, which the client chooses freely.
    pub application_name: Option<String>,
    /// The client's address; none for a Unix socket.
    pub client_address: Option<String>,
    /// The kind of process, such as `client backend`.
    pub backend_type: Option<String>,
    /// The state, such as `idle in transaction`.
    pub state: Option<String>,
    /// The kind of its wait, such as `Lock`.
    pub wait_event_type: Option<String>,
    /// The event that it waits for, such as `transactionid`.
    pub wait_event: Option<String>,
    /// The age of its transaction, in milliseconds.
    pub transaction_age_milliseconds: Option<i64>,
    /// The age of its statement, in milliseconds; none when it runs none.
    pub statement_age_milliseconds: Option<i64>,
    /// The time since its last change of state, in milliseconds.
    pub state_age_milliseconds: Option<i64>,
    /// The start of its current or last statement.
    pub statement_started_at: Option<DateTime<Utc>>,
    /// The current or last statement, without secrets; cut after [`STATEMENT_LENGTH_MAX`].
    pub statement: Option<String>,
}

/// Returns the SQL for the sessions: at most [`SESSIONS_MAX`] rows.
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
                // The texts of other databases may contain bytes that the server's own text
                // functions reject.
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

/// Returns the condition that a session is neither idle nor idle in a transaction.
fn runs_a_statement() -> Expr {
    let state = || Expr::col(PgStatActivity::State);
    state()
        .ne(text("idle"))
        .and(state().binary(BinOper::NotLike, text("idle in%")))
}

/// Returns the milliseconds since a column's time, by the clock and not by the transaction's start;
/// null stays null.
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
    /// Reads every session of every database.
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
