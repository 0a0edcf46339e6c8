//! Savepoints: parts of a transaction that can be rolled back separately.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use super::{Transaction, TransactionError};
use crate::error::{DatabaseError, is_aborted_transaction};

/// A part of a transaction that can be rolled back separately. [`Savepoint::release`] keeps its
/// work. A savepoint that is dropped without a release rolls back the work since then, and the
/// surrounding transaction stays usable.
#[derive(Debug)]
pub struct Savepoint<'a> {
    transaction: &'a mut Transaction,
    name: String,
    open: bool,
}

impl Transaction {
    /// Creates a savepoint. Savepoints nest.
    pub fn savepoint(&mut self) -> Savepoint<'_> {
        self.savepoints = self.savepoints.wrapping_add(1);
        let name = format!("neobank_{}", self.savepoints);
        self.unsent_savepoints()
            .push_str(&format!("SAVEPOINT {name};"));
        Savepoint {
            transaction: self,
            name,
            open: true,
        }
    }

    /// Runs `work` inside a savepoint: releases it when `work` returns `Ok`, and rolls back to it
    /// when `work` returns `Err` or is dropped. The transaction stays usable in each case.
    ///
    /// # Errors
    ///
    /// As [`Database::transaction`](crate::Database::transaction).
    pub async fn nested<T, E>(
        &mut self,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, TransactionError<E>> {
        let savepoint = self.savepoint();
        match work(savepoint.transaction).await {
            Ok(value) => {
                savepoint
                    .release()
                    .await
                    .map_err(TransactionError::Database)?;
                Ok(value)
            }
            Err(error) => {
                savepoint
                    .rollback()
                    .await
                    .map_err(TransactionError::Database)?;
                Err(TransactionError::Work(error))
            }
        }
    }
}

impl Savepoint<'_> {
    /// Returns the surrounding transaction, to run statements on.
    pub fn transaction(&mut self) -> &mut Transaction {
        self.transaction
    }

    /// Releases the savepoint: its work becomes part of the surrounding transaction.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::TransactionAborted`] when a statement since the savepoint had failed. Its
    /// work is rolled back and the transaction stays usable, unless the caller drops this future
    /// before it completes.
    pub async fn release(mut self) -> Result<(), DatabaseError> {
        if self.discard_unsent() {
            return Ok(());
        }
        let release = format!("RELEASE SAVEPOINT {}", self.name);
        // The first poll sends it; after that nothing more may be sent for this savepoint.
        self.open = false;
        let pooled = &self.transaction.pooled;
        let answer = pooled.client().batch_execute(&release);
        let aborted = pooled
            .answer(async {
                match answer.await {
                    Err(error) if is_aborted_transaction(&error) => Ok(true),
                    other => other.map(|()| false),
                }
            })
            .await?;
        if aborted {
            self.rollback().await?;
            return Err(DatabaseError::TransactionAborted);
        }
        Ok(())
    }

    /// Rolls back the work since the savepoint, and releases the locks that the work took.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::ConnectionLost`]: the whole transaction is lost with the connection.
    pub async fn rollback(mut self) -> Result<(), DatabaseError> {
        if self.discard_unsent() {
            return Ok(());
        }
        // The first poll sends it; after that nothing more may be sent for this savepoint.
        self.open = false;
        let pooled = &self.transaction.pooled;
        pooled
            .answer(pooled.client().batch_execute(&self.undo()))
            .await
    }

    /// Discards the savepoint where nothing was sent since it was created. Returns true in that
    /// case.
    fn discard_unsent(&mut self) -> bool {
        let begun = format!("SAVEPOINT {};", self.name);
        let mut unsent = self.transaction.unsent_savepoints();
        let Some(position) = unsent.find(&begun) else {
            return false;
        };
        unsent.truncate(position);
        drop(unsent);
        self.open = false;
        true
    }

    /// As [`Savepoint::release`], without waiting for the answer. A failure aborts the transaction,
    /// so every later statement and the commit report it.
    pub(crate) fn release_unanswered(mut self) {
        if self.discard_unsent() {
            return;
        }
        self.open = false;
        self.send_unanswered(&format!("RELEASE SAVEPOINT {}", self.name));
    }

    /// Sends a command by polling it once, so that it precedes whatever the transaction does next.
    fn send_unanswered(&self, sql: &str) {
        let mut sending = pin!(self.transaction.pooled.client().batch_execute(sql));
        let _ = sending
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
    }

    fn undo(&self) -> String {
        format!(
            "ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}",
            name = self.name
        )
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if !self.open || self.discard_unsent() {
            return;
        }
        // The answer is ignored: a failure aborts the transaction, and every later statement and
        // the commit report it.
        self.send_unanswered(&self.undo());
    }
}
