//! Transactions and savepoints.

mod begin;
mod commit;
mod error;
mod options;
mod pipeline;
mod prepared;
mod savepoint;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join;
use neobank_entity::Statement;
use tokio_postgres::Row;

use crate::error::DatabaseError;
use crate::executor::{Executor, StatementContext, parameters, typed};
use crate::pool::PooledConnection;

use begin::{Begin, BeginClaim, begin_statement, set_local};

pub use error::TransactionError;
pub use options::{IsolationLevel, TransactionOptions};
pub use pipeline::pipeline;
pub use prepared::Prepared;
pub use savepoint::Savepoint;

/// A transaction. [`Transaction::commit`] commits it; a transaction that is dropped without a
/// commit is rolled back.
///
/// Statements run with the functions of [`Executor`]. They take `&self`, so several can be in
/// flight at once: the client pipelines them, and the server executes them in the order in which
/// they were sent.
#[derive(Debug)]
pub struct Transaction {
    pooled: PooledConnection,
    begin: Begin,
    begin_statement: String,
    /// Savepoints created since the last statement; they are sent with the next one.
    unsent_savepoints: Mutex<String>,
    savepoints: u32,
    /// The statement timeout of this transaction; it applies where the deadline leaves more time.
    statement_timeout: Duration,
    lock_timeout: Duration,
}

impl Transaction {
    pub(crate) fn new(mut pooled: PooledConnection, options: &TransactionOptions) -> Self {
        if let Some(limit) = options.statement_timeout {
            pooled.wait_at_least(limit);
        }
        let begin = begin_statement(&pooled, options);
        let config = pooled.config();
        let statement_timeout = options
            .statement_timeout
            .unwrap_or(config.statement_timeout);
        let lock_timeout = options.lock_timeout.unwrap_or(config.lock_timeout);
        Self {
            statement_timeout,
            lock_timeout,
            pooled,
            begin: Begin::new(),
            begin_statement: begin,
            unsent_savepoints: Mutex::default(),
            savepoints: 0,
        }
    }

    /// Returns true when the server has confirmed the `BEGIN`.
    pub(crate) fn is_begun(&self) -> bool {
        self.begin.is_begun()
    }

    /// The longest time that the client waits for the answer to a statement.
    pub(crate) fn answer_limit(&self) -> Duration {
        self.pooled.answer_limit()
    }

    /// Waits until the transaction has begun, then sends a statement and waits for its answer.
    ///
    /// Callers box the statement's future, because each function on the way would otherwise hold
    /// the driver's large future twice.
    async fn send<T>(
        &self,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        self.send_within(self.pooled.answer_limit(), statement)
            .await
    }

    async fn send_within<T>(
        &self,
        limit: Duration,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        if !self.begin.is_begun() {
            self.begin_and_wait().await?;
        }
        self.send_with_savepoints(limit, statement).await
    }

    /// Sends a statement that changes nothing, pipelined behind `BEGIN` where that has not been
    /// sent.
    async fn send_with_begin<T>(
        &self,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        match self.begin.claim()? {
            BeginClaim::Sent => {
                let answer = self
                    .send_with_savepoints(self.pooled.answer_limit(), statement)
                    .await?;
                if self.begin.has_failed() {
                    return Err(DatabaseError::TransactionAborted);
                }
                Ok(answer)
            }
            BeginClaim::Send(pending) => {
                let limits = self.limits()?;
                let prefix = format!(
                    "{}{}{limits}",
                    self.begin_statement,
                    std::mem::take(&mut *self.unsent_savepoints())
                );
                self.pooled.mark_dirty();
                self.pooled
                    .answer(async {
                        // `join` polls the first future first, and the first poll of a future sends
                        // it, so the order is kept.
                        let (begun, answer) =
                            join(self.pooled.client().batch_execute(&prefix), statement).await;
                        begun?;
                        pending.succeed();
                        answer
                    })
                    .await
            }
        }
    }

    async fn begin_and_wait(&self) -> Result<(), DatabaseError> {
        match self.begin.claim()? {
            BeginClaim::Sent => {
                // The task that sent the `BEGIN` may have stopped polling its answer.
                let limit = self.pooled.answer_limit();
                let Ok(answered) = tokio::time::timeout(limit, self.begin.answered()).await else {
                    return Err(DatabaseError::NoAnswer { waited: limit });
                };
                answered
            }
            BeginClaim::Send(pending) => {
                self.pooled.mark_dirty();
                self.pooled
                    .answer(self.pooled.client().batch_execute(&self.begin_statement))
                    .await?;
                pending.succeed();
                Ok(())
            }
        }
    }

    /// Pipelines a statement behind the unsent savepoints. This is safe, because a savepoint that
    /// fails aborts the transaction, and the statement behind it fails too.
    async fn send_with_savepoints<T>(
        &self,
        limit: Duration,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        let limits = self.limits()?;
        let prefix = std::mem::take(&mut *self.unsent_savepoints()) + &limits;
        if prefix.is_empty() {
            return self.pooled.answer_within(limit, statement).await;
        }
        self.pooled
            .answer_within(limit, async {
                let (made, answer) =
                    join(self.pooled.client().batch_execute(&prefix), statement).await;
                made.and(answer)
            })
            .await
    }

    /// Returns the settings that make the server enforce the caller's deadline; empty without a
    /// deadline.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::DeadlineExceeded`] when the deadline has passed.
    fn limits(&self) -> Result<String, DatabaseError> {
        let Some(left) = self.pooled.time_left("the statement was sent")? else {
            return Ok(String::new());
        };
        // Rounded up, so that the deadline has passed when the server reports a timeout.
        let left = left.saturating_add(Duration::from_millis(1));
        Ok(
            set_local("statement_timeout", self.statement_timeout.min(left))
                + &set_local("lock_timeout", self.lock_timeout.min(left)),
        )
    }

    fn unsent_savepoints(&self) -> std::sync::MutexGuard<'_, String> {
        self.unsent_savepoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executor for Transaction {
    async fn query(&self, mut statement: Statement) -> Result<Vec<Row>, DatabaseError> {
        let parameters = parameters(&mut statement, StatementContext::Transaction)?;
        let client = self.pooled.client();
        let typed = typed(&parameters);
        let running = self.pooled.statement(&statement.sql);
        let answer = self
            .send(Box::pin(client.query_typed(&statement.sql, &typed)))
            .await;
        running.answered();
        answer
    }

    async fn execute(&self, mut statement: Statement) -> Result<u64, DatabaseError> {
        let parameters = parameters(&mut statement, StatementContext::Transaction)?;
        let client = self.pooled.client();
        let typed = typed(&parameters);
        let running = self.pooled.statement(&statement.sql);
        let answer = self
            .send(Box::pin(client.execute_typed(&statement.sql, &typed)))
            .await;
        running.answered();
        answer
    }
}
