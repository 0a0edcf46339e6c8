//! The opening of a pool, and the inspection of its server.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::Database;
use crate::config::{DatabaseConfig, Pooler};
use crate::connection::{HostileSetting, inspect_settings, reject_hostile};
use crate::error::DatabaseError;
use crate::pool::{Connections, PooledConnection, Sizer};
use crate::pooler;

impl Database {
    /// Validates the configuration, opens `pool_min` connections (at least one, to prove that it
    /// works) and returns the pool.
    ///
    /// # Errors
    ///
    /// * [`DatabaseError::Config`]: a field of the configuration is wrong.
    /// * [`DatabaseError::Connect`]: the server cannot be reached or rejects the connection.
    /// * [`DatabaseError::Pooler`]: a pooler that the configuration does not declare was detected.
    /// * [`DatabaseError::HostileSetting`]: a setting endangers the data.
    pub async fn connect(config: DatabaseConfig) -> Result<Self, DatabaseError> {
        config.validate()?;
        let config = Arc::new(config);
        let mut database = Self {
            connections: Connections::new(Arc::clone(&config), Sizer::first_size(&config))?,
            config,
            deadline: None,
            hostile_settings: Arc::default(),
        };
        database.hostile_settings = database.open_minimum().await?.into();
        database.close_idle_connections_from_now_on();
        Sizer::start(&database.connections, &database.config);
        Ok(database)
    }

    async fn open_minimum(&self) -> Result<Vec<HostileSetting>, DatabaseError> {
        let mut opened = Vec::new();
        for _ in 0..self.config.pool_min.max(1) {
            opened.push(self.connections.take(Location::caller(), None).await?);
        }
        match opened.first() {
            Some(first) => self.inspect(first).await,
            None => Ok(Vec::new()),
        }
    }

    /// Inspects the server's settings and looks for a pooler, once.
    async fn inspect(
        &self,
        pooled: &PooledConnection,
    ) -> Result<Vec<HostileSetting>, DatabaseError> {
        let connection = pooled.connection();
        pooled.mark_dirty();
        let inspection = pooled
            .answer(Box::pin(inspect_settings(connection, &self.config)))
            .await;
        let inspection = match inspection {
            Ok(inspection) => inspection,
            // The pool opens all the same: an overloaded server may not answer this query.
            Err(error) => {
                tracing::warn!("the server's settings could not be looked at: {error}");
                return Ok(Vec::new());
            }
        };
        pooled.mark_clean();
        let announced = connection.announced_process_id().await;
        let is_made_up = announced.is_some_and(|announced| announced != inspection.process_id);
        if is_made_up && self.config.pooler == Pooler::None {
            self.reject_pooler().await?;
        }
        for setting in &inspection.hostile {
            tracing::warn!("a setting endangers the data: {setting}");
        }
        if self.config.reject_hostile_settings {
            reject_hostile(&inspection.hostile)?;
        }
        Ok(inspection.hostile)
    }

    /// Rejects an undeclared pooler that does not keep sessions. A pooler in session mode is
    /// accepted.
    async fn reject_pooler(&self) -> Result<(), DatabaseError> {
        let looking = Box::pin(pooler::inspect(&self.config));
        // A small session-mode pool may not admit the two further connections in time.
        match tokio::time::timeout(self.config.connect_timeout, looking).await {
            Ok(Ok(between)) => match between.objection(self.config.pooler) {
                Some(objection) => Err(DatabaseError::Pooler { objection }),
                None => Ok(()),
            },
            Ok(Err(error)) => {
                tracing::warn!("it is not known which mode the pooler is in: {error}");
                Ok(())
            }
            Err(_) => {
                tracing::warn!("it is not known which mode the pooler is in: no answer");
                Ok(())
            }
        }
    }

    fn close_idle_connections_from_now_on(&self) {
        let pool = self.connections.downgrade();
        let idle_timeout = self.config.idle_timeout;
        let keep = self.config.pool_min;
        let pause = (idle_timeout / 2).clamp(Duration::from_millis(10), Duration::from_secs(30));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                // The task ends with the last clone of the pool.
                let Some(pool) = pool.upgrade() else { return };
                pool.close_unused(idle_timeout, keep);
            }
        });
    }
}
