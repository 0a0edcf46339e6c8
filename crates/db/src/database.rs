//! The pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::{Pool, PoolError, QueueMode, TimeoutType};
use sea_orm::Statement;
use tokio_postgres::Row;

use crate::config::{DatabaseConfig, Pooler};
use crate::error::DatabaseError;
use crate::executor::{Executor, parameters, typed};
use crate::lease::Lease;
use crate::manager::Manager;
use crate::session::Place;
use crate::tls::Connector;
use crate::transaction::{Transaction, TransactionError, TransactionOptions};

/// A pool of connections to one database. Cheap to clone; all clones share the pool.
///
/// See the [crate](crate) for an example.
#[derive(Clone, Debug)]
pub struct Database {
    pool: Pool<Manager>,
    config: Arc<DatabaseConfig>,
}

/// What the pool is doing at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Connections at most.
    pub max: usize,
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
    /// cannot be reached.
    pub async fn connect(config: DatabaseConfig) -> Result<Self, DatabaseError> {
        config.validate()?;
        let manager = Manager {
            connector: Connector::new(&config.tls)?,
            config: config.clone(),
        };
        let pool = Pool::builder(manager)
            .max_size(config.pool_max)
            .wait_timeout(Some(config.acquire_timeout))
            // Opening has its own limit for each host.
            .create_timeout(None)
            .recycle_timeout(Some(config.recovery_timeout))
            // The connection used last comes first, so that those above the need grow idle and are closed.
            .queue_mode(QueueMode::Lifo)
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(|error| DatabaseError::Connect {
                reason: error.to_string(),
                server: None,
            })?;
        let database = Self {
            pool,
            config: Arc::new(config),
        };
        database.open_minimum().await?;
        database.close_idle_connections_from_now_on();
        Ok(database)
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &DatabaseConfig {
        &self.config
    }

    /// What the pool is doing now.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let status = self.pool.status();
        PoolStatus {
            max: status.max_size,
            open: status.size,
            idle: status.available,
            waiting: status.waiting,
        }
    }

    /// A transaction that its owner commits; dropped without that, it is rolled back. `READ COMMITTED`.
    ///
    /// Sends nothing: `BEGIN` goes with the first statement.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::PoolTimeout`], [`DatabaseError::Connect`].
    pub async fn begin(&self) -> Result<Transaction, DatabaseError> {
        self.begin_with(TransactionOptions::default()).await
    }

    /// As [`Database::begin`], with an isolation level, read only, or limits of its own.
    ///
    /// # Errors
    ///
    /// As [`Database::begin`].
    pub async fn begin_with(
        &self,
        options: TransactionOptions,
    ) -> Result<Transaction, DatabaseError> {
        Ok(Transaction::new(self.acquire().await?, &options))
    }

    /// Runs `work` in a transaction: commits when it returns `Ok`, rolls back when it returns `Err`, panics, or when the
    /// caller's future is dropped.
    ///
    /// # Errors
    ///
    /// [`TransactionError::Work`] is what `work` returned; [`TransactionError::Database`] is what kept the transaction
    /// from starting or from committing, [`DatabaseError::CommitUnknown`] among it.
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
    pub async fn transaction<T, E>(
        &self,
        work: impl AsyncFnOnce(&mut Transaction) -> Result<T, E>,
    ) -> Result<T, TransactionError<E>> {
        self.transaction_with(TransactionOptions::default(), work)
            .await
    }

    /// As [`Database::transaction`], with an isolation level, read only, or limits of its own.
    ///
    /// # Errors
    ///
    /// As [`Database::transaction`].
    pub async fn transaction_with<T, E>(
        &self,
        options: TransactionOptions,
        work: impl AsyncFnOnce(&mut Transaction) -> Result<T, E>,
    ) -> Result<T, TransactionError<E>> {
        let mut transaction = self
            .begin_with(options)
            .await
            .map_err(TransactionError::Database)?;
        match work(&mut transaction).await {
            Ok(value) => {
                transaction
                    .commit()
                    .await
                    .map_err(TransactionError::Database)?;
                Ok(value)
            }
            Err(error) => {
                // The work's own error tells more than a failure to roll back, which the server does by itself anyway.
                if let Err(rollback) = transaction.rollback().await {
                    tracing::debug!("the rollback after an error failed: {rollback}");
                }
                Err(TransactionError::Work(error))
            }
        }
    }

    /// Closes the pool: idle connections at once, the others as they come back. Waiting and later callers get
    /// [`DatabaseError::PoolClosed`].
    pub fn close(&self) {
        self.pool.close();
    }

    /// How connections outside of the pool are opened.
    pub(crate) fn connector(&self) -> &Connector {
        &self.pool.manager().connector
    }

    pub(crate) async fn acquire(&self) -> Result<Lease, DatabaseError> {
        let started = Instant::now();
        match self.pool.get().await {
            Ok(object) => Ok(Lease::new(object, Arc::clone(&self.config))),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Closed) => Err(DatabaseError::PoolClosed),
            Err(PoolError::Timeout(TimeoutType::Wait)) => {
                let status = self.pool.status();
                Err(DatabaseError::PoolTimeout {
                    waited: started.elapsed(),
                    in_use: status.size.saturating_sub(status.available),
                    pool_max: status.max_size,
                    waiting: status.waiting,
                })
            }
            Err(other) => Err(DatabaseError::Connect {
                reason: other.to_string(),
                server: None,
            }),
        }
    }

    async fn open_minimum(&self) -> Result<(), DatabaseError> {
        let mut opened = Vec::new();
        for _ in 0..self.config.pool_min.max(1) {
            opened.push(self.acquire().await?);
        }
        Ok(())
    }

    fn close_idle_connections_from_now_on(&self) {
        let pool = self.pool.weak();
        let idle_timeout = self.config.idle_timeout;
        let keep = self.config.pool_min;
        let pause = (idle_timeout / 2).clamp(Duration::from_millis(10), Duration::from_secs(30));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                // The task ends with the last clone of the pool.
                let Some(pool) = pool.upgrade() else { return };
                let mut may_close = pool.status().size.saturating_sub(keep);
                pool.retain(|connection, _| {
                    let close = may_close > 0 && connection.last_used.elapsed() > idle_timeout;
                    may_close = may_close.saturating_sub(usize::from(close));
                    !close
                });
            }
        });
    }
}

