//! In-doubt resolution of transactions of any kind by their commit records.

use std::time::Duration;

use neobank_db::{
    Database, DatabaseError, Executor, IsolationLevel, RetryPolicy, TransactionError,
    delete_commit_records, statement,
};

use super::retry::command;
use super::{assert_nothing_left, insert, notes};
use crate::harness::{CuttingProxy, TestBank};

on_both_versions!(
    commits_without_an_answer_take_effect_once,
    late_commit_after_resolution_changes_nothing,
    lost_commit_without_records_is_unknown,
    swallowed_error_does_not_commit,
    old_records_are_deleted_and_young_ones_kept,
    application_cannot_delete_a_young_record,
);

fn with_records() -> RetryPolicy {
    RetryPolicy::default().with_commit_records()
}

/// Connects a pool through a proxy, over the table of notes without its key: only the commit record
/// keeps a note from being written twice.
async fn behind(bank: &TestBank) -> (Database, CuttingProxy) {
    notes(bank, 2).await;
    let drop_key = statement("ALTER TABLE scratch.note DROP CONSTRAINT note_pkey", []);
    bank.superuser().await.execute(drop_key).await.unwrap();
    let proxy = CuttingProxy::before(&bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    (Database::connect(config).await.unwrap(), proxy)
}

async fn count(bank: &TestBank, sql: &str) -> i64 {
    let superuser = bank.superuser().await;
    superuser.fetch_value(statement(sql, [])).await.unwrap()
}

/// Writes the text and returns the number of the attempt that succeeded.
async fn note(
    database: &Database,
    policy: &RetryPolicy,
    text: &str,
) -> Result<u32, TransactionError<DatabaseError, u32>> {
    let mut note = command(
        "note",
        IsolationLevel::ReadCommitted,
        |transaction, attempt| {
            let text = text.to_owned();
            Box::pin(async move {
                transaction.execute(insert(&text)).await?;
                Ok(attempt)
            })
        },
    );
    database
        .retry(policy, &mut note)
        .await
        .map_err(|error| error.error)
}

async fn commits_without_an_answer_take_effect_once(bank: TestBank) {
    let commits: usize =
        std::env::var("NEOBANK_UNKNOWN_COMMITS").map_or(90, |number| number.parse().unwrap());
    let (database, proxy) = behind(&bank).await;
    let mut run_again = 0;
    for number in 0..commits {
        match number % 3 {
            0 => proxy.cut_before_commit(),
            1 => proxy.cut_after_commit(),
            _ => proxy.cut_during_commit(),
        }
        let attempts = note(&database, &with_records(), &number.to_string())
            .await
            .unwrap();
        match number % 3 {
            0 => assert_eq!(attempts, 2),
            1 => assert_eq!(attempts, 1),
            _ => {}
        }
        run_again += u64::from(attempts - 1);
    }
    let written = count(&bank, "SELECT count(*) FROM scratch.note").await;
    let different = count(&bank, "SELECT count(DISTINCT text) FROM scratch.note").await;
    assert_eq!((written, different), (commits as i64, commits as i64));
    let lost: u64 = database
        .metrics()
        .retries
        .iter()
        .filter(|count| count.sqlstate == "lost")
        .map(|count| count.retries)
        .sum();
    assert_eq!(lost, run_again);
    let sql = "SELECT count(*) FROM concurrency.commit_records WHERE committed";
    assert_eq!(count(&bank, sql).await, written);
    assert_nothing_left(&bank).await;
}

async fn late_commit_after_resolution_changes_nothing(bank: TestBank) {
    let (database, proxy) = behind(&bank).await;
    let mut notes = 0;
    let mut attempts = 1;
    // The record precedes the commit in one message. Where only the record arrives in time, the
    // resolution waits for the commit behind it, which succeeds; so another note is tried.
    while attempts == 1 && notes < 50 {
        proxy.cut_and_commit_late();
        let text = notes.to_string();
        attempts = note(&database, &with_records(), &text).await.unwrap();
        notes += 1;
    }
    assert_eq!(attempts, 2);
    // The first attempt ends when its commit arrives, and finds that it was resolved as aborted.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_nothing_left(&bank).await;
    assert_eq!(
        count(&bank, "SELECT count(*) FROM scratch.note").await,
        notes
    );
    let rows = "SELECT count(*) FROM concurrency.commit_records";
    assert_eq!(
        count(&bank, &format!("{rows} WHERE committed")).await,
        notes
    );
    assert_eq!(
        count(&bank, &format!("{rows} WHERE NOT committed")).await,
        1
    );
}

async fn lost_commit_without_records_is_unknown(bank: TestBank) {
    let (database, proxy) = behind(&bank).await;
    proxy.cut_after_commit();
    let outcome = note(&database, &RetryPolicy::default(), "once").await;
    assert!(
        matches!(outcome, Err(TransactionError::Unknown { value: 1, .. })),
        "{outcome:?}"
    );
    assert_eq!(count(&bank, "SELECT count(*) FROM scratch.note").await, 1);
}

async fn swallowed_error_does_not_commit(bank: TestBank) {
    let (database, _proxy) = behind(&bank).await;
    let mut swallow = command(
        "swallow",
        IsolationLevel::ReadCommitted,
        |transaction, _| {
            Box::pin(async move {
                transaction.execute(insert("gone")).await?;
                let _ = transaction.execute(statement("SELECT 1 / 0", [])).await;
                Ok(())
            })
        },
    );
    for _ in 0..2 {
        let error = database
            .retry(&with_records(), &mut swallow)
            .await
            .unwrap_err();
        assert!(
            matches!(
                error.error,
                TransactionError::Database(DatabaseError::TransactionAborted)
            ),
            "{error}"
        );
        // The second time the connection has the record's statement prepared.
        note(&database, &with_records(), "kept").await.unwrap();
    }
    let sql = "SELECT count(*) FROM scratch.note WHERE text = 'gone'";
    assert_eq!(count(&bank, sql).await, 0);
}

async fn old_records_are_deleted_and_young_ones_kept(bank: TestBank) {
    let sql = "INSERT INTO concurrency.commit_records (attempt_id, transaction_name, committed, recorded_at)
               SELECT gen_random_uuid(), 'old', true, clock_timestamp() - make_interval(mins => n * 10)
               FROM generate_series(1, 6000) AS n";
    let superuser = bank.superuser().await;
    superuser.execute(statement(sql, [])).await.unwrap();
    // A minute is too short, because a resolution may still read the record.
    let deleted = delete_commit_records(&bank.database, Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(deleted, 5995);
}

/// Without its record a committed transaction would be reported as aborted.
async fn application_cannot_delete_a_young_record(bank: TestBank) {
    let insert = "INSERT INTO concurrency.commit_records (attempt_id, transaction_name, committed)
                  VALUES (gen_random_uuid(), 'young', true)";
    bank.database.execute(statement(insert, [])).await.unwrap();
    for sql in [
        "DELETE FROM concurrency.commit_records",
        "UPDATE concurrency.commit_records SET committed = false",
    ] {
        let error = bank.database.execute(statement(sql, [])).await.unwrap_err();
        assert_eq!(error.server().unwrap().sqlstate, "42501", "{sql}");
    }
    let delete = "SELECT concurrency.delete_commit_records(-1000000, 1000)";
    let deleted: i64 = bank
        .database
        .fetch_value(statement(delete, []))
        .await
        .unwrap();
    assert_eq!(deleted, 0);
}
