//! The sessions, prepared transactions and replication slots that hold back the xmin horizon.

use neobank_db::{FromRow, Statement};
use neobank_entity::pg_catalog::{
    PgPreparedXacts, PgReplicationSlots, PgStatActivity, PgStatProgressVacuum,
};
use sea_query::{Expr, ExprTrait, Func, JoinType, Order, Query, SelectStatement, UnionType};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;
use crate::sql::{always, any_row, coalesce, is_distinct, null, own_process, seconds_since, text};

/// A session, prepared transaction or replication slot that holds back the xmin horizon, so that
/// vacuum cannot remove row versions deleted after it.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct HorizonHolderRow {
    /// `session`, `standby_feedback`, `prepared_transaction` or `replication_slot`.
    pub kind: String,
    /// The process identifier, or the name of the prepared transaction or slot.
    pub identity: String,
    /// The process identifier, where there is a process.
    pub process_id: Option<i32>,
    /// The database whose horizon it holds back; none for all databases.
    pub database_name: Option<String>,
    /// The owner's role.
    pub user_name: Option<String>,
    /// The session's `application_name`.
    pub application_name: Option<String>,
    /// The state of the session or slot.
    pub state: Option<String>,
    /// The number of transactions since the one that it holds.
    pub age_transactions: i64,
    /// The greatest time that it may have held the horizon, in seconds; none for slots, which do
    /// not record it, and where the role may not see it.
    pub age_seconds: Option<f64>,
    /// `true` if it only holds back rows of the catalog.
    pub is_catalog_only: bool,
}

/// The holders of the xmin horizon, and the completeness of their details.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HorizonReport {
    /// The holders, the oldest first.
    pub holders: Vec<HorizonHolderRow>,
    /// `true` if the role may see the states and times of other roles' sessions, as members of
    /// `pg_read_all_stats` (and so of `pg_monitor`) may. Otherwise these are missing, but every
    /// session is listed.
    pub sees_session_details: bool,
}

/// Returns the SQL for the holders: a row for each except the monitor's own session, the oldest
/// first.
#[must_use]
pub fn holders() -> Statement {
    build(
        sessions()
            .union(UnionType::All, prepared_transactions())
            .union(UnionType::All, slots())
            .order_by("age_transactions", Order::Desc)
            .order_by("kind", Order::Asc)
            .order_by("identity", Order::Asc),
    )
}

/// Selects sessions, each with its snapshot or its own transaction, whichever is older. The
/// snapshot of a walsender is the one that a standby without a slot requested.
fn sessions() -> SelectStatement {
    let activity = |column: PgStatActivity| column.of("activity");
    let oldest = || Expr::col(("oldest", "number"));
    let kind = Expr::case(
        activity(PgStatActivity::BackendType).eq(text("walsender")),
        text("standby_feedback"),
    )
    .finally(text("session"));
    // The server ignores sessions that run VACUUM, but not those that run VACUUM FULL or ANALYZE.
    let vacuums = Query::select()
        .expr(any_row())
        .from_as(PgStatProgressVacuum::TABLE, "vacuum")
        .and_where(
            PgStatProgressVacuum::Pid
                .of("vacuum")
                .eq(activity(PgStatActivity::Pid)),
        )
        .take();
    Query::select()
        .expr_as(kind, "kind")
        .expr_as(activity(PgStatActivity::Pid).cast_as("text"), "identity")
        .expr_as(activity(PgStatActivity::Pid), "process_id")
        .expr_as(
            activity(PgStatActivity::Datname).cast_as("text"),
            "database_name",
        )
        .expr_as(
            activity(PgStatActivity::Usename).cast_as("text"),
            "user_name",
        )
        .expr_as(
            activity(PgStatActivity::ApplicationName),
            "application_name",
        )
        .expr_as(
            coalesce(
                activity(PgStatActivity::State),
                activity(PgStatActivity::BackendType),
            ),
            "state",
        )
        .expr_as(age(oldest()).cast_as("int8"), "age_transactions")
        .expr_as(
            seconds_since(activity(PgStatActivity::XactStart)),
            "age_seconds",
        )
        .expr_as(Expr::cust("false"), "is_catalog_only")
        .from_as(PgStatActivity::TABLE, "activity")
        .join_lateral(JoinType::InnerJoin, oldest_of_session(), "oldest", always())
        .and_where(oldest().is_not_null())
        .and_where(activity(PgStatActivity::Pid).ne(own_process()))
        // A parallel query's workers have their leader's snapshot.
        .and_where(is_distinct(
            activity(PgStatActivity::BackendType),
            text("parallel worker"),
        ))
        .and_where(Expr::exists(vacuums).not())
        .take()
}

