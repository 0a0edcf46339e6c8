//! In-doubt resolution: the outcome of a commit whose answer was lost, by its commit record.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use neobank_entity::Statement;
use neobank_entity::concurrency::commit_records::{Column, Entity, Model};
use neobank_entity::functions::concurrency::DeleteCommitRecords;
use sea_query::{Expr, ExprTrait, InsertStatement, OnConflict, PostgresQueryBuilder, Query};
use uuid::Uuid;

use crate::batches::delete_in_batches;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::executor::{Executor, statement};
use crate::retry::RetryPolicy;

/// The statement with which a transaction writes its own commit record, directly before its commit.
/// Parameters: the attempt's identifier, the transaction's name and `true`.
pub(crate) static INSERT_COMMIT_RECORD: LazyLock<String> = LazyLock::new(|| {
    let record = commit_record(Uuid::nil(), "", true);
    record.build(PostgresQueryBuilder).0
});

/// The least age of a deleted commit record. A resolution reads the record within
/// [`in_doubt_limit`](crate::DatabaseConfig::in_doubt_limit); a younger record could be deleted
/// before that, and its transaction be reported as aborted.
const KEEP_LEAST: Duration = Duration::from_secs(3600);

/// The highest number of records that one statement deletes, so that none runs for long.
const BATCH: i32 = 5000;

/// The outcome of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommitStatus {
    Committed,
    /// Committed, but the wait for the standby's confirmation was cancelled.
    NotReplicated,
    /// Not committed, now and later.
    Aborted,
    /// The database could not be queried within the limit.
    Unknown,
}

/// Deletes the commit records of transactions that ended longer than `keep` ago. Returns the number
/// of deleted records.
///
/// `keep` is at least one hour, after which no resolution reads the record any more.
///
/// # Errors
///
/// [`DatabaseError`]: the server's error, or the reason why no connection was available. Records
/// that were deleted before stay deleted.
pub async fn delete_commit_records(
    database: &Database,
    keep: Duration,
) -> Result<u64, DatabaseError> {
    delete_in_batches(BATCH.unsigned_abs().into(), async || {
        let call = DeleteCommitRecords {
            keep_seconds: keep.max(KEEP_LEAST).as_secs_f64(),
            limit: BATCH,
        };
        let deleted: i64 = database.fetch_value(call.statement()).await?;
        Ok(deleted.unsigned_abs())
    })
    .await
}

/// Determines the outcome of an attempt, within [`Database::in_doubt_limit`].
///
/// The resolution waits for a record that the attempt wrote and has not committed. Where there is
/// none, it inserts a record itself. An attempt that is still in flight conflicts with that record,
/// so it cannot commit after it was reported as aborted.
pub(crate) async fn resolve(database: &Database, attempt: Uuid, name: &str) -> CommitStatus {
    let (started, limit) = (Instant::now(), database.in_doubt_limit());
    // The resolution may end later than the deadline.
    let database = database.without_deadline();
    let pauses = RetryPolicy::default();
    for number in 1.. {
        let left = limit.saturating_sub(started.elapsed());
        match tokio::time::timeout(left, ask(&database, attempt, name)).await {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(DatabaseError::PoolClosed)) | Err(_) => break,
            Ok(Err(error)) => tracing::debug!(number, "a commit is still not known: {error}"),
        }
        // A future that is ready at once never exceeds a timeout.
        if started.elapsed() >= limit {
            break;
        }
        tokio::time::sleep(pauses.pause(number).max(pauses.pause_first)).await;
    }
    CommitStatus::Unknown
}

/// Reads the record in a statement after the insertion, because one statement would not see a
/// record that was committed while it waited.
async fn ask(
    database: &Database,
    attempt: Uuid,
    name: &str,
) -> Result<CommitStatus, DatabaseError> {
    let insert = Statement::from_query(&mark_aborted(attempt, name));
    match database.execute(insert).await {
        // The record exists, written by the attempt or by this resolution.
        Ok(_) | Err(DatabaseError::CommittedNotReplicated) => {}
        Err(error) => return Err(error),
    }
    let transaction = database.begin().await?;
    let mut of_attempt = Entity::select();
    of_attempt.and_where(Expr::col(Column::AttemptId).eq(attempt));
    let recorded: Model = transaction
        .fetch_one(Statement::from_query(&of_attempt))
        .await?
        .ok_or(DatabaseError::NoRow)?;
    if !recorded.committed {
        transaction.rollback().await?;
        return Ok(CommitStatus::Aborted);
    }
    // The attempt may have been interrupted in its wait for a standby, which then may lack the
    // commit. This message follows the commit in the WAL, and its own commit waits for the standby
    // in turn.
    transaction
        .execute(statement(
            "SELECT pg_catalog.pg_logical_emit_message(true, 'neobank', '')",
            [],
        ))
        .await?;
    match transaction.commit().await {
        Ok(()) => Ok(CommitStatus::Committed),
        Err(DatabaseError::CommittedNotReplicated) => Ok(CommitStatus::NotReplicated),
        Err(error) => Err(error),
    }
}

/// Returns the insertion of a record that keeps the attempt from committing, unless it has
/// committed.
fn mark_aborted(attempt: Uuid, name: &str) -> InsertStatement {
    let mut insert = commit_record(attempt, name, false);
    insert.on_conflict(
        OnConflict::column(Column::AttemptId)
            .do_nothing()
            .to_owned(),
    );
    insert
}

fn commit_record(attempt: Uuid, name: &str, committed: bool) -> InsertStatement {
    Query::insert()
        .into_table(Entity.table_ref())
        .columns([
            Column::AttemptId,
            Column::TransactionName,
            Column::Committed,
        ])
        .values_panic([attempt.into(), name.into(), committed.into()])
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolution_never_overwrites_a_record() {
        let statement = Statement::from_query(&mark_aborted(Uuid::nil(), "transfer"));
        assert_eq!(
            statement.sql,
            "INSERT INTO \"concurrency\".\"commit_records\" \
             (\"attempt_id\", \"transaction_name\", \"committed\") VALUES ($1, $2, $3) \
             ON CONFLICT (\"attempt_id\") DO NOTHING"
        );
    }
}
