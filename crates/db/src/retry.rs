//! A transaction that is run again when the server asks for it.

mod counts;
mod policy;

use std::convert::Infallible;
use std::fmt;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::database::{Database, end};
use crate::error::{DatabaseError, ErrorClass};
use crate::executor::{Executor, statement};
use crate::outcome::{self, Outcome};
use crate::transaction::{Transaction, TransactionError, TransactionOptions};

pub use counts::RetryCount;
pub(crate) use counts::{Next, RetryCounts};
pub use policy::RetryPolicy;

/// A transaction as a value that can run again, from its start: what it decides is decided anew in each attempt.
pub trait TransactionCommand: Send {
    /// What it gives when it is committed.
    type Output: Send + 'static;
    /// Why it rolls back.
    type Error: HoldsDatabaseError + std::error::Error + Send + 'static;

    /// For logs and errors.
    fn name(&self) -> &'static str;

    /// What the transaction is to be like.
    fn options(&self) -> TransactionOptions {
        TransactionOptions::default()
    }

    /// The work; `attempt` counts from 1. Rolled back when it returns an error, committed otherwise.
    fn run(
        &mut self,
        transaction: &mut Transaction,
        attempt: u32,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;
}

/// An error of the work in a transaction that may hold the database's.
pub trait HoldsDatabaseError {
    /// The database's error, if that is what it is.
    fn database_error(&self) -> Option<&DatabaseError>;
}

impl HoldsDatabaseError for DatabaseError {
    fn database_error(&self) -> Option<&DatabaseError> {
        Some(self)
    }
}

impl<E: HoldsDatabaseError, T> HoldsDatabaseError for TransactionError<E, T> {
    fn database_error(&self) -> Option<&DatabaseError> {
        match self {
            Self::Work(error) => error.database_error(),
            other => other.database(),
        }
    }
}

/// Why [`Database::retry`] gave up, with the last attempt's error unchanged.
#[derive(Error)]
#[error("{name} failed after {attempts} attempts in {elapsed:?}: {error}")]
pub struct RetryError<E: std::error::Error + 'static, T: 'static = Infallible> {
    /// The name of the transaction.
    pub name: &'static str,
    /// How often it was run.
    pub attempts: u32,
    /// Since the first attempt began.
    pub elapsed: Duration,
    /// The error of the last attempt, with the command's output where the attempt is committed or
    /// may be.
    #[source]
    pub error: TransactionError<E, T>,
}

/// Shows everything but the command's output, whose type need not be able to.
impl<E: std::error::Error + 'static, T> fmt::Debug for RetryError<E, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RetryError")
            .field("name", &self.name)
            .field("attempts", &self.attempts)
            .field("elapsed", &self.elapsed)
            .field("error", &self.error)
            .finish()
    }
}

