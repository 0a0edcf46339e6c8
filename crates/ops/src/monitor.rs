//! The one connection that runs every query.

use std::time::Duration;

use neobank_db::{
    Database, DatabaseConfig, DatabaseError, Executor, FromRow, Statement, Transaction,
    TransactionOptions, pipeline, read_lossy, statement,
};
use sea_query::{PostgresQueryBuilder, QueryStatementWriter};

use crate::error::OpsError;
use crate::section::{Cause, Reason, Section, Unreadable};
use crate::server_version::ServerVersion;
use crate::statement_text::{HasStatement, without_secrets};

/// A monitor that runs queries over one bounded connection, so that monitoring cannot overload a
/// server.
///
/// Every query is a transaction of its own, because the server shows one and the same state of its
/// sessions throughout a transaction. It is read only, waits for a lock no longer than
/// [`MonitorLimits::lock_timeout`], and runs no longer than [`MonitorLimits::statement_timeout`].
/// It finds functions and tables in `pg_catalog` alone where a name has no schema, and uses neither
/// parallel workers nor compiled plans. Concurrent queries wait for each other.
///
/// # Example
///
/// ```
/// use neobank_db::DatabaseConfig;
/// use neobank_ops::{Monitor, MonitorLimits};
///
/// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let monitor = Monitor::connect(DatabaseConfig::from_url(server.url())?, MonitorLimits::default()).await?;
/// assert!(monitor.server_version().major() >= 15);
/// # Ok::<(), neobank_ops::OpsError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Monitor {
    database: Database,
    version: ServerVersion,
    limits: MonitorLimits,
    shows_statements: bool,
}

/// Limits of a query's time on the server, and of a caller's wait for the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MonitorLimits {
    /// The server's limit on a query: 5 s by default; 1 ms to 24 days.
    pub statement_timeout: Duration,
    /// The server's limit on a wait for a lock: 100 ms by default; at least 1 ms, below
    /// `statement_timeout`. A query that queues behind a change of a table thus leaves the queue
    /// before other sessions wait behind it for long.
    pub lock_timeout: Duration,
    /// The limit of a query's wait for earlier queries: 30 s by default.
    pub turn_timeout: Duration,
}

impl MonitorLimits {
    const MILLISECONDS_MAX: u128 = 2_147_483_647;

    /// Returns the same limits with another statement timeout.
    #[must_use]
    pub const fn with_statement_timeout(mut self, limit: Duration) -> Self {
        self.statement_timeout = limit;
        self
    }

    /// Returns the same limits with another lock timeout.
    #[must_use]
    pub const fn with_lock_timeout(mut self, limit: Duration) -> Self {
        self.lock_timeout = limit;
        self
    }

    /// Returns the same limits with another limit on the wait for earlier queries.
    #[must_use]
    pub const fn with_turn_timeout(mut self, limit: Duration) -> Self {
        self.turn_timeout = limit;
        self
    }

    fn check(&self) -> Result<(), OpsError> {
        let show = |limit: Duration| format!("{limit:?}");
        if !(1..=Self::MILLISECONDS_MAX).contains(&self.statement_timeout.as_millis()) {
            return Err(OpsError::invalid(
                "statement_timeout",
                &show(self.statement_timeout),
                "between 1 ms and 24 days",
            ));
        }
        if self.lock_timeout.as_millis() == 0 || self.lock_timeout >= self.statement_timeout {
            return Err(OpsError::invalid(
                "lock_timeout",
                &show(self.lock_timeout),
                format!(
                    "at least 1 ms and below statement_timeout, which is {:?}",
                    self.statement_timeout
                ),
            ));
        }
        if !(1..=Self::MILLISECONDS_MAX).contains(&self.turn_timeout.as_millis()) {
            return Err(OpsError::invalid(
                "turn_timeout",
                &show(self.turn_timeout),
                "between 1 ms and 24 days",
            ));
        }
        Ok(())
    }
}

impl Default for MonitorLimits {
    fn default() -> Self {
        Self {
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_millis(100),
            turn_timeout: Duration::from_secs(30),
        }
    }
}

impl Monitor {
    /// The `application_name` of the monitor's own session in `pg_stat_activity`.
    pub const APPLICATION_NAME: &'static str = "neobank-ops";

