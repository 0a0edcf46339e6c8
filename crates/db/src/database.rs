//! The pool.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::Statement;
use tokio_postgres::Row;

use crate::config::{DatabaseConfig, Pooler};
use crate::error::DatabaseError;
use crate::executor::{Executor, parameters, typed};
use crate::pool::{
    Checkout, Connections, Counted, Monitor, PoolEvents, PoolMetrics, Sizer, StatementPattern,
};
use crate::pooled_connection::{DEADLINE_GRACE, PooledConnection};
use crate::pooler;
use crate::session::Place;
use crate::settings::{self, HostileSetting};
use crate::tls::Connector;
use crate::transaction::{Transaction, TransactionError, TransactionOptions};

/// A pool of connections to one database. Cheap to clone; all clones share the pool.
///
/// See the [crate](crate) for an example.
#[derive(Clone, Debug)]
pub struct Database {
    connections: Connections,
    config: Arc<DatabaseConfig>,
    /// Of everything that is asked through this handle.
    deadline: Option<Instant>,
    hostile_settings: Arc<[HostileSetting]>,
}

/// What the pool is doing at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Connections at most, whatever the size: `pool_max`.
    pub max: usize,
    /// Connections at most now. A pool that finds its size by itself, or that was resized, may be smaller than `max`.
    pub size: usize,
    /// Connections that are open.
    pub open: usize,
    /// Open connections that nobody has.
    pub idle: usize,
    /// Callers that wait for one.
    pub waiting: usize,
}

impl Database {
    /// Checks the configuration, opens `pool_min` connections (at least one, to see that it works) and returns the pool.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Config`] names what is wrong in the configuration, [`DatabaseError::Connect`] why the server
    /// cannot be reached, [`DatabaseError::Pooler`] what stands before it unnamed, and
    /// [`DatabaseError::HostileSetting`] which setting endangers the data.
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

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &DatabaseConfig {
        &self.config
    }

    /// The settings of the server, the database and the role that endanger what is read or written
    /// here, the worst first, as they were when the pool was opened. Empty is good.
    ///
    /// Each was also written to the log as a warning. What a session of the pool sets itself, such
    /// as its limits, is not among them whatever the defaults are; docs/configuration.md lists what
    /// is.
    #[must_use]
    pub fn hostile_settings(&self) -> &[HostileSetting] {
        &self.hostile_settings
    }

    /// What the pool is doing now.
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

