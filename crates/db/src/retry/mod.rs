//! Retries of transactions that the server asks to run again.

mod attempt;
mod command;
mod counts;
mod error;
mod in_doubt;
mod policy;

use std::time::Instant;

use neobank_entity::Statement;
use neobank_entity::concurrency::deadlock_log;
use sea_query::Query;

use crate::database::Database;
use crate::error::{DatabaseError, ErrorClass};
use crate::executor::Executor;

pub use command::{HoldsDatabaseError, TransactionCommand};
pub use counts::RetryCount;
pub(crate) use counts::{AfterFailure, RetryCounts};
pub use error::RetryError;
pub use in_doubt::delete_commit_records;
pub use policy::RetryPolicy;

impl Database {
    /// Runs a command in a transaction, and retries it in a new one when the server asks for that.
    ///
    /// A commit whose answer was lost is not retried, since it may have taken effect;
    /// [`RetryPolicy::with_commit_records`] resolves it. Each retry is reported to `tracing` and
    /// counted in [`Database::metrics`] by name and SQLSTATE. Each deadlock is also written to
    /// `concurrency.deadlock_log`, where that table exists. On a handle [with a
    /// deadline](Database::with_deadline) no attempt begins after the deadline.
    ///
    /// # Errors
    ///
    /// [`RetryError`] holds the error of the last attempt.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_db::{
    ///     Database, DatabaseConfig, DatabaseError, Executor, IsolationLevel, RetryPolicy,
    ///     Transaction, TransactionCommand, TransactionOptions, statement,
    /// };
    ///
    /// struct Count;
    ///
    /// impl TransactionCommand for Count {
    ///     type Output = i32;
    ///     type Error = DatabaseError;
    ///
    ///     fn name(&self) -> &'static str {
    ///         "count"
    ///     }
    ///
    ///     fn options(&self) -> TransactionOptions {
    ///         TransactionOptions::default().with_isolation(IsolationLevel::Serializable)
    ///     }
    ///
    ///     async fn run(
    ///         &mut self,
    ///         transaction: &mut Transaction,
    ///         _attempt: u32,
    ///     ) -> Result<i32, DatabaseError> {
    ///         let count = "UPDATE public.counter SET n = n + 1 RETURNING n";
    ///         transaction.fetch_value(statement(count, [])).await
    ///     }
    /// }
    ///
    /// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let database = Database::connect(DatabaseConfig::from_url(server.url())?).await?;
    /// # database.execute(statement("CREATE TABLE public.counter AS SELECT 0 AS n", [])).await?;
    /// assert_eq!(database.retry(&RetryPolicy::default(), &mut Count).await?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn retry<C: TransactionCommand>(
        &self,
        policy: &RetryPolicy,
        command: &mut C,
    ) -> Result<C::Output, RetryError<C::Error, C::Output>> {
        let name = command.name();
        let started = Instant::now();
        let mut attempts = 1;
        loop {
            let failed = match self.attempt(policy, command, attempts).await {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            let pause = policy.pause(attempts);
            let is_over = attempts >= policy.attempts_max
                || started.elapsed().saturating_add(pause) > policy.deadline
                || self
                    .deadline()
                    .is_some_and(|deadline| Instant::now() + pause >= deadline);
            let next = if !is_over && failed.is_to_run_again(policy) {
                AfterFailure::Retry
            } else {
                AfterFailure::GiveUp
            };
            self.note(
                name,
                failed.error.database_error(),
                failed.lost_commit,
                next,
            )
            .await;
            if next == AfterFailure::GiveUp {
                return Err(RetryError {
                    name,
                    attempts,
                    elapsed: started.elapsed(),
                    error: failed.error,
                });
            }
            tokio::time::sleep(pause).await;
            attempts += 1;
        }
    }

    /// Counts and logs an error after which a transaction is retried by other means than
    /// [`Database::retry`].
    pub async fn note_retry(&self, name: &'static str, error: &DatabaseError) {
        let lost_commit = matches!(error, DatabaseError::CommitUnknown { .. });
        self.note(name, Some(error), lost_commit, AfterFailure::Retry)
            .await;
    }

    async fn note(
        &self,
        name: &'static str,
        failure: Option<&DatabaseError>,
        lost_commit: bool,
        next: AfterFailure,
    ) {
        let sqlstate = match failure.and_then(DatabaseError::server) {
            _ if lost_commit => "lost",
            Some(server) => server.sqlstate.as_str(),
            None => "",
        };
        self.monitor().retries.count(name, sqlstate, next);
        tracing::debug!(transaction = name, sqlstate, ?next, "a transaction failed");
        if failure.map(DatabaseError::class) == Some(ErrorClass::Deadlock) {
            self.log_deadlock(name, failure).await;
        }
    }

    /// Writes a deadlock to `concurrency.deadlock_log`, best effort: a failure is only logged.
    async fn log_deadlock(&self, name: &str, failure: Option<&DatabaseError>) {
        // The detail names processes, locks and objects, but no values.
        let detail = failure
            .and_then(DatabaseError::server)
            .and_then(|server| server.detail.clone())
            .unwrap_or_default();
        let waits: Vec<&str> = detail.lines().collect();
        let insert = Query::insert()
            .into_table(deadlock_log::Entity.table_ref())
            .columns([
                deadlock_log::Column::QueryText,
                deadlock_log::Column::LockInfo,
                deadlock_log::Column::Resolution,
            ])
            .values_panic([
                name.into(),
                serde_json::json!({ "waits": waits }).into(),
                "rolled back by the server".into(),
            ])
            .to_owned();
        let insert = Statement::from_query(&insert);
        if let Err(error) = Executor::execute(self, insert).await {
            tracing::debug!("a deadlock could not be logged: {error}");
        }
    }
}