impl Database {
    /// Runs a command in a transaction, and again in a new one when the server asks for it.
    ///
    /// A commit whose answer was lost is not run again, since it may have happened; but
    /// [`RetryPolicy::with_outcome_rows`] finds out. Each new attempt is told to `tracing` and counted in
    /// [`Database::metrics`] by the name and the SQLSTATE, and each deadlock is written to `concurrency.deadlock_log`,
    /// where that is there. On a handle [with a deadline](Database::with_deadline) no attempt begins after it.
    ///
    /// # Errors
    ///
    /// [`RetryError`] holds the error of the last attempt.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_db::{
    ///     Database, DatabaseConfig, DatabaseError, Executor, IsolationLevel, RetryPolicy, Transaction, TransactionCommand,
    ///     TransactionOptions, statement,
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
    ///         TransactionOptions { isolation: IsolationLevel::Serializable, ..Default::default() }
    ///     }
    ///
    ///     async fn run(&mut self, transaction: &mut Transaction, _attempt: u32) -> Result<i32, DatabaseError> {
    ///         transaction.fetch_value(statement("UPDATE public.counter SET n = n + 1 RETURNING n", [])).await
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
                Next::RunAgain
            } else {
                Next::GivenUp
            };
            self.note(
                name,
                failed.error.database_error(),
                failed.lost_commit,
                next,
            )
            .await;
            if next == Next::GivenUp {
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

    /// Counts and logs an error after which a transaction is run again by other means than [`Database::retry`].
    pub async fn note_retry(&self, name: &'static str, error: &DatabaseError) {
        let lost_commit = matches!(error, DatabaseError::CommitUnknown { .. });
        self.note(name, Some(error), lost_commit, Next::RunAgain)
            .await;
    }

    async fn attempt<C: TransactionCommand>(
        &self,
        policy: &RetryPolicy,
        command: &mut C,
        number: u32,
    ) -> Result<C::Output, Failed<C::Error, C::Output>> {
        let options = command.options();
        let writes_row = policy.outcome_rows && !options.read_only;
        let mut transaction = self.begin_with(options).await?;
        let done = command.run(&mut transaction, number).await;
        let value = match done {
            Ok(value) if writes_row && transaction.is_begun() => value,
            done => return Ok(end(transaction, done).await?),
        };
        let attempt = Uuid::now_v7();
        let reason = match commit_with_row(transaction, attempt, command.name()).await {
            Ok(()) => return Ok(value),
            Err(DatabaseError::CommitUnknown { reason }) => reason,
            Err(error) => return Err(TransactionError::of_commit(error, value).into()),
        };
        match outcome::resolve(self, attempt, command.name()).await {
            Outcome::Committed => Ok(value),
            Outcome::NotReplicated => Err(TransactionError::NotReplicated { value }.into()),
            Outcome::Aborted => Err(Failed {
                error: TransactionError::Database(DatabaseError::lost(reason)),
                lost_commit: true,
            }),
            Outcome::Unknown => {
                let error = DatabaseError::CommitUnknown { reason };
                Err(TransactionError::of_commit(error, value).into())
            }
        }
    }

    async fn note(
        &self,
        name: &'static str,
        failure: Option<&DatabaseError>,
        lost_commit: bool,
        next: Next,
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

    /// Best effort: the log is for people, and the transaction matters more.
    async fn log_deadlock(&self, name: &str, failure: Option<&DatabaseError>) {
        // Names processes, locks and objects, no values.
        let detail = failure
            .and_then(DatabaseError::server)
            .and_then(|server| server.detail.clone())
            .unwrap_or_default();
        let waits: Vec<&str> = detail.lines().collect();
        let insert = statement(
            "INSERT INTO concurrency.deadlock_log (query_text, lock_info, resolution) VALUES ($1, $2, $3)",
            [
                name.into(),
                serde_json::json!({ "waits": waits }).into(),
                "rolled back by the server".into(),
            ],
        );
        if let Err(error) = Executor::execute(self, insert).await {
            tracing::debug!("a deadlock could not be logged: {error}");
        }
    }
}

/// Why an attempt did not commit.
struct Failed<E, T> {
    error: TransactionError<E, T>,
    /// The commit did not arrive, so that it can be run again whatever the error's class.
    lost_commit: bool,
}

impl<E: HoldsDatabaseError, T> Failed<E, T> {
    fn is_to_run_again(&self, policy: &RetryPolicy) -> bool {
        let class = self.error.database_error().map(DatabaseError::class);
        self.lost_commit || class.is_some_and(|class| policy.retries(class))
    }
}

impl<E, T> From<TransactionError<E, T>> for Failed<E, T> {
    fn from(error: TransactionError<E, T>) -> Self {
        Self {
            error,
            lost_commit: false,
        }
    }
}

impl<E, T> From<DatabaseError> for Failed<E, T> {
    fn from(error: DatabaseError) -> Self {
        TransactionError::Database(error).into()
    }
}

/// The row and the commit travel together.
async fn commit_with_row(
    transaction: Transaction,
    attempt: Uuid,
    name: &str,
) -> Result<(), DatabaseError> {
    let types = [Type::UUID, Type::TEXT];
    let prepared = transaction.prepare(outcome::RECORD, &types).await;
    let recorded = match prepared {
        Ok(record) => {
            transaction
                .execute_and_commit(&[(&record, &[&attempt, &name])])
                .await
        }
        Err(error) => Err(error),
    };
    match recorded {
        Ok(_) => Ok(()),
        // The row met a transaction in which a statement had failed.
        Err(DatabaseError::Server(server)) if server.sqlstate == "25P02" => {
            Err(DatabaseError::TransactionAborted)
        }
        Err(error) => Err(error),
    }
}
