//! Opens and checks connections for the pool.

use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};

use crate::config::DatabaseConfig;
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::tls::Connector;

/// An idle connection may have been cut by a firewall or a failover without a word; after this long it is asked first.
const CHECK_AFTER_IDLE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Manager {
    pub(crate) config: DatabaseConfig,
    pub(crate) connector: Connector,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = DatabaseError;

    async fn create(&self) -> Result<Connection, DatabaseError> {
        Connection::open(&self.config, &self.connector).await
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        _: &Metrics,
    ) -> RecycleResult<DatabaseError> {
        if !connection.clean {
            return Err(RecycleError::message(
                "the state of its transaction is not known",
            ));
        }
        if connection.client().is_closed() {
            return Err(RecycleError::message("closed"));
        }
        if connection.last_used.elapsed() > CHECK_AFTER_IDLE {
            let answer = tokio::time::timeout(
                self.config.recovery_timeout,
                connection.client().check_connection(),
            )
            .await;
            match answer {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(DatabaseError::from_driver(&error).into()),
                Err(_) => return Err(RecycleError::message("no answer")),
            }
        }
        connection.last_used = Instant::now();
        Ok(())
    }
}
