//! Transactions on a connection of the pool.

use std::panic::Location;

use super::Database;
use crate::error::DatabaseError;
use crate::transaction::{Transaction, TransactionError, TransactionOptions};

impl Database {
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
