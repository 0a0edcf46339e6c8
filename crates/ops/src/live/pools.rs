//! The newest sample of each pool.

use std::time::Duration;

use neobank_db::{FromRow, Statement};
use neobank_entity::pooling::pool_stats::{Column, Entity};
use sea_query::{Expr, ExprTrait, Order, Query};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;
use crate::sql::seconds_ago;

/// The greatest number of listed pools.
pub const POOLS_MAX: u64 = 100;

/// The last sample that a pool wrote to `pooling.pool_stats`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
#[non_exhaustive]
pub struct PoolSampleRow {
    /// The pool's name: its connections' `application_name`, or `pgbouncer:database/user`.
    pub pool_name: String,
    /// Callers that hold or wait for a connection.
    pub client_connections: i32,
    /// Connections in use.
    pub server_active: i32,
    /// Open connections that are not in use.
    pub server_idle: i32,
    /// The longest wait for a connection since the previous sample, in milliseconds.
    pub max_wait_ms: i64,
    /// Statements since the pool was started.
    pub total_requests: i64,
}

/// Returns the SQL for the newest samples that are not older than the window.
#[must_use]
pub fn statement(window: Duration) -> Statement {
    let not_before = seconds_ago(Expr::val(window.as_secs_f64()));
    build(
        Query::select()
            .distinct_on([("sample", Column::PoolName)])
            .columns([
                ("sample", Column::PoolName),
                ("sample", Column::ClientConnections),
                ("sample", Column::ServerActive),
                ("sample", Column::ServerIdle),
                ("sample", Column::MaxWaitMs),
                ("sample", Column::TotalRequests),
            ])
            .from_as(Entity.table_ref(), "sample")
            .and_where(Expr::col(("sample", Column::CollectedAt)).gte(not_before))
            .order_by(("sample", Column::PoolName), Order::Asc)
            .order_by(("sample", Column::CollectedAt), Order::Desc)
            .limit(POOLS_MAX),
    )
}

impl Monitor {
    /// Reads the newest sample of each pool that wrote one within the window, by name.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn pool_samples(
        &self,
        window: Duration,
    ) -> Result<Section<Vec<PoolSampleRow>>, OpsError> {
        self.section(statement(window)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_is_as_reviewed() {
        let statement = statement(Duration::from_secs(300));
        insta::assert_snapshot!("pool_samples", readable(&statement));
    }
}
