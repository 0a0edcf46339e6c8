//! One attempt of a transaction.

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::command::{HoldsDatabaseError, TransactionCommand};
use super::in_doubt::{self, CommitStatus};
use super::policy::RetryPolicy;
use crate::database::{Database, end};
use crate::error::{DatabaseError, sqlstate};
use crate::transaction::{Transaction, TransactionError};

impl Database {
    pub(super) async fn attempt<C: TransactionCommand>(
        &self,
        policy: &RetryPolicy,
        command: &mut C,
        number: u32,
    ) -> Result<C::Output, FailedAttempt<C::Error, C::Output>> {
        let options = command.options();
        let writes_record = policy.commit_records && !options.read_only;
        let mut transaction = self.begin_with(options).await?;
        let done = command.run(&mut transaction, number).await;
        let value = match done {
            Ok(value) if writes_record && transaction.is_begun() => value,
            done => return Ok(end(transaction, done).await?),
        };
        let attempt = Uuid::now_v7();
        let reason = match commit_with_record(transaction, attempt, command.name()).await {
            Ok(()) => return Ok(value),
            Err(DatabaseError::CommitUnknown { reason }) => reason,
            Err(error) => return Err(TransactionError::of_commit(error, value).into()),
        };
        match in_doubt::resolve(self, attempt, command.name()).await {
            CommitStatus::Committed => Ok(value),
            CommitStatus::NotReplicated => Err(TransactionError::NotReplicated { value }.into()),
            CommitStatus::Aborted => Err(FailedAttempt {
                error: TransactionError::Database(DatabaseError::lost(reason)),
                lost_commit: true,
            }),
            CommitStatus::Unknown => {
                let error = DatabaseError::CommitUnknown { reason };
                Err(TransactionError::of_commit(error, value).into())
            }
        }
    }
}

/// An attempt that did not commit.
pub(super) struct FailedAttempt<E, T> {
    pub(super) error: TransactionError<E, T>,
    /// The commit did not take effect, so the transaction can be retried whatever the class of the
    /// error.
    pub(super) lost_commit: bool,
}

impl<E: HoldsDatabaseError, T> FailedAttempt<E, T> {
    pub(super) fn is_to_run_again(&self, policy: &RetryPolicy) -> bool {
        let class = self.error.database_error().map(DatabaseError::class);
        self.lost_commit || class.is_some_and(|class| policy.retries(class))
    }
}

impl<E, T> From<TransactionError<E, T>> for FailedAttempt<E, T> {
    fn from(error: TransactionError<E, T>) -> Self {
        Self {
            error,
            lost_commit: false,
        }
    }
}

impl<E, T> From<DatabaseError> for FailedAttempt<E, T> {
    fn from(error: DatabaseError) -> Self {
        TransactionError::Database(error).into()
    }
}

/// Pipelines the commit record and the commit.
async fn commit_with_record(
    transaction: Transaction,
    attempt: Uuid,
    name: &str,
) -> Result<(), DatabaseError> {
    let types = [Type::UUID, Type::TEXT, Type::BOOL];
    let prepared = transaction
        .prepare(&in_doubt::INSERT_COMMIT_RECORD, &types)
        .await;
    let recorded = match prepared {
        Ok(record) => {
            transaction
                .execute_and_commit(&[(&record, &[&attempt, &name, &true])])
                .await
        }
        Err(error) => Err(error),
    };
    match recorded {
        Ok(_) => Ok(()),
        // The record met a transaction in which a statement had failed.
        Err(DatabaseError::Server(server))
            if server.sqlstate == sqlstate::IN_FAILED_SQL_TRANSACTION =>
        {
            Err(DatabaseError::TransactionAborted)
        }
        Err(error) => Err(error),
    }
}
