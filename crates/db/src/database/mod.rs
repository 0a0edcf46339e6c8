//! The connection pool and its statistics.

mod deadline;
mod open;
mod statements;
mod transactions;

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{DatabaseConfig, Pooler};
use crate::connection::HostileSetting;
use crate::error::DatabaseError;
use crate::pool::{
    Checkout, Connections, Counted, Monitor, PoolEvents, PoolMetrics, PooledConnection,
    StatementPattern,
};
use crate::tls::Connector;

pub(crate) use transactions::end;

/// A pool of connections to one database. A clone is cheap and shares the pool.
///
/// See the [crate](crate) for an example.
#[derive(Clone, Debug)]
pub struct Database {
    connections: Connections,
    config: Arc<DatabaseConfig>,
    /// The deadline of every call through this handle.
    deadline: Option<Instant>,
    hostile_settings: Arc<[HostileSetting]>,
}

/// The state of a pool at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// The upper limit of the size, in connections: `pool_max`.
    pub max: usize,
    /// The size in force: the highest number of open connections. Smaller than `max` where the pool
    /// sizes itself or was resized.
    pub size: usize,
    /// The number of open connections.
    pub open: usize,
    /// The number of open connections that are not checked out.
    pub idle: usize,
    /// The number of callers that wait for a connection.
    pub waiting: usize,
}

impl Database {
    /// Returns the configuration in force.
    #[must_use]
    pub fn config(&self) -> &DatabaseConfig {
        &self.config
    }

    /// Returns the settings of the server, the database and the role that endanger what is read or
    /// written here, the worst first, as they were when the pool was opened. Empty for a sound
    /// server.
    ///
    /// Each was also logged as a warning. Settings that every session of the pool sets itself, such
    /// as its limits, are not reported, whatever the defaults are; docs/configuration.md lists
    /// them.
    #[must_use]
    pub fn hostile_settings(&self) -> &[HostileSetting] {
        &self.hostile_settings
    }

    /// Returns the state of the pool.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let semaphore = self.connections.semaphore.status();
        let stored = self.connections.stored();
        PoolStatus {
            max: self.config.pool_max,
            size: semaphore.size,
            open: stored.open,
            idle: stored.idle,
            waiting: semaphore.waiting,
        }
    }

    /// Changes the highest number of connections and returns the size in force, which is between 1
    /// and `pool_max`.
    ///
    /// A larger size admits waiting callers at once. A smaller size closes idle connections at once
    /// and the others when they are returned; no caller loses its connection. A pool that sizes
    /// itself continues from the new size.
    #[expect(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn resize(&self, size: usize) -> usize {
        let (from, to) = self.connections.resize(size);
        if from != to {
            self.connections.monitor.resized(from, to, None);
        }
        to
    }

    /// Returns what the pool has counted and measured since it was opened, under OpenTelemetry's
    /// names.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_db::{Database, DatabaseConfig, Executor, statement};
    ///
    /// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let database = Database::connect(DatabaseConfig::from_url(server.url())?).await?;
    /// database.execute(statement("SELECT 1", [])).await?;
    /// let metrics = database.metrics();
    /// assert_eq!((metrics.used, metrics.idle), (0, 1));
    /// assert!(metrics.use_time.count() > 0 && !metrics.use_time.percentile(95).is_zero());
    /// let text = metrics.to_prometheus();
    /// let idle = "db_client_connection_pool_name=\"neobank\",db_client_connection_state=\"idle\"";
    /// assert!(text.contains(&format!("db_client_connection_count{{{idle}}} 1")));
    /// # Ok::<(), neobank_db::DatabaseError>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn metrics(&self) -> PoolMetrics {
        let status = self.status();
        let monitor = self.monitor();
        PoolMetrics::new(
            &self.config,
            &status,
            monitor.counted(),
            monitor.retries.all(),
        )
    }

    /// Subscribes to the events of the pool from now on.
    #[must_use]
    pub fn events(&self) -> PoolEvents {
        self.connections.monitor.listen()
    }

    /// Returns the checkouts that are at least this old, the oldest first: where the connection was
    /// taken, and the pattern of the statement that runs or ran last.
    #[must_use]
    pub fn leak_suspects(&self, threshold: Duration) -> Vec<Checkout> {
        self.connections
            .monitor
            .checkouts
            .longer_than(threshold, usize::MAX)
    }

    /// Returns the patterns of the statements that ran, without their values, ordered by their
    /// total time, the largest first. At most 501.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_db::{Database, DatabaseConfig, Executor, statement};
    ///
    /// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let database = Database::connect(DatabaseConfig::from_url(server.url())?).await?;
    /// for number in [1, 2, 3] {
    ///     let sql = format!("SELECT {number} WHERE 'a' IN ('b', 'c')");
    ///     database.execute(statement(&sql, [])).await?;
    /// }
    /// let patterns = database.statement_patterns();
    /// assert_eq!(&*patterns[0].pattern, "SELECT ? WHERE ? IN (?)");
    /// assert_eq!(patterns[0].count, 3);
    /// # Ok::<(), neobank_db::DatabaseError>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn statement_patterns(&self) -> Vec<StatementPattern> {
        self.connections.monitor.patterns.all()
    }

    /// Closes the pool: idle connections at once, the others when they are returned. Waiting and
    /// later callers get [`DatabaseError::PoolClosed`].
    pub fn close(&self) {
        self.connections.close();
    }

    pub(crate) fn counted(&self) -> Counted {
        self.connections.monitor.counted()
    }

    pub(crate) fn monitor(&self) -> &Monitor {
        &self.connections.monitor
    }

    /// Returns true where only a transaction carries the limits of a statement: behind a
    /// transaction pooler, and with a deadline.
    pub(crate) fn needs_transaction(&self) -> bool {
        self.config.pooler == Pooler::Transaction || self.deadline.is_some()
    }

    pub(crate) async fn check_out(
        &self,
        location: &'static Location<'static>,
    ) -> Result<PooledConnection, DatabaseError> {
        self.connections.take(location, self.deadline).await
    }

    /// Returns how connections outside of the pool are protected.
    pub(crate) fn connector(&self) -> &Connector {
        self.connections.connector()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::Executor;

    /// Returns the size of the future that a function creates, in bytes. Each caller's own future
    /// holds it, some of them twice; in a debug build a test overflowed its stack when these were
    /// half as large again.
    fn size<'a, F: Future>(_: impl FnOnce(&'a Database) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn futures_are_small() {
        let take = size(|database| database.connections.take(Location::caller(), None));
        let begin = size(Database::begin);
        let execute = size(|database| database.execute(crate::statement("", [])));
        let sizes = (take, begin, execute);
        assert!(
            take <= 2400 && begin <= 2500 && execute <= 3500,
            "{sizes:?}"
        );
    }
}
