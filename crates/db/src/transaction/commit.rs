//! The commit and the rollback of a transaction.

use std::pin::pin;
use std::task::Poll;

use futures_util::future::BoxFuture;
use tokio_postgres::types::ToSql;

use super::pipeline::poll_once;
use super::{Prepared, Transaction};
use crate::error::{DatabaseError, is_aborted_transaction, proves_no_commit};

impl Transaction {
    /// Commits the transaction.
    ///
    /// # Errors
    ///
    /// * [`DatabaseError::TransactionAborted`]: a statement had failed, so the server rolled the
    ///   transaction back.
    /// * [`DatabaseError::Server`]: the server rejected the commit (a deferred constraint, a
    ///   serialization failure) and rolled the transaction back.
    /// * [`DatabaseError::ConnectionLost`]: the connection was lost before the commit was sent; the
    ///   server rolls back.
    /// * [`DatabaseError::DeadlineExceeded`]: the deadline passed before the commit was sent; the
    ///   server rolls back.
    /// * [`DatabaseError::CommittedNotReplicated`]: the commit is durable on this server, but its
    ///   wait for the standby was cancelled.
    /// * [`DatabaseError::CommitUnknown`]: the server did not answer the commit. Only the database
    ///   can tell whether it took effect.
    pub async fn commit(self) -> Result<(), DatabaseError> {
        if self.begin.is_unsent() {
            return Ok(());
        }
        if !self.begin.is_begun() {
            return Err(DatabaseError::TransactionAborted);
        }
        self.pooled.time_left("the commit was sent")?;
        self.send_commit().await
    }

    /// Pipelines statements and the commit behind them, and returns the number of rows that each
    /// statement affected.
    ///
    /// When a statement fails, nothing is committed.
    ///
    /// # Errors
    ///
    /// The error of the first statement that failed, otherwise as [`Transaction::commit`].
    pub async fn execute_and_commit(
        self,
        statements: &[(&Prepared, &[&(dyn ToSql + Sync)])],
    ) -> Result<Vec<u64>, DatabaseError> {
        if !self.begin.is_begun() {
            self.begin_and_wait().await?;
        }
        // The timeout of a statement must not expire while the answer to the commit behind it is
        // still awaited.
        let limit = self.pooled.written_limit();
        let sent_before = self.pooled.statements_sent();
        let mut answers: Vec<BoxFuture<'_, Result<u64, DatabaseError>>> =
            Vec::with_capacity(statements.len());
        for (prepared, parameters) in statements {
            answers.push(Box::pin(self.execute_within(limit, prepared, parameters)));
        }
        let mut counts: Vec<Option<u64>> = vec![None; answers.len()];
        // The first poll of each future sends its statement. A statement that fails before it is
        // sent must stop the commit.
        let mut failed = None;
        for (place, (answer, count)) in answers.iter_mut().zip(&mut counts).enumerate() {
            match poll_once(answer.as_mut()).await {
                Poll::Ready(Ok(rows)) => *count = Some(rows),
                Poll::Ready(Err(error)) => {
                    failed = Some((place, error));
                    break;
                }
                Poll::Pending => {}
            }
        }
        if let Some((place, error)) = failed {
            // A fast server may have answered that the transaction is aborted before the answer
            // with the cause was read; the cause is returned.
            for (answer, count) in answers.iter_mut().zip(&counts).take(place) {
                if count.is_none() {
                    answer.as_mut().await?;
                }
            }
            return Err(error);
        }
        // No statement may run behind the commit.
        if self.pooled.statements_sent().wrapping_sub(sent_before) != answers.len() {
            return Err(DatabaseError::Parameter {
                reason: "a statement was not sent".to_owned(),
            });
        }
        let statements = async {
            for (answer, count) in answers.iter_mut().zip(&mut counts) {
                if count.is_none() {
                    *count = Some(answer.as_mut().await?);
                }
            }
            Ok(())
        };
        let mut commit = pin!(self.send_commit());
        let sent = poll_once(commit.as_mut()).await;
        let outcome: Result<(), DatabaseError> = statements.await;
        let committed = match sent {
            Poll::Ready(committed) => committed,
            Poll::Pending => commit.await,
        };
        match (outcome, committed) {
            (Ok(()), Ok(())) => Ok(counts.into_iter().flatten().collect()),
            (Ok(()), Err(error)) => Err(error),
            // The commit may have been executed, whatever the statements before it returned.
            (
                Err(_),
                Err(
                    error @ (DatabaseError::CommitUnknown { .. }
                    | DatabaseError::CommittedNotReplicated),
                ),
            ) => Err(error),
            (Err(error), Ok(())) => Err(DatabaseError::CommitUnknown {
                reason: error.to_string(),
            }),
            // Nothing was committed; the statement's error is the cause.
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// Rolls the transaction back.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::ConnectionLost`]; the server rolls back in that case too.
    pub async fn rollback(self) -> Result<(), DatabaseError> {
        if self.begin.is_unsent() {
            return Ok(());
        }
        self.pooled
            .answer(self.pooled.client().batch_execute("ROLLBACK"))
            .await?;
        self.pooled.mark_clean();
        Ok(())
    }

    /// Sends `SELECT; COMMIT` in one message. In an aborted transaction the `SELECT` fails, and the
    /// server does not execute the `COMMIT` behind it. This distinguishes an aborted transaction
    /// from a committed one, which drivers do not do.
    async fn send_commit(&self) -> Result<(), DatabaseError> {
        let connection = self.pooled.connection();
        if connection.client().is_closed() {
            self.pooled.mark_broken();
            return Err(connection
                .end()
                .unwrap_or_else(|| DatabaseError::lost("closed before the commit was sent")));
        }
        self.pooled.mark_committing();
        let limit = self.pooled.commit_limit();
        let commit = connection.client().batch_execute("SELECT; COMMIT");
        match tokio::time::timeout(limit, commit).await {
            Ok(Ok(())) => {
                self.pooled.mark_clean();
                if connection.take_not_replicated() {
                    return Err(DatabaseError::CommittedNotReplicated);
                }
                Ok(())
            }
            // The connection is rolled back when it is dropped, which the server requires after a
            // rejected commit.
            Ok(Err(error)) if is_aborted_transaction(&error) => {
                self.pooled.mark_answered();
                Err(DatabaseError::TransactionAborted)
            }
            Ok(Err(error)) if proves_no_commit(&error) => {
                self.pooled.mark_answered();
                Err(DatabaseError::from_driver(&error))
            }
            Ok(Err(error)) => {
                self.pooled.mark_broken();
                Err(DatabaseError::CommitUnknown {
                    reason: DatabaseError::from_driver(&error).to_string(),
                })
            }
            Err(_) => {
                self.pooled.mark_broken();
                Err(DatabaseError::CommitUnknown {
                    reason: format!("no answer within {limit:?}"),
                })
            }
        }
    }
}
