//! Transactions on a connection of the pool.

use std::panic::Location;

use super::Database;
use crate::error::DatabaseError;
use crate::transaction::{Transaction, TransactionError, TransactionOptions};

impl Database {
    /// Returns a `READ COMMITTED` transaction for the caller to commit. A transaction that is
    /// dropped without a commit is rolled back.
    ///
    /// Checks out a connection and sends nothing: `BEGIN` is sent with the first statement.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::PoolTimeout`], [`DatabaseError::PoolOverloaded`],
    /// [`DatabaseError::Connect`].
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<Transaction, DatabaseError>> + Send {
        self.begin_at(TransactionOptions::default(), Location::caller())
    }

    /// As [`Database::begin`], with an isolation level, an access mode or limits of its own.
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

    /// Runs `work` in a transaction: commits when `work` returns `Ok`; rolls back when it returns
    /// `Err`, when it panics, and when the caller drops the future.
    ///
    /// # Errors
    ///
    /// * [`TransactionError::Work`]: `work` returned this error; the transaction is rolled back.
    /// * [`TransactionError::Database`]: the transaction did not begin or did not commit; it is
    ///   rolled back.
    /// * [`TransactionError::NotReplicated`]: the transaction is committed, but its wait for the
    ///   standby was cancelled. The error holds what `work` returned.
    /// * [`TransactionError::Unknown`]: the server did not answer the commit. The error holds what
    ///   `work` returned.
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
    /// let insert = "INSERT INTO public.note VALUES ($1)";
    /// database
    ///     .transaction(async |transaction| {
    ///         transaction.execute(statement(insert, ["kept".into()])).await?;
    ///         Ok::<_, DatabaseError>(())
    ///     })
    ///     .await?;
    /// let failed = database
    ///     .transaction(async |transaction| {
    ///         transaction.execute(statement(insert, ["lost".into()])).await?;
    ///         Err::<(), _>(DatabaseError::NoRow)
    ///     })
    ///     .await;
    /// assert!(failed.is_err());
    /// let count = statement("SELECT count(*) FROM public.note", []);
    /// let notes: i64 = database.fetch_value(count).await?;
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

    /// As [`Database::transaction`], with an isolation level, an access mode or limits of its own.
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

    pub(super) async fn begin_at(
        &self,
        options: TransactionOptions,
        location: &'static Location<'static>,
    ) -> Result<Transaction, DatabaseError> {
        let pooled = self.check_out(location).await?;
        Ok(Transaction::new(pooled, &options))
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
}

/// Commits when the work returned `Ok`, and rolls back when it returned `Err`.
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
            // The work's error is the cause. A failed rollback is harmless, because the server
            // rolls back by itself.
            if let Err(rollback) = transaction.rollback().await {
                tracing::debug!("the rollback after an error failed: {rollback}");
            }
            Err(TransactionError::Work(error))
        }
    }
}
