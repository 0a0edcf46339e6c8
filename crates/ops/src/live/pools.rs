//! The newest sample of each pool.

use std::time::Duration;

use neobank_db::{FromQueryResult, Statement, statement as text};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

/// Pools that are shown at most.
pub const POOLS_MAX: usize = 100;

/// What a pool wrote last to `pooling.pool_stats`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromQueryResult)]
#[non_exhaustive]
pub struct PoolSampleRow {
    /// The pool: its connections' `application_name`, or `pgbouncer:database/user`.
    pub pool_name: String,
    /// Callers that hold or wait for a connection.
    pub client_connections: i32,
    /// Connections that are in use.
    pub server_active: i32,
    /// Connections that are open and not in use.
    pub server_idle: i32,
    /// The longest wait for a connection since the sample before, in milliseconds.
    pub max_wait_ms: i64,
    /// Statements since the pool was started.
    pub total_requests: i64,
}

/// The text of the question, for samples that are not older.
#[must_use]
pub fn statement(window: Duration) -> Statement {
    text(include_str!("pools.sql"), [window.as_secs_f64().into()])
}

impl Monitor {
    /// The newest sample of each pool that wrote one within this time, by name.
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
    fn the_text_is_what_was_looked_at() {
        let statement = statement(Duration::from_secs(300));
        insta::assert_snapshot!("pool_samples", readable(&statement));
        assert!(include_str!("pools.sql").contains(&format!("LIMIT {POOLS_MAX}\n")));
    }
}
