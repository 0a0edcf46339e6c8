//! The connections of a pool, and their checkout and return.

use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{Object, Pool, PoolError, QueueMode, WeakPool};
use tokio::time::Instant;

use super::checkouts::ActiveCheckout;
use super::connect_throttle::ConnectThrottle;
use super::event::CloseReason;
use super::manager::{Manager, OpenError};
use super::monitor::Monitor;
use super::report::{Advice, NAMED, PoolReport};
use super::semaphore::{AcquireError, Permit, Semaphore};
use crate::config::DatabaseConfig;
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::pool::PooledConnection;
use crate::tls::Connector;

/// The connections of one pool. Cheap to clone.
///
/// The store has room for `pool_max` connections, and the semaphore in front of it limits how many
/// there are. The store's own resizing is not used, because it does not lower the limit while fewer
/// connections exist than the new size allows.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    store: Pool<Manager>,
    pub(crate) semaphore: Arc<Semaphore>,
    pub(crate) monitor: Arc<Monitor>,
    connect_throttle: Arc<ConnectThrottle>,
    config: Arc<DatabaseConfig>,
}

/// A weak reference to [`Connections`], which does not keep them open.
#[derive(Debug)]
pub(crate) struct WeakConnections {
    store: WeakPool<Manager>,
    semaphore: Arc<Semaphore>,
    monitor: Arc<Monitor>,
    connect_throttle: Arc<ConnectThrottle>,
    config: Arc<DatabaseConfig>,
}

/// A connection in use, with its permit. Dropped, it returns to the pool, which closes it unless it
/// is clean.
pub(crate) struct CheckedOut {
    /// Both are taken out only at the end.
    object: Option<Object<Manager>>,
    permit: Option<Permit>,
    pub(crate) checkout: Arc<ActiveCheckout>,
    pub(crate) monitor: Arc<Monitor>,
    connect_throttle: Arc<ConnectThrottle>,
}

/// The number of connections in the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub(crate) open: usize,
    pub(crate) idle: usize,
}

impl Connections {
    /// Creates a pool without opening a connection.
    pub(crate) fn new(config: Arc<DatabaseConfig>, size: usize) -> Result<Self, DatabaseError> {
        let monitor = Monitor::new();
        let connect_throttle = Arc::new(ConnectThrottle::default());
        let manager = Manager {
            connector: Connector::new(&config.tls)?,
            config: DatabaseConfig::clone(&config),
            monitor: Arc::clone(&monitor),
            connect_throttle: Arc::clone(&connect_throttle),
        };
        let store = Pool::builder(manager)
            .max_size(config.pool_max)
            .wait_timeout(Some(config.acquire_timeout))
            // Opening has its own timeout for each address.
            .create_timeout(None)
            .recycle_timeout(Some(config.recovery_timeout))
            // Last in, first out: surplus connections become idle and are closed.
            .queue_mode(QueueMode::Lifo)
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(|error| DatabaseError::Connect {
                reason: error.to_string(),
                server: None,
            })?;
        Ok(Self {
            store,
            semaphore: Semaphore::new(size, config.waiters_max),
            monitor,
            connect_throttle,
            config,
        })
    }

    /// Returns how connections outside of the pool are protected.
    pub(crate) fn connector(&self) -> &Connector {
        &self.store.manager().connector
    }

    pub(crate) fn downgrade(&self) -> WeakConnections {
        WeakConnections {
            store: self.store.weak(),
            semaphore: Arc::clone(&self.semaphore),
            monitor: Arc::clone(&self.monitor),
            connect_throttle: Arc::clone(&self.connect_throttle),
            config: Arc::clone(&self.config),
        }
    }

    /// Checks out a connection for the caller at `location`, until `deadline` if there is one.
    pub(crate) async fn take(
        &self,
        location: &'static Location<'static>,
        deadline: Option<std::time::Instant>,
    ) -> Result<PooledConnection, DatabaseError> {
        let started = Instant::now();
        let limit = match deadline {
            None => self.config.acquire_timeout,
            Some(deadline) => deadline
                .saturating_duration_since(std::time::Instant::now())
                .min(self.config.acquire_timeout),
        };
        if limit.is_zero() {
            return Err(DatabaseError::deadline("a connection was asked for"));
        }
        let permit = self
            .semaphore
            .acquire(limit)
            .await
            .map_err(|error| self.acquire_error(error, started.elapsed()))?;
        loop {
            // Registered before the attempt, so that no notification is missed in between.
            let mut changed = pin!(self.connect_throttle.changed());
            changed.as_mut().enable();
            let deferred = match self.store.get().await {
                Ok(object) => {
                    let id = object.lifetime.as_ref().map_or(0, |lifetime| lifetime.id());
                    let checkout = self.monitor.checked_out(id, started.elapsed(), location);
                    let checked_out = CheckedOut {
                        object: Some(object),
                        permit: Some(permit),
                        checkout,
                        monitor: Arc::clone(&self.monitor),
                        connect_throttle: Arc::clone(&self.connect_throttle),
                    };
                    return Ok(PooledConnection::new(
                        checked_out,
                        Arc::clone(&self.config),
                        deadline,
                    ));
                }
                Err(PoolError::Backend(OpenError::Deferred(deferred))) => deferred,
                Err(PoolError::Backend(OpenError::Failed(error))) => return Err(error),
                Err(PoolError::Closed) => return Err(DatabaseError::PoolClosed),
                Err(other) => {
                    return Err(DatabaseError::Connect {
                        reason: format!("{other:?}"),
                        server: None,
                    });
                }
            };
            let last = started + limit;
            let until = deferred.retry_at.map_or(last, |at| at.min(last));
            if tokio::time::timeout_at(until, changed).await.is_err() && Instant::now() >= last {
                // Connections could not be opened; the other callers' use of the pool is not the
                // cause.
                let waited = started.elapsed();
                return Err(match self.connect_throttle.last_failure() {
                    Some(failure) => {
                        self.monitor.timed_out(waited);
                        failure
                    }
                    None => self.acquire_error(AcquireError::TimedOut, waited),
                });
            }
        }
    }