/// Returns the older of a session's snapshot and its transaction.
fn oldest_of_session() -> SelectStatement {
    let snapshot = || PgStatActivity::BackendXmin.of("activity");
    let transaction = || PgStatActivity::BackendXid.of("activity");
    let number = Expr::case(snapshot().is_null(), transaction())
        .case(
            transaction()
                .is_null()
                .or(age(snapshot()).gte(age(transaction()))),
            snapshot(),
        )
        .finally(transaction());
    Query::select().expr_as(number, "number").take()
}

fn prepared_transactions() -> SelectStatement {
    let prepared = |column: PgPreparedXacts| column.of("prepared");
    Query::select()
        .expr(text("prepared_transaction"))
        .expr(prepared(PgPreparedXacts::Gid))
        .expr(null())
        .expr(prepared(PgPreparedXacts::Database).cast_as("text"))
        .expr(prepared(PgPreparedXacts::Owner).cast_as("text"))
        .expr(null())
        .expr(text("prepared"))
        .expr(age(prepared(PgPreparedXacts::Transaction)).cast_as("int8"))
        .expr(seconds_since(prepared(PgPreparedXacts::Prepared)))
        .expr(Expr::cust("false"))
        .from_as(PgPreparedXacts::TABLE, "prepared")
        .take()
}

/// Selects slots, which apply to all databases: a logical slot keeps old rows of all catalogs. An
/// invalidated slot holds nothing back, although it still shows its horizon.
fn slots() -> SelectStatement {
    let slot = |column: PgReplicationSlots| column.of("slot");
    let held = || Expr::col(("held", "number"));
    let horizons = Query::select()
        .expr_as(slot(PgReplicationSlots::Xmin), "number")
        .expr_as(Expr::cust("false"), "is_catalog_only")
        .union(
            UnionType::All,
            Query::select()
                .expr(slot(PgReplicationSlots::CatalogXmin))
                .expr(Expr::cust("true"))
                .take(),
        )
        .take();
    Query::select()
        .expr(text("replication_slot"))
        .expr(slot(PgReplicationSlots::SlotName).cast_as("text"))
        .expr(slot(PgReplicationSlots::ActivePid))
        .expr(null())
        .expr(null())
        .expr(null())
        .expr(
            Expr::case(slot(PgReplicationSlots::Active), text("active")).finally(text("inactive")),
        )
        .expr(age(held()).cast_as("int8"))
        .expr(null())
        .expr(Expr::col(("held", "is_catalog_only")))
        .from_as(PgReplicationSlots::TABLE, "slot")
        .join_lateral(JoinType::InnerJoin, horizons, "held", always())
        .and_where(held().is_not_null())
        .and_where(is_distinct(
            slot(PgReplicationSlots::WalStatus),
            text("lost"),
        ))
        .take()
}

/// Returns the number of transactions since this one.
fn age(transaction: Expr) -> Expr {
    Func::cust("pg_catalog.age").arg(transaction).into()
}

impl Monitor {
    /// Reads the holders of the xmin horizon, the oldest first.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    ///
    /// # Example
    ///
    /// ```
    /// # use neobank_db::DatabaseConfig;
    /// # use neobank_ops::{Monitor, MonitorLimits};
    /// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let monitor = Monitor::connect(DatabaseConfig::from_url(server.url())?, MonitorLimits::default()).await?;
    /// let report = monitor.horizon().await?.into_value().unwrap();
    /// assert!(report.sees_session_details);
    /// if let Some(oldest) = report.holders.first() {
    ///     println!("{} {}: {} transactions ago", oldest.kind, oldest.identity, oldest.age_transactions);
    /// }
    /// # Ok::<(), neobank_ops::OpsError>(())
    /// # }).unwrap();
    /// ```
    pub async fn horizon(&self) -> Result<Section<HorizonReport>, OpsError> {
        let sees_session_details = self.sees_session_details().await?;
        let holders = self.section(holders()).await?;
        Ok(holders.map(|holders| HorizonReport {
            holders,
            sees_session_details,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_is_as_reviewed() {
        insta::assert_snapshot!("horizon_holders", readable(&holders()));
    }
}