    /// Connects, and reads the server's version.
    ///
    /// Host, database, user, TLS and pooler are the configuration's; its pool becomes one
    /// connection, and its limits are replaced by `limits`.
    ///
    /// # Errors
    ///
    /// [`OpsError::Invalid`] for invalid limits, [`OpsError::Database`] when the server cannot be
    /// reached, [`OpsError::UnsupportedVersion`] below PostgreSQL 15.
    pub async fn connect(
        mut config: DatabaseConfig,
        limits: MonitorLimits,
    ) -> Result<Self, OpsError> {
        limits.check()?;
        config.application_name = Self::APPLICATION_NAME.to_owned();
        config.pool_min = 0;
        config.pool_max = 1;
        config.auto_size = None;
        config.acquire_timeout = limits.turn_timeout;
        config.statement_timeout = limits.statement_timeout;
        config.lock_timeout = limits.lock_timeout;
        // A database with hostile settings is monitored too, and the monitor reports them.
        config.reject_hostile_settings = false;
        let database = Database::connect(config).await?;
        // Read only, as every query is: a standby begins no other transaction.
        let transaction = begin(&database, limits).await?;
        let number: i32 = transaction
            .fetch_value(statement(
                "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4",
                [],
            ))
            .await?;
        // A conflict with recovery may end the session here; the rows that were read are valid.
        let _ = transaction.commit().await;
        Ok(Self {
            database,
            version: ServerVersion::from_number(u32::try_from(number).unwrap_or_default())?,
            limits,
            shows_statements: true,
        })
    }

    /// Returns a monitor over the same connection that leaves the texts of statements out of its
    /// results. Otherwise they are shown without secrets
    /// ([`without_secrets`](crate::without_secrets)), but still contain customers' data.
    #[must_use]
    pub fn without_statements(&self) -> Self {
        Self {
            shows_statements: false,
            ..self.clone()
        }
    }

    /// Removes or redacts the statements of the rows.
    pub(crate) fn shown<T: HasStatement>(&self, mut rows: Vec<T>) -> Vec<T> {
        for row in &mut rows {
            let statement = row.statement_mut();
            *statement = statement
                .take()
                .filter(|_| self.shows_statements)
                .map(|text| without_secrets(&text));
        }
        rows
    }

    /// Returns the server's version at the time of the connection.
    #[must_use]
    pub const fn server_version(&self) -> ServerVersion {
        self.version
    }

    /// Returns the configuration of the connection.
    #[must_use]
    pub fn config(&self) -> &DatabaseConfig {
        self.database.config()
    }

    /// Returns a monitor over the same connection with other limits, for long queries such as an
    /// exact measurement of a table.
    ///
    /// # Errors
    ///
    /// [`OpsError::Invalid`]. The limit of the wait for earlier queries does not change.
    pub fn with_limits(&self, limits: MonitorLimits) -> Result<Self, OpsError> {
        limits.check()?;
        Ok(Self {
            limits,
            ..self.clone()
        })
    }

    /// Returns the rows of a query that a report cannot do without.
    ///
    /// # Errors
    ///
    /// [`OpsError::Database`].
    pub async fn fetch<T: FromRow + Send>(&self, query: Statement) -> Result<Vec<T>, OpsError> {
        match self.run(query).await? {
            (rows, None) => Ok(rows),
            (_, Some(unreadable)) => Err(DatabaseError::Row {
                reason: unreadable.reason,
            }
            .into()),
        }
    }

    /// Returns the rows of a query, or the reason why the server does not return them.
    ///
    /// # Errors
    ///
    /// [`OpsError::Database`] for a failure of more than this query: a lost connection, a server
    /// that stops.
    pub async fn section<T: FromRow + Send>(
        &self,
        query: Statement,
    ) -> Result<Section<Vec<T>>, OpsError> {
        match self.run(query).await {
            Ok((rows, unreadable)) => Ok(Section::of_rows(rows, unreadable)),
            Err(error) => match Reason::of(&error) {
                Some(reason) => Ok(Section::NotAvailable { reason }),
                None => Err(error.into()),
            },
        }
    }

    /// Runs a query as [`Monitor::section`], and once more after a lock timeout. A query that skips
    /// locked relations then sees a lock that was requested after its first look at the locks.
    pub(crate) async fn section_past_locks<T: FromRow + Send>(
        &self,
        query: Statement,
    ) -> Result<Section<Vec<T>>, OpsError> {
        let section = self.section(query.clone()).await?;
        if section
            .reason()
            .is_some_and(|reason| reason.cause == Cause::LockTimeout)
        {
            return self.section(query).await;
        }
        Ok(section)
    }