impl Executor for Database {
    async fn query(&self, mut statement: Statement) -> Result<Vec<Row>, DatabaseError> {
        if self.config.pooler == Pooler::Transaction {
            // Only a transaction can carry the limits through a transaction pooler.
            let transaction = self.begin().await?;
            let rows = transaction.query(statement).await?;
            transaction.commit().await?;
            return Ok(rows);
        }
        let parameters = parameters(&mut statement, Place::Pool)?;
        let lease = self.acquire().await?;
        let client = lease.client();
        alone(
            &lease,
            client.query_typed(&statement.sql, &typed(&parameters)),
        )
        .await
    }

    async fn execute(&self, mut statement: Statement) -> Result<u64, DatabaseError> {
        if self.config.pooler == Pooler::Transaction {
            let transaction = self.begin().await?;
            let count = transaction.execute(statement).await?;
            transaction.commit().await?;
            return Ok(count);
        }
        let parameters = parameters(&mut statement, Place::Pool)?;
        let lease = self.acquire().await?;
        let client = lease.client();
        alone(
            &lease,
            client.execute_typed(&statement.sql, &typed(&parameters)),
        )
        .await
    }
}

/// Runs a statement on its own. Once the server has answered, whatever it was, no transaction is open; after anything
/// else the connection is recovered before somebody has it again.
async fn alone<T>(
    lease: &Lease,
    statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, DatabaseError> {
    lease.mark_dirty();
    let answer = lease.answer(statement).await;
    if matches!(answer, Ok(_) | Err(DatabaseError::Server(_))) {
        lease.mark_clean();
    }
    if answer.is_ok() && lease.connection().take_not_replicated() {
        return Err(DatabaseError::CommittedNotReplicated);
    }
    answer
}
