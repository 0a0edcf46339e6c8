//! The lag of standbys.

use neobank_db::{FromRow, Statement};
use neobank_entity::pg_catalog::{PgStatReplication, PgStatWalReceiver};
use sea_query::{Expr, ExprTrait, Func, NullOrdering, Order, Query, SelectStatement, UnionType};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;
use crate::sql::{coalesce, null, number, seconds, seconds_since};

/// The greatest number of listed rows; those with the greatest lag come first.
pub const STANDBYS_MAX: u64 = 100;

/// A standby of the server, or the server itself when it is a standby.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct ReplicationRow {
    /// The standby's `application_name`; none for the server itself.
    pub standby: Option<String>,
    /// The state of the connection, such as `streaming`. For the server itself, the state of its
    /// receiver, none where it has none.
    pub state: Option<String>,
    /// Bytes of the log that are written and not yet replayed; for the server itself, received and
    /// not yet replayed. None where the role may not see it.
    pub lag_bytes: Option<i64>,
    /// The time between a commit and its replay, in seconds. For the server itself, the age of the
    /// transaction that was replayed last while there is more to replay.
    pub lag_seconds: Option<f64>,
}

/// Returns the SQL for the standbys of the server, and for the server itself when it is one.
#[must_use]
pub fn statement() -> Statement {
    let found = senders().union(UnionType::All, receiver()).take();
    build(
        Query::select()
            .columns([
                ("found", "standby"),
                ("found", "state"),
                ("found", "lag_bytes"),
                ("found", "lag_seconds"),
            ])
            .from_subquery(found, "found")
            .order_by_with_nulls(("found", "lag_bytes"), Order::Desc, NullOrdering::Last)
            .order_by(("found", "standby"), Order::Asc)
            .limit(STANDBYS_MAX),
    )
}

fn senders() -> SelectStatement {
    let sender = |column: PgStatReplication| column.of("sender");
    // A standby that feeds others has received the log, not written it.
    let written = Expr::case(is_standby(), received())
        .finally(Expr::from(Func::cust("pg_catalog.pg_current_wal_lsn")));
    // The lag is null when there was nothing to replay for a while.
    let lag = Expr::case(
        sender(PgStatReplication::ReplayLsn).is_not_null(),
        coalesce(seconds(sender(PgStatReplication::ReplayLag)), number(0)),
    );
    Query::select()
        .expr_as(sender(PgStatReplication::ApplicationName), "standby")
        .expr_as(sender(PgStatReplication::State), "state")
        .expr_as(
            bytes_between(written.into(), sender(PgStatReplication::ReplayLsn)),
            "lag_bytes",
        )
        .expr_as(lag, "lag_seconds")
        .from_as(PgStatReplication::TABLE, "sender")
        .take()
}

fn receiver() -> SelectStatement {
    let replayed = || Expr::from(Func::cust("pg_catalog.pg_last_wal_replay_lsn"));
    let state = Query::select()
        .expr(PgStatWalReceiver::Status.of("receiver"))
        .from_as(PgStatWalReceiver::TABLE, "receiver")
        .take();
    let lag = Expr::case(received().eq(replayed()), number(0)).finally(seconds_since(
        Func::cust("pg_catalog.pg_last_xact_replay_timestamp").into(),
    ));
    Query::select()
        .expr(null())
        .expr(state)
        .expr(bytes_between(received(), replayed()))
        .expr(lag)
        .and_where(is_standby())
        .take()
}

fn is_standby() -> Expr {
    Func::cust("pg_catalog.pg_is_in_recovery").into()
}

/// Returns the end of the log that a standby has received.
fn received() -> Expr {
    Func::cust("pg_catalog.pg_last_wal_receive_lsn").into()
}

fn bytes_between(end: Expr, start: Expr) -> Expr {
    Expr::from(Func::cust("pg_catalog.pg_wal_lsn_diff").arg(end).arg(start)).cast_as("int8")
}

impl Monitor {
    /// Reads the standbys of the server, and the server itself when it is one; empty for a server
    /// without replication. A role without the privileges of `pg_read_all_stats` sees the standbys
    /// without their lags.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn replication(&self) -> Result<Section<Vec<ReplicationRow>>, OpsError> {
        self.section(statement()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_is_as_reviewed() {
        insta::assert_snapshot!("replication", readable(&statement()));
    }
}