    /// Begins a transaction as every query has one, for several statements on one session. Other
    /// queries wait until it ends.
    ///
    /// # Errors
    ///
    /// [`OpsError::Database`].
    pub async fn transaction(&self) -> Result<Transaction, OpsError> {
        let transaction = self.begin().await?;
        transaction.query(statement(SETTINGS, [])).await?;
        Ok(transaction)
    }

    /// Returns the result of several statements in one transaction, or the reason why the server
    /// rejects one of them.
    pub(crate) async fn in_transaction<T>(
        &self,
        run: impl AsyncFnOnce(&Transaction) -> Result<T, OpsError>,
    ) -> Result<Section<T>, OpsError> {
        let result = match self.transaction().await {
            Ok(transaction) => {
                let result = run(&transaction).await;
                // The server ends the transaction by itself when this does not arrive.
                let _ = transaction.rollback().await;
                result
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(value) => Ok(Section::available(value)),
            Err(OpsError::Database(error)) => match Reason::of(&error) {
                Some(reason) => Ok(Section::NotAvailable { reason }),
                None => Err(error.into()),
            },
            Err(error) => Err(error),
        }
    }

    async fn begin(&self) -> Result<Transaction, DatabaseError> {
        begin(&self.database, self.limits).await
    }

    async fn run<T: FromRow + Send>(
        &self,
        query: Statement,
    ) -> Result<(Vec<T>, Option<Unreadable>), DatabaseError> {
        let transaction = self.begin().await?;
        let result = pipeline(
            transaction.query(statement(SETTINGS, [])),
            transaction.query(query),
        )
        .await;
        match result {
            Ok((_, rows)) => {
                // A read-only transaction has nothing to lose: its rows are valid, also when a
                // conflict with recovery ends the session before the commit returns.
                let _ = transaction.commit().await;
                Ok(readable(rows.iter().map(read_lossy)))
            }
            Err(error) => {
                // The server ends the transaction by itself when this does not arrive.
                let _ = transaction.rollback().await;
                Err(error)
            }
        }
    }
}

async fn begin(database: &Database, limits: MonitorLimits) -> Result<Transaction, DatabaseError> {
    database
        .begin_with(
            TransactionOptions::default()
                .with_read_only(true)
                .with_lock_timeout(Some(limits.lock_timeout))
                .with_statement_timeout(Some(limits.statement_timeout)),
        )
        .await
}

/// Returns the readable rows, and the number of the others.
fn readable<T>(
    rows: impl Iterator<Item = Result<T, DatabaseError>>,
) -> (Vec<T>, Option<Unreadable>) {
    let mut unreadable: Option<Unreadable> = None;
    let rows = rows
        .filter_map(|row| match row {
            Ok(row) => Some(row),
            Err(error) => {
                let found = unreadable.get_or_insert_with(|| Unreadable {
                    rows: 0,
                    reason: error.to_string(),
                });
                found.rows = found.rows.saturating_add(1);
                None
            }
        })
        .collect();
    (rows, unreadable)
}

/// Compiling a plan takes longer than these queries, and a monitor must take no parallel workers
/// from the bank.
const SETTINGS: &str = "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), \
    pg_catalog.set_config('jit', 'off', true), \
    pg_catalog.set_config('max_parallel_workers_per_gather', '0', true)";

/// Builds a statement of sea-query for PostgreSQL, with its parameters.
#[must_use]
pub fn build(query: &impl QueryStatementWriter) -> Statement {
    let (text, values) = query.build(PostgresQueryBuilder);
    statement(&text, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_out_of_range_are_rejected() {
        let good = MonitorLimits::default();
        assert!(good.check().is_ok());
        let second = Duration::from_secs(1);
        for (limits, field) in [
            (
                good.with_statement_timeout(Duration::ZERO),
                "statement_timeout",
            ),
            (
                good.with_statement_timeout(Duration::MAX),
                "statement_timeout",
            ),
            (good.with_lock_timeout(Duration::ZERO), "lock_timeout"),
            (
                good.with_lock_timeout(second)
                    .with_statement_timeout(second),
                "lock_timeout",
            ),
            (good.with_turn_timeout(Duration::ZERO), "turn_timeout"),
        ] {
            let error = limits.check().unwrap_err();
            assert!(
                matches!(&error, OpsError::Invalid { field: wrong, .. } if wrong == field),
                "{error}"
            );
        }
    }
}
