//! Session locks: locks on a connection of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use neobank_entity::functions::concurrency::{LockKey, TakeLocks};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::answer::{self, Granted};
use super::error::LockError;
use super::keepalive::{LockSession, Validity, keep_alive};
use super::name::LockName;
use super::options::SessionLockOptions;
use super::token::FencingToken;
use crate::config::{DatabaseConfig, Pooler};
use crate::connection::Connection;
use crate::database::Database;
use crate::error::DatabaseError;

/// The time beyond the lock's timeout that the server, and twice that the client, waits for the
/// statement that acquires it.
const GRACE: Duration = Duration::from_secs(2);

/// The setting that marks a session as belonging to one lock.
const MARKER: &str = "neobank.session_lock";

/// Locks on a connection of their own, for work that no single transaction can hold: the statements
/// of a long run, or work outside of the database.
///
/// * [`SessionLock::release`] releases them. Dropping the value, also in a panic, closes the
///   connection at once.
/// * A background task sends keep-alives. The server ends a silent session, so a holder that was
///   killed, stalled or cut off is replaced shortly after [`SessionLockOptions::release_after`].
/// * [`SessionLock::lost`] and [`SessionLock::is_lost`] report a loss. A stalled holder notices it
///   too late, so its writes need [`check_fencing_token`](super::check_fencing_token).
/// * Not re-entrant: each value has its own connection, so a second one for the same name waits for
///   the first, even in the same task.
/// * Each value needs a connection to the server besides those of the pool.
/// * Rejected behind a pooler in transaction mode, where mutual exclusion does not hold. An
///   undeclared pooler is detected when it gives one server session to two locks, or a second
///   session to one lock.
///
/// # Example
///
/// ```
/// use neobank_db::{Database, DatabaseConfig};
/// use neobank_db::locks::{LockError, LockName, SessionLock, SessionLockOptions};
///
/// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
/// # let runtime = tokio::runtime::Runtime::new().unwrap();
/// # runtime.block_on(async {
/// # let rollout = neobank_migration::Rollout::connect(server.url(), Default::default());
/// # rollout.await.unwrap().up().await.unwrap();
/// let database = Database::connect(DatabaseConfig::from_url(server.url())?).await?;
/// let name = LockName::new("report", "month")?;
/// let lock = SessionLock::acquire(&database, &[name], &SessionLockOptions::default()).await?;
/// tokio::select! {
///     reason = lock.lost() => return Err(LockError::Lost { reason }.into()),
///     () = write_the_report() => {}
/// }
/// lock.release().await?;
/// # async fn write_the_report() {}
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct SessionLock {
    granted: Granted,
    session: Arc<LockSession>,
    validity: watch::Receiver<Validity>,
    keepalive: AbortHandle,
}

impl SessionLock {
    /// Opens a connection and locks all these names on it, or none of them.
    ///
    /// When the caller drops the future, the wait in the server is cancelled and the connection is
    /// closed.
    ///
    /// # Errors
    ///
    /// [`LockError`]; [`LockError::Pooler`] where a session could not keep the lock.
    pub async fn acquire(
        database: &Database,
        names: &[LockName],
        options: &SessionLockOptions,
    ) -> Result<Self, LockError> {
        options.validate()?;
        answer::milliseconds(options.timeout)?;
        if database.config().pooler == Pooler::Transaction {
            return Err(pooler(
                "the configuration says that there is a pooler in transaction mode",
            ));
        }
        let config = session_config(database.config(), options);
        let acquisition = LockAcquisition {
            connection: Some(Connection::open(&config, database.connector()).await?),
            waiting: AtomicBool::new(false),
            limit: config.recovery_timeout,
        };
        let marker = Uuid::now_v7().to_string();
        let process_id = acquisition.claim(&marker, options, &config).await?;
        let granted = acquisition
            .take(names, options, process_id, &marker)
            .await?;
        let (connection, limit) = acquisition.finish()?;
        let session = LockSession {
            connection,
            process_id,
            marker,
        };
        let sent = Instant::now();
        if !tokio::time::timeout(limit, session.holds(&granted.keys()))
            .await
            .map_err(|_| DatabaseError::NoAnswer { waited: limit })??
        {
            return Err(pooler("another session answered after the lock was taken"));
        }
        let session = Arc::new(session);
        let (sender, validity) = watch::channel(Validity::until(sent + options.release_after));
        let keepalive =
            tokio::spawn(keep_alive(Arc::clone(&session), sender, options.clone())).abort_handle();
        Ok(Self {
            granted,
            session,
            validity,
            keepalive,
        })
    }