    /// Changes the size, and closes surplus idle connections. Returns the sizes before and after.
    pub(crate) fn resize(&self, size: usize) -> (usize, usize) {
        let to = size.clamp(1, self.config.pool_max);
        let from = self.semaphore.status().size;
        let closing = self.semaphore.resize(to, |idle_allowed| {
            let stored = self.stored();
            let mut may_close = stored.idle.saturating_sub(idle_allowed);
            self.close_idle(CloseReason::AboveSize, |_| {
                let close = may_close > 0;
                may_close = may_close.saturating_sub(1);
                close
            })
        });
        drop(closing);
        (from, to)
    }

    pub(crate) fn stored(&self) -> Stored {
        let status = self.store.status();
        Stored {
            open: status.size,
            idle: status.available,
        }
    }

    pub(crate) fn close(&self) {
        self.semaphore.close();
        self.store.close();
    }

    /// Closes connections that were idle for longer than `idle_timeout`, down to `keep`.
    pub(crate) fn close_unused(&self, idle_timeout: Duration, keep: usize) {
        let mut may_close = self.stored().open.saturating_sub(keep);
        drop(self.close_idle(CloseReason::Unused, |connection| {
            let close = may_close > 0 && connection.last_used.elapsed() > idle_timeout;
            may_close = may_close.saturating_sub(usize::from(close));
            close
        }));
    }

    fn close_idle(
        &self,
        reason: CloseReason,
        mut is_to_close: impl FnMut(&Connection) -> bool,
    ) -> Vec<Connection> {
        let mut removed = self
            .store
            .retain(|connection, _| !is_to_close(connection))
            .removed;
        for connection in &mut removed {
            connection.closing(reason);
        }
        removed
    }

    /// Converts the semaphore's error to the caller's.
    fn acquire_error(&self, error: AcquireError, waited: Duration) -> DatabaseError {
        if error == AcquireError::Closed {
            return DatabaseError::PoolClosed;
        }
        self.monitor.timed_out(waited);
        let status = self.semaphore.status();
        let (in_use, pool_max) = (status.in_use, status.size);
        match error {
            AcquireError::Overloaded { waiting } => DatabaseError::PoolOverloaded {
                in_use,
                pool_max,
                waiting,
            },
            _ => {
                let checkouts = self
                    .monitor
                    .checkouts
                    .longer_than(Duration::ZERO, usize::MAX);
                let last_failure = self
                    .connect_throttle
                    .last_failure()
                    .map(|error| error.to_string());
                let advice =
                    Advice::for_checkouts(&checkouts, last_failure, self.config.acquire_timeout);
                DatabaseError::PoolTimeout {
                    waited,
                    in_use,
                    pool_max,
                    waiting: status.waiting,
                    report: Box::new(PoolReport {
                        checkouts: checkouts.into_iter().take(NAMED).collect(),
                        advice,
                    }),
                }
            }
        }
    }
}

impl WeakConnections {
    /// Returns the pool; `None` after its last owner is gone.
    pub(crate) fn upgrade(&self) -> Option<Connections> {
        Some(Connections {
            store: self.store.upgrade()?,
            semaphore: Arc::clone(&self.semaphore),
            monitor: Arc::clone(&self.monitor),
            connect_throttle: Arc::clone(&self.connect_throttle),
            config: Arc::clone(&self.config),
        })
    }
}

impl CheckedOut {
    /// # Panics
    ///
    /// Never: the connection is there until `close` or `drop`.
    #[expect(
        clippy::expect_used,
        reason = "the connection is taken out at the end alone"
    )]
    pub(crate) fn connection(&self) -> &Connection {
        self.object
            .as_ref()
            .expect("a connection is there until it is given back")
    }

    pub(crate) fn connection_mut(&mut self) -> Option<&mut Connection> {
        self.object.as_deref_mut()
    }

    /// Frees the slot in the pool at once and closes the socket; the server rolls the transaction
    /// back.
    pub(crate) fn close(mut self, reason: CloseReason) {
        if let Some(object) = self.object.take() {
            close(object, reason);
        }
    }
}

impl Drop for CheckedOut {
    fn drop(&mut self) {
        self.monitor.given_back(&self.checkout);
        // The connection precedes the permit, so that the next holder of the permit finds the
        // connection.
        match (self.object.take(), self.permit.take()) {
            (Some(object), Some(permit)) => {
                if let Some(surplus) = permit.give_back(object, drop) {
                    close(surplus, CloseReason::AboveSize);
                }
            }
            (_, permit) => drop(permit),
        }
        self.connect_throttle.connection_came_back();
    }
}

fn close(object: Object<Manager>, reason: CloseReason) {
    let mut connection = Object::take(object);
    connection.closing(reason);
    drop(connection);
}
