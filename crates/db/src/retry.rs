//! A transaction that is run again when the server asks for it.

use std::time::{Duration, Instant};

use thiserror::Error;

use crate::chance::chance;
use crate::database::{Database, end};
use crate::error::{DatabaseError, ErrorClass};
use crate::executor::{Executor, statement};
use crate::transaction::{Transaction, TransactionError, TransactionOptions};

/// When a transaction is run again, how often, and after what pause.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use neobank_db::{ErrorClass, RetryPolicy};
///
/// let policy = RetryPolicy::default().also(ErrorClass::LockTimeout);
/// assert!(policy.retries(ErrorClass::Deadlock) && policy.retries(ErrorClass::LockTimeout));
/// assert!(!policy.retries(ErrorClass::UniqueViolation));
/// assert!(policy.pause(1) <= policy.pause_first && policy.pause(40) <= policy.pause_longest);
/// ```
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// Attempts at most, the first among them; at least 1.
    pub attempts_max: u32,
    /// The longest pause before the second attempt; it doubles with each.
    pub pause_first: Duration,
    /// No pause is longer than this.
    pub pause_longest: Duration,
    /// No attempt begins later than this after the first.
    pub deadline: Duration,
    classes: Vec<ErrorClass>,
}

impl Default for RetryPolicy {
    /// Serialization failures (40001) and deadlocks (40P01): in both the server has rolled back and asks for another
    /// attempt (PostgreSQL's manual, 13.5). Ten attempts within 30 seconds, pauses from 5 ms to a second.
    fn default() -> Self {
        Self {
            attempts_max: 10,
            pause_first: Duration::from_millis(5),
            pause_longest: Duration::from_secs(1),
            deadline: Duration::from_secs(30),
            classes: vec![ErrorClass::SerializationFailure, ErrorClass::Deadlock],
        }
    }
}

impl RetryPolicy {
    /// The same policy, for another class of errors too.
    ///
    /// A unique violation may be a race that the next attempt does not meet, or a mistake that it meets again; a lock
    /// timeout may end, or not. That is the caller's to know.
    #[must_use]
    pub fn also(mut self, class: ErrorClass) -> Self {
        self.classes.push(class);
        self
    }

    /// Whether a transaction that failed in this way is run again.
    #[must_use]
    pub fn retries(&self, class: ErrorClass) -> bool {
        self.classes.contains(&class)
    }

    /// A pause after so many failed attempts: any time from nothing to the doubled first one (full jitter, as in Brooker,
    /// "Exponential Backoff And Jitter", AWS 2015).
    #[must_use]
    pub fn pause(&self, attempts: u32) -> Duration {
        let doubled = 1_u32 << attempts.saturating_sub(1).min(20);
        let longest = self
            .pause_first
            .saturating_mul(doubled)
            .min(self.pause_longest);
        longest.saturating_mul(chance()) / 1023
    }
}

/// A transaction as a value that can run again, from its start: what it decides is decided anew in each attempt.
pub trait TransactionCommand: Send {
    /// What it gives when it is committed.
    type Output: Send;
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

impl<E: HoldsDatabaseError> HoldsDatabaseError for TransactionError<E> {
    fn database_error(&self) -> Option<&DatabaseError> {
        match self {
            Self::Work(error) => error.database_error(),
            Self::Database(error) => Some(error),
        }
    }
}

/// Why [`Database::retry`] gave up, with the last attempt's error unchanged.
#[derive(Debug, Error)]
#[error("{name} failed after {attempts} attempts in {elapsed:?}: {error}")]
pub struct RetryError<E: std::error::Error + 'static> {
    /// The name of the transaction.
    pub name: &'static str,
    /// How often it was run.
    pub attempts: u32,
    /// Since the first attempt began.
    pub elapsed: Duration,
    /// Of the last attempt.
    #[source]
    pub error: TransactionError<E>,
}

impl Database {
    /// Runs a command in a transaction, and again in a new one when the server asks for it.
    ///
    /// A commit whose outcome is not known is not run again: it may have happened. Each new attempt is told to `tracing`
    /// with the name and the SQLSTATE, and each deadlock is written to `concurrency.deadlock_log`, where that is there.
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
    ) -> Result<C::Output, RetryError<C::Error>> {
        let name = command.name();
        let started = Instant::now();
        let mut attempts = 1;
        loop {
            let outcome = match self.begin_with(command.options()).await {
                Ok(mut transaction) => {
                    let done = command.run(&mut transaction, attempts).await;
                    end(transaction, done).await
                }
                Err(error) => Err(TransactionError::Database(error)),
            };
            let error = match outcome {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let failure = error.database_error();
            let class = failure.map_or(ErrorClass::Other, DatabaseError::class);
            let sqlstate = failure
                .and_then(DatabaseError::server)
                .map_or("", |server| server.sqlstate.as_str());
            if class == ErrorClass::Deadlock {
                self.log_deadlock(name, failure).await;
            }
            let pause = policy.pause(attempts);
            let is_over = attempts >= policy.attempts_max
                || started.elapsed().saturating_add(pause) > policy.deadline;
            if is_over || !policy.retries(class) {
                tracing::debug!(transaction = name, sqlstate, attempts, "given up");
                return Err(RetryError {
                    name,
                    attempts,
                    elapsed: started.elapsed(),
                    error,
                });
            }
            tracing::debug!(transaction = name, sqlstate, attempts, ?pause, "run again");
            tokio::time::sleep(pause).await;
            attempts += 1;
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