    /// Changes how many connections there may be from now on, and returns the size in force: at least 1 and at most
    /// `pool_max`.
    ///
    /// A larger size lets waiting callers in at once. A smaller one closes idle connections at once and the others as they
    /// come back; nobody's connection is taken away. A pool that finds its size by itself goes on from there.
    #[expect(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn resize(&self, size: usize) -> usize {
        let (from, to) = self.connections.resize(size);
        if from != to {
            self.connections.monitor.resized(from, to, None);
        }
        to
    }

    /// What the pool has counted and measured since it was opened, under OpenTelemetry's names.
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
    /// assert!(metrics.use_time.count() > 0 && metrics.use_time.percentile(95) > std::time::Duration::ZERO);
    /// let text = metrics.to_prometheus();
    /// assert!(text.contains("db_client_connection_count{db_client_connection_pool_name=\"neobank\",\
    ///                        db_client_connection_state=\"idle\"} 1"));
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

    /// What happens in the pool from now on.
    #[must_use]
    pub fn events(&self) -> PoolEvents {
        self.connections.monitor.listen()
    }

    /// Those that have held a connection for at least this long, the longest first: where they took it, and the pattern of
    /// the statement that runs, or ran last.
    #[must_use]
    pub fn leak_suspects(&self, threshold: Duration) -> Vec<Checkout> {
        self.connections
            .monitor
            .checkouts
            .longer_than(threshold, usize::MAX)
    }

    /// The kinds of statement that ran, without their values, those that took most time together first; 501 at most.
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
    ///     database.execute(statement(&format!("SELECT {number} WHERE 'a' IN ('b', 'c')"), [])).await?;
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

    /// A transaction that its owner commits; dropped without that, it is rolled back. `READ COMMITTED`.
    ///
    /// Sends nothing: `BEGIN` goes with the first statement.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::PoolTimeout`], [`DatabaseError::PoolOverloaded`], [`DatabaseError::Connect`].
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<Transaction, DatabaseError>> + Send {
        self.begin_at(TransactionOptions::default(), Location::caller())
    }

    /// As [`Database::begin`], with an isolation level, read only, or limits of its own.
    ///
    /// # Errors
    ///
    /// As [`Database::begin`].
    #[track_caller]
    pub fn begin_with(
        &self,
        options: TransactionOptions,
    ) -> impl Future<Output = Result<Transaction, DatabaseError>> + Send {
        self.begin_at(options, Location::caller())
    }

    /// Runs `work` in a transaction: commits when it returns `Ok`, rolls back when it returns `Err`, panics, or when the
    /// caller's future is dropped.
    ///
    /// # Errors
    ///
    /// * [`TransactionError::Work`]: `work` returned it; everything is rolled back.
    /// * [`TransactionError::Database`]: it kept the transaction from starting or from committing.
    /// * [`TransactionError::NotReplicated`]: it is committed, but the wait for the standby was
    ///   cancelled. It holds what `work` returned.
    /// * [`TransactionError::Unknown`]: the answer to the commit never came. It holds what `work`
    ///   returned.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_db::{Database, DatabaseConfig, DatabaseError, Executor, statement};
    ///
    /// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let database = Database::connect(DatabaseConfig::from_url(server.url())?).await?;
    /// # database.execute(statement("CREATE TABLE public.note (text text)", [])).await?;
    /// database
    ///     .transaction(async |transaction| {
    ///         transaction.execute(statement("INSERT INTO public.note VALUES ($1)", ["kept".into()])).await?;
    ///         Ok::<_, DatabaseError>(())
    ///     })
    ///     .await?;
    /// let refused = database
    ///     .transaction(async |transaction| {
    ///         transaction.execute(statement("INSERT INTO public.note VALUES ($1)", ["lost".into()])).await?;
    ///         Err::<(), _>(DatabaseError::NoRow)
    ///     })
    ///     .await;
    /// assert!(refused.is_err());
    /// let notes: i64 = database.fetch_value(statement("SELECT count(*) FROM public.note", [])).await?;
    /// assert_eq!(notes, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn transaction<T, E>(
        &self,
        work: impl AsyncFnOnce(&mut Transaction) -> Result<T, E>,
    ) -> impl Future<Output = Result<T, TransactionError<E, T>>> {
        self.transaction_at(TransactionOptions::default(), work, Location::caller())
    }

    /// As [`Database::transaction`], with an isolation level, read only, or limits of its own.
    ///
    /// # Errors
    ///
    /// As [`Database::transaction`].
    #[track_caller]
    pub fn transaction_with<T, E>(
        &self,
        options: TransactionOptions,
        work: impl AsyncFnOnce(&mut Transaction) -> Result<T, E>,
    ) -> impl Future<Output = Result<T, TransactionError<E, T>>> {
        self.transaction_at(options, work, Location::caller())
    }

    /// A handle on the same pool, whose every call is to be over by then: the deadline travels with it to whatever is given
    /// the handle, a [`Ledger`](https://docs.rs/neobank-domain) as well as [`Database::retry`].
    ///
    /// The wait for a connection ends by then, with [`DatabaseError::PoolTimeout`]; before each statement the server's
    /// `statement_timeout` and `lock_timeout` are set to what is left, in the same message; nothing is sent after the
    /// deadline, and no commit, so that [`DatabaseError::DeadlineExceeded`] always means that nothing was changed. A silent
    /// server is waited for a second longer than the deadline, and then a commit that was sent in time is
    /// [`DatabaseError::CommitUnknown`]; what became of it is looked into for another second at most, where that is asked
    /// for. So every call is over two seconds after its deadline. Statements that run on the handle itself run in a
    /// transaction of their own, which costs them two more round trips.
    ///
    /// A handle that has a deadline keeps it where that is earlier.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use neobank_db::{Database, DatabaseConfig, DatabaseError, Executor, statement};
    ///
    /// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let database = Database::connect(DatabaseConfig::from_url(server.url())?).await?;
    /// let in_a_hurry = database.with_deadline(Instant::now() + Duration::from_millis(100));
    /// let late = in_a_hurry.execute(statement("SELECT pg_sleep(60)", [])).await;
    /// assert!(matches!(late, Err(DatabaseError::DeadlineExceeded { .. })));
    /// # Ok::<(), DatabaseError>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        let mut handle = self.clone();
        handle.deadline = Some(self.deadline.map_or(deadline, |own| own.min(deadline)));
        handle
    }

    /// The deadline of this handle.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How long a commit whose answer was lost just now is looked into:
    /// [`DatabaseConfig::in_doubt_limit`](crate::DatabaseConfig::in_doubt_limit), and with a deadline not beyond a second
    /// after that, or after now if it has passed.
    #[must_use]
    pub fn in_doubt_limit(&self) -> Duration {
        let limit = self.config().in_doubt_limit();
        self.deadline.map_or(limit, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            limit.min(left.saturating_add(DEADLINE_GRACE))
        })
    }

    /// A handle on the same pool without a deadline, for what must be done even late.
    #[must_use]
    pub fn without_deadline(&self) -> Self {
        let mut handle = self.clone();
        handle.deadline = None;
        handle
    }

    /// Closes the pool: idle connections at once, the others as they come back. Waiting and later callers get
    /// [`DatabaseError::PoolClosed`].
    pub fn close(&self) {
        self.connections.close();
    }

    pub(crate) fn counted(&self) -> Counted {
        self.connections.monitor.counted()
    }

    pub(crate) fn monitor(&self) -> &Monitor {
        &self.connections.monitor
    }

    /// Whether only a transaction can carry the limits of a statement: behind a transaction pooler, and with a deadline.
    pub(crate) fn needs_transaction(&self) -> bool {
        self.config.pooler == Pooler::Transaction || self.deadline.is_some()
    }

    pub(crate) async fn lease(
        &self,
        location: &'static Location<'static>,
    ) -> Result<PooledConnection, DatabaseError> {
        self.connections.take(location, self.deadline).await
    }

    async fn begin_at(
        &self,
        options: TransactionOptions,
        location: &'static Location<'static>,
    ) -> Result<Transaction, DatabaseError> {
        let lease = self.lease(location).await?;
        Ok(Transaction::new(lease, &options))
    }

    async fn transaction_at<T, E>(
        &self,
        options: TransactionOptions,
        work: impl AsyncFnOnce(&mut Transaction) -> Result<T, E>,
        location: &'static Location<'static>,
    ) -> Result<T, TransactionError<E, T>> {
        let mut transaction = self
            .begin_at(options, location)
            .await
            .map_err(TransactionError::Database)?;
        let outcome = work(&mut transaction).await;
        end(transaction, outcome).await
    }

    /// How connections outside of the pool are opened.
    pub(crate) fn connector(&self) -> &Connector {
        self.connections.connector()
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

    /// Looks once at what stands between here and the server, and at the server's settings.
    async fn inspect(
        &self,
        lease: &PooledConnection,
    ) -> Result<Vec<HostileSetting>, DatabaseError> {
        let connection = lease.connection();
        lease.mark_dirty();
        let findings = lease
            .answer(Box::pin(settings::inspect(connection, &self.config)))
            .await;
        let findings = match findings {
            Ok(findings) => findings,
            // A server that is too busy to answer is no reason not to try.
            Err(error) => {
                tracing::warn!("the server's settings could not be looked at: {error}");
                return Ok(Vec::new());
            }
        };
        lease.mark_clean();
        let announced = connection.announced_process_id().await;
        let is_made_up = announced.is_some_and(|announced| announced != findings.process_id);
        if is_made_up && self.config.pooler == Pooler::None {
            self.refuse_pooler().await?;
        }
        for setting in &findings.hostile {
            tracing::warn!("a setting endangers the data: {setting}");
        }
        if self.config.refuse_hostile_settings {
            settings::refuse(&findings.hostile)?;
        }
        Ok(findings.hostile)
    }

    /// Refuses a pooler whose sessions are not kept; one in session mode may stand there.
    async fn refuse_pooler(&self) -> Result<(), DatabaseError> {
        let looking = Box::pin(pooler::inspect(&self.config));
        // A small pool in session mode lets none of the further connections through in time.
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

    async fn query_at(
        &self,
        mut statement: Statement,
        location: &'static Location<'static>,
    ) -> Result<Vec<Row>, DatabaseError> {
        if self.needs_transaction() {
            let transaction = self
                .begin_at(TransactionOptions::default(), location)
                .await?;
            let rows = transaction.query(statement).await?;
            transaction.commit().await?;
            return Ok(rows);
        }
        let parameters = parameters(&mut statement, Place::Pool)?;
        let lease = self.connections.take(location, None).await?;
        let client = lease.client();
        alone(
            &lease,
            &statement.sql,
            Box::pin(client.query_typed(&statement.sql, &typed(&parameters))),
        )
        .await
    }

    async fn execute_at(
        &self,
        mut statement: Statement,
        location: &'static Location<'static>,
    ) -> Result<u64, DatabaseError> {
        if self.needs_transaction() {
            let transaction = self
                .begin_at(TransactionOptions::default(), location)
                .await?;
            let count = transaction.execute(statement).await?;
            transaction.commit().await?;
            return Ok(count);
        }
        let parameters = parameters(&mut statement, Place::Pool)?;
        let lease = self.connections.take(location, None).await?;
        let client = lease.client();
        alone(
            &lease,
            &statement.sql,
            Box::pin(client.execute_typed(&statement.sql, &typed(&parameters))),
        )
        .await
    }
}

impl Executor for Database {
    #[track_caller]
    fn query(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<Vec<Row>, DatabaseError>> + Send {
        self.query_at(statement, Location::caller())
    }

    #[track_caller]
    fn execute(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<u64, DatabaseError>> + Send {
        self.execute_at(statement, Location::caller())
    }
}

/// Commits when the work is done, and rolls back when it failed.
pub(crate) async fn end<T, E>(
    transaction: Transaction,
    outcome: Result<T, E>,
) -> Result<T, TransactionError<E, T>> {
    match outcome {
        Ok(value) => match transaction.commit().await {
            Ok(()) => Ok(value),
            Err(error) => Err(TransactionError::of_commit(error, value)),
        },
        Err(error) => {
            // The work's own error tells more than a failure to roll back, which the server does by itself anyway.
            if let Err(rollback) = transaction.rollback().await {
                tracing::debug!("the rollback after an error failed: {rollback}");
            }
            Err(TransactionError::Work(error))
        }
    }
}

/// Runs a statement on its own. Once the server has answered, whatever it was, no transaction is open; after anything
/// else the connection is recovered before somebody has it again.
async fn alone<T>(
    lease: &PooledConnection,
    sql: &str,
    statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, DatabaseError> {
    lease.mark_dirty();
    let running = lease.statement(sql);
    let answer = lease.answer(statement).await;
    running.answered();
    if matches!(answer, Ok(_) | Err(DatabaseError::Server(_))) {
        lease.mark_clean();
    }
    if answer.is_ok() && lease.connection().take_not_replicated() {
        return Err(DatabaseError::CommittedNotReplicated);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How large the future is that a function makes, in bytes. Each caller's own future holds it, some of them twice; in
    /// a debug build a test overflowed its stack when these were a half larger.
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
