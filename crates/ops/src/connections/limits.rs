//! Limits of connections, and their use.

use neobank_db::{FromRow, Statement};
use neobank_entity::pg_catalog::{PgDatabase, PgRoles, PgStatActivity};
use sea_query::{Alias, Expr, ExprTrait, Func, Order, Query, SelectStatement, UnionType};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;
use crate::server_version::ServerVersion;

/// The limits of connections, with their use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
#[non_exhaustive]
pub struct ConnectionLimitsRow {
    /// `max_connections`.
    pub max_connections: i32,
    /// `superuser_reserved_connections`, and `reserved_connections` on PostgreSQL 16 and newer.
    pub reserved_connections: i32,
    /// Connections for ordinary roles: the difference.
    pub usable_connections: i32,
    /// Clients' sessions of all databases, with the monitor's own.
    pub used_connections: i64,
    /// The limit with the highest use: `server`, `database` (the monitor's own) or `role` (one that
    /// has a session in that database).
    pub tightest_scope: String,
    /// The name of that database or role; none for the server.
    pub tightest_name: Option<String>,
    /// Connections that it allows: `usable_connections`, or `CONNECTION LIMIT` of the database or
    /// the role. A limit of 0 closes a database or a role on purpose, and is skipped.
    pub tightest_usable: i32,
    /// Sessions that count toward it.
    pub tightest_used: i64,
}

/// Returns the SQL for the limits: one row.
#[must_use]
pub fn statement(version: ServerVersion) -> Statement {
    build(&select(version))
}

/// Builds the query, to which others add columns.
pub(crate) fn select(version: ServerVersion) -> SelectStatement {
    let superuser = setting("superuser_reserved_connections");
    let reserved = if version.major() >= 16 {
        superuser.add(setting("reserved_connections"))
    } else {
        superuser
    };
    let tightest = tightest(setting("max_connections").sub(reserved.clone()));
    Query::select()
        .expr_as(setting("max_connections"), "max_connections")
        .expr_as(reserved.clone(), "reserved_connections")
        .expr_as(
            setting("max_connections").sub(reserved),
            "usable_connections",
        )
        .expr_as(used(), "used_connections")
        .expr_as(Expr::col(("tightest", "scope")), "tightest_scope")
        .expr_as(Expr::col(("tightest", "name")), "tightest_name")
        .expr_as(Expr::col(("tightest", "usable")), "tightest_usable")
        .expr_as(Expr::col(("tightest", "used")), "tightest_used")
        .from_subquery(tightest, "tightest")
        .take()
}

/// Counts the clients' sessions.
pub(crate) fn used() -> SelectStatement {
    Query::select()
        .expr(Func::count(Expr::cust("*")))
        .from(PgStatActivity::TABLE)
        .and_where(is_client())
        .take()
}

/// Selects the limit with the highest use: the server's, its database's, or a role's.
fn tightest(usable: Expr) -> SelectStatement {
    let sessions = |condition: &'static str| {
        Query::select()
            .expr(Func::count(Expr::cust("*")))
            .from_as(PgStatActivity::TABLE, "session")
            .and_where(Expr::cust(condition))
            .take()
    };
    let bound = |scope: &'static str, name: &'static str, usable: Expr, used: SelectStatement| {
        Query::select()
            .expr_as(Expr::cust(scope), "scope")
            .expr_as(Expr::cust(name), "name")
            .expr_as(usable, "usable")
            .expr_as(used, "used")
            .take()
    };
    let mut server = bound("'server'::text", "NULL::text", usable, used());
    let database = bound(
        "'database'::text",
        "own.datname::text",
        PgDatabase::Datconnlimit.of("own"),
        sessions("session.datid = own.oid AND session.usesysid IS NOT NULL"),
    )
    .from_as(PgDatabase::TABLE, "own")
    .and_where(Expr::cust(
        "own.datname = pg_catalog.current_database() AND own.datconnlimit > 0",
    ))
    .take();
    let role = bound(
        "'role'::text",
        "role.rolname::text",
        PgRoles::Rolconnlimit.of("role"),
        sessions("session.usesysid = role.oid AND session.datid IS NOT NULL"),
    )
    .from_as(PgRoles::TABLE, "role")
    .and_where(Expr::cust(
        "role.rolconnlimit > 0 AND EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS session \
         WHERE session.usesysid = role.oid AND session.datname = pg_catalog.current_database())",
    ))
    .take();
    let all = server
        .union(UnionType::All, database)
        .union(UnionType::All, role)
        .take();
    Query::select()
        .columns(["scope", "name", "usable", "used"])
        .from_subquery(all, "bound")
        .order_by_expr(
            Expr::cust("bound.used / greatest(bound.usable, 1)::double precision"),
            Order::Desc,
        )
        .order_by(Alias::new("usable"), Order::Asc)
        .limit(1)
        .take()
}

impl ConnectionLimitsRow {
    /// Returns the limit with the highest use in words.
    #[must_use]
    pub fn tightest(&self) -> String {
        match &self.tightest_name {
            Some(name) => format!("the {} {name} allows", self.tightest_scope),
            None => "the server allows".to_owned(),
        }
    }
}

impl Monitor {
    /// Reads the limits of connections, with their use.
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
    /// let limits = monitor.connection_limits().await?.into_value().unwrap();
    /// assert_eq!(limits.usable_connections, limits.max_connections - limits.reserved_connections);
    /// # Ok::<(), neobank_ops::OpsError>(())
    /// # }).unwrap();
    /// ```
    pub async fn connection_limits(&self) -> Result<Section<ConnectionLimitsRow>, OpsError> {
        let rows = self.section(statement(self.server_version())).await?;
        Ok(rows.and_then(Section::of_first))
    }
}

/// Selects clients' sessions in `pg_stat_activity`. The server hides the kind of other roles'
/// sessions from a role, but not their owner. The server's own processes have no role, or (as the
/// launcher of logical replication) no database.
pub(crate) fn is_client() -> Expr {
    Expr::col(PgStatActivity::BackendType)
        .eq("client backend")
        .or(is_hidden_client())
}

/// Selects clients' sessions whose state the role may not see.
pub(crate) fn is_hidden_client() -> Expr {
    Expr::col(PgStatActivity::BackendType)
        .is_null()
        .and(Expr::col(PgStatActivity::Usesysid).is_not_null())
        .and(Expr::col(PgStatActivity::Datid).is_not_null())
}

/// A server setting that is a number without a unit.
fn setting(name: &'static str) -> Expr {
    Expr::from(Func::cust("pg_catalog.current_setting").arg(name)).cast_as("int4")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_fits_the_version() {
        for number in [150_000, 160_000] {
            let version = ServerVersion::from_number(number).unwrap();
            insta::assert_snapshot!(
                format!("connection_limits_{}", version.major()),
                readable(&statement(version))
            );
        }
    }
}
