//! What became of a transaction, by its own word.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use neobank_entity::concurrency::transaction_outcomes::{Column, Entity};
use neobank_entity::functions::concurrency::DeleteOutcomes;
use sea_orm::sea_query::{InsertStatement, OnConflict, PostgresQueryBuilder, Query};
use sea_orm::{DbBackend, EntityName, EntityTrait};
use uuid::Uuid;

use crate::batches::delete_in_batches;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::executor::{Executor, statement};
use crate::retry::RetryPolicy;

/// The statement by which a transaction writes its own commit record, as the last one before its
/// commit: the attempt's identifier, the transaction's name and `true`.
pub(crate) static INSERT_COMMIT_RECORD: LazyLock<String> = LazyLock::new(|| {
    let record = commit_record(Uuid::nil(), "", true);
    record.build(PostgresQueryBuilder).0
});

/// Whoever still asks for a row asks within [`in_doubt_limit`](crate::DatabaseConfig::in_doubt_limit); a younger one could be deleted under their eyes, and its
/// transaction be taken for one that did not happen.
const KEEP_LEAST: Duration = Duration::from_secs(3600);

/// Each statement deletes this many at most, so that none runs for long.
const BATCH: i32 = 5000;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommitStatus {
    Committed,
    /// It is committed, but the wait for the standby that was to confirm it was cancelled.
    NotReplicated,
    /// It did not happen, and never will.
    Aborted,
    /// The database could not be asked in time.
    Unknown,
}

/// Deletes what is known of transactions that ended longer than `keep` ago. Returns how many rows.
///
/// `keep` is raised to an hour where it is less: by then nobody looks for an answer any more.
///
/// # Errors
///
/// [`DatabaseError`]: what the server refused, or why there was no connection. What was deleted before stays deleted.
pub async fn delete_commit_records(
    database: &Database,
    keep: Duration,
) -> Result<u64, DatabaseError> {
    delete_in_batches(BATCH.unsigned_abs().into(), async || {
        let call = DeleteOutcomes {
            keep_seconds: keep.max(KEEP_LEAST).as_secs_f64(),
            limit: BATCH,
        };
        let deleted: i64 = database.fetch_value(call.statement()).await?;
        Ok(deleted.unsigned_abs())
    })
    .await
}

/// Finds out, within [`Database::in_doubt_limit`].
///
/// A row that the attempt wrote and has not committed is waited for. Where there is none, a row is put in its place, and
/// the attempt, should it still be on its way, runs into it: it can never commit after it was said not to have happened.
pub(crate) async fn resolve(database: &Database, attempt: Uuid, name: &str) -> CommitStatus {
    let (started, limit) = (Instant::now(), database.in_doubt_limit());
    // It is over later than the deadline.
    let database = database.without_deadline();
    let pauses = RetryPolicy::default();
    for number in 1.. {
        let left = limit.saturating_sub(started.elapsed());
        match tokio::time::timeout(left, ask(&database, attempt, name)).await {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(DatabaseError::PoolClosed)) | Err(_) => break,
            Ok(Err(error)) => tracing::debug!(number, "a commit is still not known: {error}"),
        }
        // What is ready at once is never too late for a timeout.
        if started.elapsed() >= limit {
            break;
        }
        tokio::time::sleep(pauses.pause(number).max(pauses.pause_first)).await;
    }
    CommitStatus::Unknown
}

/// The row is looked for after the insertion, and not in the same statement: that would not see a row which was
/// committed while it waited.
async fn ask(
    database: &Database,
    attempt: Uuid,
    name: &str,
) -> Result<CommitStatus, DatabaseError> {
    let insert = DbBackend::Postgres.build(&mark_aborted(attempt, name));
    match database.execute(insert).await {
        // The row is there, whoever wrote it.
        Ok(_) | Err(DatabaseError::CommittedNotReplicated) => {}
        Err(error) => return Err(error),
    }
    let transaction = database.begin().await?;
    let recorded = transaction
        .fetch_model(Entity::find_by_id(attempt))
        .await?
        .ok_or(DatabaseError::NoRow)?;
    if !recorded.committed {
        transaction.rollback().await?;
        return Ok(CommitStatus::Aborted);
    }
    // The attempt may have been cut off while it waited for a standby, which then need not have it.
    // What this writes comes behind it in the log, and its commit waits as the attempt's did.
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

/// Returns the insertion of a record that keeps the attempt from committing, unless it has committed.
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
    fn an_attempt_that_committed_stays_committed() {
        let statement = DbBackend::Postgres.build(&mark_aborted(Uuid::nil(), "transfer"));
        assert_eq!(
            statement.sql,
            "INSERT INTO \"concurrency\".\"transaction_outcomes\" \
             (\"attempt_id\", \"transaction_name\", \"committed\") VALUES ($1, $2, $3) \
             ON CONFLICT (\"attempt_id\") DO NOTHING"
        );
    }
}
