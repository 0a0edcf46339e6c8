//! Automatic sizing: observes the pool and the server, decides, and applies the size.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::types::Type;

use super::{Limits, Observation, ServerLoad, SizingState, decide};
use crate::config::DatabaseConfig;
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::pool::connections::{Connections, WeakConnections};
use crate::pool::monitor::Counted;
use crate::tls::Connector;

/// The automatic sizing of a pool between `pool_min` and `pool_max`.
///
/// It uses one more connection to the server, for one short query in each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AutoSize {
    /// The interval of decisions; one second is usual. Changes are at least four intervals apart.
    pub interval: Duration,
    /// The number of processes that share the server's connections in equal parts, this one
    /// included. Sessions with the same `application_name` count as theirs, and all other sessions
    /// as foreign.
    pub instances: usize,
    /// The number of the server's processors, where it is known.
    pub server_cores: Option<usize>,
}

impl Default for AutoSize {
    /// One decision a second, a single instance, and an unknown number of processors.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            instances: 1,
            server_cores: None,
        }
    }
}

impl AutoSize {
    /// Sets the interval of decisions.
    #[must_use]
    pub const fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets the number of processes that share the server's connections.
    #[must_use]
    pub const fn with_instances(mut self, instances: usize) -> Self {
        self.instances = instances;
        self
    }

    /// Sets the number of the server's processors.
    #[must_use]
    pub fn with_server_cores(mut self, server_cores: impl Into<Option<usize>>) -> Self {
        self.server_cores = server_cores.into();
        self
    }
}

/// The highest initial size of a pool with automatic sizing.
const FIRST_SIZE: usize = 4;

/// The loop that observes, decides and applies.
pub(crate) struct Sizer {
    pool: WeakConnections,
    config: Arc<DatabaseConfig>,
    auto: AutoSize,
    connection: Option<Connection>,
    before: Counted,
    state: SizingState,
}

/// The query for the server's load: one row that every role may read. It is cheap, because it scans
/// one view in shared memory once and takes no lock. A session without activity tracking
/// (`disabled`) still shows its wait events; without one it counts as running.
const LOAD_QUERY: &str = "
SELECT current_setting('max_connections')::bigint
           - current_setting('superuser_reserved_connections')::bigint
           - coalesce(current_setting('reserved_connections', true)::bigint, 0) AS connections_max,
       count(*) FILTER (
           WHERE state IN ('active', 'disabled') AND wait_event IS NULL AND pid <> pg_backend_pid()
       ) AS running,
       count(*) FILTER (WHERE wait_event_type = 'Lock') AS lock_waiters,
       count(*) FILTER (WHERE application_name IS DISTINCT FROM $1) AS others
FROM pg_stat_activity
WHERE usesysid IS NOT NULL AND datid IS NOT NULL
  AND coalesce(backend_type, 'client backend') = 'client backend'";

/// The timeout of the load query: a later answer is of no use.
const LOAD_QUERY_TIMEOUT: Duration = Duration::from_secs(1);

impl Sizer {
    /// Returns the initial size.
    pub(crate) fn first_size(config: &DatabaseConfig) -> usize {
        match config.auto_size {
            Some(_) => config.pool_min.max(FIRST_SIZE).min(config.pool_max),
            None => config.pool_max,
        }
    }

    /// Starts the loop; it ends with the pool.
    pub(crate) fn start(connections: &Connections, config: &Arc<DatabaseConfig>) {
        let Some(auto) = config.auto_size else {
            return;
        };
        let mut sizer = Self {
            pool: connections.downgrade(),
            config: Arc::clone(config),
            auto,
            connection: None,
            before: connections.monitor.counted(),
            state: SizingState::default(),
        };
        let _ = connections.semaphore.take_window();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(sizer.auto.interval);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            ticks.tick().await;
            loop {
                ticks.tick().await;
                if !sizer.step().await {
                    return;
                }
            }
        });
    }

    /// Observes, decides and applies once; returns `false` when the pool is gone.
    async fn step(&mut self) -> bool {
        // The query runs without a reference to the pool, so that the pool can be dropped
        // meanwhile.
        let server = match self.observe_server().await {
            Ok(server) => Some(server),
            Err(error) => {
                self.connection = None;
                tracing::debug!("the server did not say how it does: {error}");
                None
            }
        };
        let Some(pool) = self.pool.upgrade() else {
            return false;
        };
        let window = pool.semaphore.take_window();
        let now = pool.monitor.counted();
        let waits = now.waits.since(&self.before.waits);
        let use_times = now.use_times.since(&self.before.use_times);
        let size = pool.semaphore.status().size;
        let seen = Observation {
            elapsed: window.elapsed,
            size,
            in_use: window.in_use_mean,
            in_use_max: window.in_use_max,
            waiting: window.waiting_mean,
            wait_p95: waits.percentile(95),
            hold_mean: use_times.mean(),
            completed: use_times.count(),
            timeouts: now.timeouts.saturating_sub(self.before.timeouts),
            server,
        };
        self.before = now;
        let decision = decide(&seen, &self.state, &self.limits());
        if decision.size != size {
            let (from, to) = pool.resize(decision.size);
            pool.monitor.resized(from, to, Some(decision.reason));
        }
        self.state = decision.state;
        true
    }

    fn limits(&self) -> Limits {
        Limits {
            instances: self.auto.instances.max(1),
            cores: self.auto.server_cores,
            ..Limits::new(self.config.pool_min.max(1), self.config.pool_max)
        }
    }

    async fn observe_server(&mut self) -> Result<ServerLoad, DatabaseError> {
        let connection = match self.connection.take() {
            Some(connection) if !connection.client().is_closed() => connection,
            _ => {
                let connector = Connector::new(&self.config.tls)?;
                Connection::open(&self.config, &connector).await?
            }
        };
        let asked = tokio::time::timeout(
            LOAD_QUERY_TIMEOUT,
            query_load(&connection, &self.config.application_name),
        )
        .await;
        let mut load = match asked {
            Ok(Ok(load)) => load,
            Ok(Err(error)) => return Err(DatabaseError::from_driver(&error)),
            Err(_) => {
                return Err(DatabaseError::NoAnswer {
                    waited: LOAD_QUERY_TIMEOUT,
                });
            }
        };
        // Each instance uses one connection for this query.
        load.connections_max = load.connections_max.saturating_sub(self.auto.instances);
        self.connection = Some(connection);
        Ok(load)
    }
}

/// Queries the load as the login role, because another role may not see the login role's sessions.
async fn query_load(
    connection: &Connection,
    application_name: &str,
) -> Result<ServerLoad, tokio_postgres::Error> {
    let client = connection.client();
    client
        .batch_execute(
            "BEGIN READ ONLY; SET LOCAL ROLE NONE; SET LOCAL statement_timeout = 900; \
             SET LOCAL lock_timeout = 100",
        )
        .await?;
    let rows = client
        .query_typed(LOAD_QUERY, &[(&application_name, Type::TEXT)])
        .await?;
    client.batch_execute("COMMIT").await?;
    let count = |column: usize| -> Result<usize, tokio_postgres::Error> {
        let value: i64 = match rows.first() {
            Some(row) => row.try_get(column)?,
            None => 0,
        };
        Ok(usize::try_from(value).unwrap_or(0))
    };
    Ok(ServerLoad {
        connections_max: count(0)?,
        running: count(1)?,
        lock_waiters: count(2)?,
        others: count(3)?,
    })
}