    /// Returns the names in the order in which they were locked, without duplicates.
    pub fn names(&self) -> impl Iterator<Item = &LockName> {
        self.granted.names()
    }

    /// Returns the fencing token of a name; `None` for a name outside of the set. The token is
    /// durable.
    #[must_use]
    pub fn fencing_token(&self, name: &LockName) -> Option<FencingToken> {
        self.granted.fencing_token(name)
    }

    /// Returns the time until which no other holder can have the lock, whatever happens to this
    /// process. Each keep-alive extends it.
    #[must_use]
    pub fn valid_until(&self) -> Instant {
        self.validity.borrow().until
    }

    /// Returns true when the lock is lost or may be lost. Correct even when this process was
    /// stalled and the background task has not run since. A lost lock is never restored.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.validity.borrow().lost().is_some()
    }

    /// Waits until the lock is lost, and returns the reason. A broken connection is noticed within
    /// [`SessionLockOptions::keepalive_interval`].
    pub async fn lost(&self) -> String {
        let mut validity = self.validity.clone();
        loop {
            let until = {
                let validity = validity.borrow_and_update();
                if let Some(reason) = validity.lost() {
                    return reason;
                }
                validity.until
            };
            tokio::select! {
                // An error means that the task has ended; it records the reason before that.
                changed = validity.changed() => if changed.is_err() {
                    let reason = validity.borrow().lost();
                    return reason.unwrap_or_else(|| "the keep-alive has ended".to_owned());
                },
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    /// Releases the lock, and confirms that it was held until now.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`]: another holder may have had the lock since, so the work under it may be
    /// invalid.
    pub async fn release(self) -> Result<(), LockError> {
        self.keepalive.abort();
        let (until, lost) = {
            let validity = self.validity.borrow();
            (validity.until, validity.lost())
        };
        if let Some(reason) = lost {
            return Err(LockError::Lost { reason });
        }
        let keys = self.granted.keys();
        let released = self.session.unlock(&keys);
        match tokio::time::timeout_at(until.into(), released).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(LockError::Lost {
                reason: "the server did not know of it".to_owned(),
            }),
            Ok(Err(error)) => Err(LockError::Lost {
                reason: error.to_string(),
            }),
            Err(_) => Err(LockError::Lost {
                reason: "the server did not answer in time".to_owned(),
            }),
        }
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        self.keepalive.abort();
        self.session.connection.close();
    }
}

/// A connection on which a lock is being acquired. Dropped before the end, it cancels the running
/// statement and closes.
struct LockAcquisition {
    /// Taken only by `finish` and `drop`.
    connection: Option<Connection>,
    /// True while a statement is sent and not answered.
    waiting: AtomicBool,
    limit: Duration,
}

impl LockAcquisition {
    fn connection(&self) -> Result<&Connection, DatabaseError> {
        self.connection
            .as_ref()
            .ok_or_else(|| DatabaseError::ConnectionLost {
                reason: "closed".to_owned(),
                server: None,
            })
    }

    /// Marks the session as belonging to this lock, and returns its server process.
    async fn claim(
        &self,
        marker: &str,
        options: &SessionLockOptions,
        config: &DatabaseConfig,
    ) -> Result<i32, LockError> {
        const LOOK: &str =
            "SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting($1, true)";
        const CLAIM: &str = "SELECT
            pg_catalog.set_config($1, $2, false),
            pg_catalog.set_config('default_transaction_isolation', 'read committed', false),
            pg_catalog.set_config('default_transaction_read_only', 'off', false),
            pg_catalog.set_config('idle_session_timeout', $3, false),
            pg_catalog.set_config('idle_in_transaction_session_timeout', $3, false),
            CASE WHEN pg_catalog.version() LIKE '%linux%'
                THEN pg_catalog.set_config('client_connection_check_interval', $3, false) END";
        let limit = config.connect_timeout;
        let row = self.row(limit, LOOK, &[(&MARKER, Type::TEXT)]).await?;
        let process_id: i32 = row.try_get(0).map_err(DatabaseError::row)?;
        let known: Option<&str> = row.try_get(1).map_err(DatabaseError::row)?;
        if known.is_some_and(|marker| !marker.is_empty()) {
            return Err(pooler("the server session has another lock already"));
        }
        // A single client cannot see whether the pooler keeps its sessions apart, so every pooler
        // is rejected.
        let announced = self.connection()?.announced_process_id().await;
        if announced.is_some_and(|announced| announced != process_id) {
            return Err(pooler(
                "a pooler between the client and the server invented the process id",
            ));
        }
        let silence = format!("{}ms", options.release_after.as_millis());
        self.row(
            limit,
            CLAIM,
            &[
                (&MARKER, Type::TEXT),
                (&marker, Type::TEXT),
                (&silence, Type::TEXT),
            ],
        )
        .await?;
        Ok(process_id)
    }

    /// Acquires the locks for the transaction of the statement first, and then for the session. A
    /// transaction releases its locks after an error, whereas a session's wait can end with both
    /// the error and the lock. The second step never waits.
    async fn take(
        &self,
        names: &[LockName],
        options: &SessionLockOptions,
        process_id: i32,
        marker: &str,
    ) -> Result<Granted, LockError> {
        let take = format!(
            "SELECT taken.*, CASE
                WHEN taken.outcome = 'granted' AND pg_catalog.pg_backend_pid() = $4
                    AND pg_catalog.current_setting($5, true) IS NOT DISTINCT FROM $6
                THEN pg_catalog.pg_try_advisory_lock(
                    {}(taken.namespace, taken.identifier)) END AS kept
            FROM {}($1, $2, $3) AS taken",
            LockKey::NAME,
            TakeLocks::NAME
        );
        let (namespaces, identifiers) = answer::parts(names);
        let milliseconds = answer::milliseconds(options.timeout)?;
        let limit = options.timeout.saturating_add(2 * GRACE);
        let started = Instant::now();
        let rows = self
            .rows(
                limit,
                &take,
                &[
                    (&namespaces, Type::TEXT_ARRAY),
                    (&identifiers, Type::TEXT_ARRAY),
                    (&milliseconds, Type::INT4),
                    (&process_id, Type::INT4),
                    (&MARKER, Type::TEXT),
                    (&marker, Type::TEXT),
                ],
            )
            .await
            .map_err(|error| answer::failure(error, options.timeout))?;
        let granted = answer::read(&rows, started.elapsed())?;
        for row in &rows {
            if answer::get::<Option<bool>>(row, "kept")? != Some(true) {
                return Err(pooler("another session answered when the lock was taken"));
            }
        }
        Ok(granted)
    }

    /// Returns the connection, after the server has answered everything that was sent.
    fn finish(mut self) -> Result<(Connection, Duration), DatabaseError> {
        let limit = self.limit;
        let connection = self
            .connection
            .take()
            .ok_or_else(|| DatabaseError::ConnectionLost {
                reason: "closed".to_owned(),
                server: None,
            })?;
        Ok((connection, limit))
    }

    async fn row(
        &self,
        limit: Duration,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Row, DatabaseError> {
        let rows = self.rows(limit, sql, parameters).await?;
        rows.into_iter().next().ok_or(DatabaseError::NoRow)
    }

    async fn rows(
        &self,
        limit: Duration,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, DatabaseError> {
        let connection = self.connection()?;
        self.waiting.store(true, Ordering::Release);
        let answer = tokio::time::timeout(limit, connection.client().query_typed(sql, parameters))
            .await
            .map_err(|_| DatabaseError::NoAnswer { waited: limit })?;
        self.waiting.store(false, Ordering::Release);
        answer.map_err(|error| DatabaseError::from_driver(&error))
    }
}

impl Drop for LockAcquisition {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        if !*self.waiting.get_mut() {
            return;
        }
        // The server does not read its socket while it waits for a lock, so the wait is cancelled
        // explicitly.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let limit = self.limit;
            runtime.spawn(async move {
                if let Ok(Err(reason)) = tokio::time::timeout(limit, connection.cancel()).await {
                    tracing::debug!("the wait for a lock was not cancelled: {reason}");
                }
                drop(connection);
            });
        }
    }
}

/// Returns the limits of the session: the wait for the lock, and silence within a transaction.
fn session_config(config: &DatabaseConfig, options: &SessionLockOptions) -> DatabaseConfig {
    let mut config = config.clone();
    config.statement_timeout = options.timeout.saturating_add(GRACE);
    config.idle_in_transaction_timeout = options.release_after;
    config
}

fn pooler(reason: &str) -> LockError {
    LockError::Pooler {
        reason: reason.to_owned(),
    }
}
