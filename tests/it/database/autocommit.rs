//! Prepared statements in autocommit mode.

use std::time::{Duration, Instant};

use neobank_db::driver::Type;
use neobank_db::{Database, DatabaseError, Executor, Pooler, statement};

use super::{assert_all_come_back, assert_nothing_left, noted, notes};
use crate::harness::{CuttingProxy, TestBank};

on_both_versions!(
    returned_write_is_committed,
    rejected_write_changes_nothing_and_keeps_the_connection,
    lost_answer_is_commit_unknown,
    dropped_write_is_cancelled_on_the_server,
    write_of_a_killed_backend_is_never_ok,
    autocommit_is_absent_behind_a_pooler_and_with_a_deadline,
);

/// The proxy recognises the statement by its comment.
const INSERT: &str = "INSERT INTO scratch.note (text) VALUES ($1) RETURNING text /* autocommit */";

async fn write(database: &Database, text: &str) -> Result<String, DatabaseError> {
    let written = database
        .autocommit()
        .unwrap()
        .write(INSERT, &[Type::TEXT], &[&text])
        .await?;
    assert!(written.replicated);
    Ok(written.rows[0].get(0))
}

async fn returned_write_is_committed(bank: TestBank) {
    let database = notes(&bank, 1).await;
    for text in ["one", "two"] {
        assert_eq!(write(&database, text).await.unwrap(), text);
        assert!(noted(&bank, text).await);
    }
    let rows = database
        .autocommit()
        .unwrap()
        .read(
            "SELECT text FROM scratch.note WHERE text = ANY ($1) ORDER BY text",
            &[Type::TEXT_ARRAY],
            &[&vec!["two", "one", "three"]],
        )
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    assert_all_come_back(&database).await;
    assert_eq!(database.status().open, 1);
}

async fn rejected_write_changes_nothing_and_keeps_the_connection(bank: TestBank) {
    let database = notes(&bank, 1).await;
    write(&database, "one").await.unwrap();
    for _ in 0..3 {
        let error = write(&database, "one").await.unwrap_err();
        assert_eq!(error.server().unwrap().sqlstate, "23505");
    }
    let autocommit = database.autocommit().unwrap();
    let error = autocommit
        .write(INSERT, &[Type::TEXT], &[])
        .await
        .unwrap_err();
    assert!(
        matches!(error, DatabaseError::Parameter { .. }),
        "{error:?}"
    );
    let error = autocommit
        .read("SELECT nonsense", &[], &[])
        .await
        .unwrap_err();
    assert_eq!(error.server().unwrap().sqlstate, "42703");
    let error = autocommit
        .write(INSERT, &[Type::TEXT], &[&1_i64])
        .await
        .unwrap_err();
    assert!(
        matches!(error, DatabaseError::Parameter { .. }),
        "{error:?}"
    );
    write(&database, "two").await.unwrap();
    assert_eq!(
        bank.superuser()
            .await
            .fetch_value::<i64>(statement("SELECT count(*) FROM scratch.note", []))
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        database.status().open,
        1,
        "it is still the first connection"
    );
}

async fn lost_answer_is_commit_unknown(bank: TestBank) {
    notes(&bank, 1).await;
    let proxy = CuttingProxy::before(&bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    config.pool_max = 1;
    let database = Database::connect(config).await.unwrap();
    write(&database, "first").await.unwrap();
    proxy.cut_before_commit();
    let outcome = write(&database, "never there").await;
    assert!(
        matches!(outcome, Err(DatabaseError::CommitUnknown { .. })),
        "{outcome:?}"
    );
    assert!(!noted(&bank, "never there").await);
    write(&database, "second").await.unwrap();
    proxy.cut_after_commit();
    let outcome = write(&database, "there").await;
    assert!(
        matches!(outcome, Err(DatabaseError::CommitUnknown { .. })),
        "{outcome:?}"
    );
    assert!(noted(&bank, "there").await);
    write(&database, "third").await.unwrap();
}

async fn dropped_write_is_cancelled_on_the_server(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let holder = bank.superuser().await;
    let holder = holder.begin().await.unwrap();
    let insert = "INSERT INTO scratch.note (text) VALUES ('held')";
    holder.execute(statement(insert, [])).await.unwrap();
    let waits = write(&database, "held");
    assert!(
        tokio::time::timeout(Duration::from_millis(200), waits)
            .await
            .is_err()
    );
    // The only connection is free again although the other transaction still holds its lock.
    write(&database, "another").await.unwrap();
    holder.rollback().await.unwrap();
    assert!(!noted(&bank, "held").await);
    assert_nothing_left(&bank).await;
}

async fn write_of_a_killed_backend_is_never_ok(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let superuser = bank.superuser().await;
    let holder = superuser.begin().await.unwrap();
    let insert = "INSERT INTO scratch.note (text) VALUES ('held')";
    holder.execute(statement(insert, [])).await.unwrap();
    let (outcome, ()) = tokio::join!(write(&database, "held"), async {
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while superuser
            .fetch_value::<i64>(statement(kill, []))
            .await
            .unwrap()
            == 0
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(
        matches!(outcome, Err(DatabaseError::CommitUnknown { .. })),
        "{outcome:?}"
    );
    holder.rollback().await.unwrap();
    assert!(!noted(&bank, "held").await);
    write(&database, "next").await.unwrap();
}

async fn autocommit_is_absent_behind_a_pooler_and_with_a_deadline(bank: TestBank) {
    let later = Instant::now() + Duration::from_secs(60);
    assert!(bank.database.with_deadline(later).autocommit().is_none());
    let mut config = bank.config();
    config.pooler = Pooler::Transaction;
    let pooled = Database::connect(config).await.unwrap();
    assert!(pooled.autocommit().is_none());
}
