//! How many connections the server takes, and how many of them are taken.

use neobank_db::{FromQueryResult, Statement};
use sea_query::{Expr, ExprTrait, Func, Query, SelectStatement};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;
use crate::server_version::ServerVersion;

/// The server's places for connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromQueryResult)]
#[non_exhaustive]
pub struct ConnectionLimitsRow {
    /// `max_connections`.
    pub max_connections: i32,
    /// `superuser_reserved_connections`, and `reserved_connections` on PostgreSQL 16 and newer.
    pub reserved_connections: i32,
    /// What ordinary roles can have: the difference.
    pub usable_connections: i32,
    /// Sessions of clients of all databases, this one among them.
    pub used_connections: i64,
}

/// The text of the question: one row.
#[must_use]
pub fn statement(version: ServerVersion) -> Statement {
    build(&select(version))
}

/// The question, to be asked together with others.
pub(crate) fn select(version: ServerVersion) -> SelectStatement {
    let superuser = setting("superuser_reserved_connections");
    let reserved = if version.major() >= 16 {
        superuser.add(setting("reserved_connections"))
    } else {
        superuser
    };
    let used = Query::select()
        .expr(Func::count(Expr::cust("*")))
        .from(("pg_catalog", "pg_stat_activity"))
        .and_where(is_client())
        .take();
    Query::select()
        .expr_as(setting("max_connections"), "max_connections")
        .expr_as(reserved.clone(), "reserved_connections")
        .expr_as(
            setting("max_connections").sub(reserved),
            "usable_connections",
        )
        .expr_as(used, "used_connections")
        .take()
}

impl Monitor {
    /// The server's places for connections.
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

/// Whether a row of `pg_stat_activity` is a client's session. From a role that may not see it, the server hides what kind
/// it is, but not whose; its own processes have no role, or (as the launcher of logical replication) no database.
pub(crate) fn is_client() -> Expr {
    Expr::col("backend_type")
        .eq("client backend")
        .or(is_hidden_client())
}

/// Whether it is a client's session that the role may not see.
pub(crate) fn is_hidden_client() -> Expr {
    Expr::col("backend_type")
        .is_null()
        .and(Expr::col("usesysid").is_not_null())
        .and(Expr::col("datid").is_not_null())
}

/// A setting of the server that is a number without a unit.
fn setting(name: &'static str) -> Expr {
    Expr::from(Func::cust("pg_catalog.current_setting").arg(name)).cast_as("int4")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_text_fits_the_version() {
        for number in [150_000, 160_000] {
            let version = ServerVersion::from_number(number).unwrap();
            insta::assert_snapshot!(
                format!("connection_limits_{}", version.major()),
                readable(&statement(version))
            );
        }
    }
}
