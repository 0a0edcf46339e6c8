//! The opening of connections for the pool, and their check at a checkout.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};

use super::connect_throttle::{ConnectDeferred, ConnectThrottle};
use super::event::CloseReason;
use super::monitor::Monitor;
use crate::config::DatabaseConfig;
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::tls::Connector;

/// The idle time after which a connection is checked before use: a firewall or a failover may have
/// cut it silently.
const CHECK_AFTER_IDLE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Manager {
    pub(crate) config: DatabaseConfig,
    pub(crate) connector: Connector,
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) connect_throttle: Arc<ConnectThrottle>,
}

/// The reason why no connection was opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// Too many are being opened, or the last attempt failed a moment ago.
    Deferred(ConnectDeferred),
    Failed(DatabaseError),
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = OpenError;

    async fn create(&self) -> Result<Connection, OpenError> {
        let permit = self.connect_throttle.start().map_err(OpenError::Deferred)?;
        let started = Instant::now();
        // Boxed: this future is large, rarely needed, and part of every future that checks a
        // connection out.
        match Box::pin(Connection::open(&self.config, &self.connector)).await {
            Ok(mut connection) => {
                permit.succeeded();
                connection.lifetime = Some(self.monitor.opened(started.elapsed()));
                Ok(connection)
            }
            Err(error) => {
                self.monitor.open_failed(&error.to_string());
                permit.failed(error.clone());
                Err(OpenError::Failed(error))
            }
        }
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<OpenError> {
        connection.closing(CloseReason::Broken);
        if !connection.clean {
            return Err(RecycleError::message(
                "the state of its transaction is not known",
            ));
        }
        if connection.client().is_closed() {
            return Err(RecycleError::message("closed"));
        }
        if connection.is_misplaced(&self.config) {
            connection.closing(CloseReason::WrongServer);
            return Err(RecycleError::message("another server is wanted"));
        }
        if connection.last_used.elapsed() > CHECK_AFTER_IDLE {
            let answer = tokio::time::timeout(
                self.config.recovery_timeout,
                Box::pin(connection.client().check_connection()),
            )
            .await;
            match answer {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(RecycleError::message(error.to_string())),
                Err(_) => return Err(RecycleError::message("no answer")),
            }
        }
        connection.last_used = Instant::now();
        connection.closing(CloseReason::PoolClosed);
        Ok(())
    }
}
