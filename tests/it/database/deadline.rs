//! Deadlines, which travel with the handle to the server.

use std::time::{Duration, Instant};

use neobank_db::{
    Database, DatabaseError, ErrorClass, Executor, IsolationLevel, RetryPolicy, statement,
};
use neobank_domain::{LedgerError, TransferRequest};

use super::retry::command;
use super::{assert_all_come_back, assert_nothing_left, insert, noted, notes};
use crate::harness::{StallingProxy, TestBank, czk, lock_account, single};

on_both_versions!(
    statement_ends_on_the_server_at_the_deadline,
    wait_for_a_lock_ends_at_the_deadline,
    wait_for_a_connection_ends_at_the_deadline,
    no_commit_is_sent_after_the_deadline,
    server_timeouts_shrink_with_the_deadline_within_the_transaction,
    silent_server_is_abandoned_at_the_deadline,
    deadline_applies_to_the_ledger,
    deadline_ends_the_retries,
    earlier_deadline_applies,
);

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

fn soon(database: &Database) -> Database {
    database.with_deadline(Instant::now() + Duration::from_millis(300))
}

fn assert_exceeded<T: std::fmt::Debug>(outcome: &Result<T, DatabaseError>, started: Instant) {
    match outcome {
        Err(error) => assert_eq!(error.class(), ErrorClass::DeadlineExceeded, "{error:?}"),
        Ok(_) => panic!("{outcome:?}"),
    }
    let took = started.elapsed();
    assert!(
        took >= Duration::from_millis(300) && took < LONG / 2,
        "{took:?}"
    );
}

async fn statement_ends_on_the_server_at_the_deadline(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let sleep = || statement("SELECT pg_sleep(60)", []);
    let session = || statement("SELECT pg_backend_pid()", []);
    let before: i32 = database.fetch_value(session()).await.unwrap();
    let started = Instant::now();
    assert_exceeded(&soon(&database).execute(sleep()).await, started);
    let transaction = soon(&database).begin().await.unwrap();
    transaction.execute(insert("gone")).await.unwrap();
    assert_exceeded(&transaction.execute(sleep()).await, started);
    drop(transaction);
    assert_all_come_back(&database).await;
    assert_nothing_left(&bank).await;
    assert!(!noted(&bank, "gone").await);
    // The server ended the statements: the client did not have to close the connection.
    let after: i32 = database.fetch_value(session()).await.unwrap();
    assert_eq!(after, before);
}

async fn wait_for_a_lock_ends_at_the_deadline(bank: TestBank) {
    let database = notes(&bank, 3).await;
    let holder = database.begin().await.unwrap();
    let lock = "LOCK TABLE scratch.note IN ACCESS EXCLUSIVE MODE";
    holder.execute(statement(lock, [])).await.unwrap();
    let started = Instant::now();
    assert_exceeded(&soon(&database).execute(insert("gone")).await, started);
    holder.rollback().await.unwrap();
    assert!(!noted(&bank, "gone").await);
}

async fn wait_for_a_connection_ends_at_the_deadline(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let holder = database.begin().await.unwrap();
    let started = Instant::now();
    let late = soon(&database).begin().await;
    assert!(
        matches!(late, Err(DatabaseError::PoolTimeout { waited, .. }) if waited < LONG),
        "{late:?}"
    );
    // The pool's own timeout is five seconds.
    assert!(started.elapsed() < Duration::from_secs(4));
    let passed = database.with_deadline(Instant::now()).begin().await;
    assert!(matches!(
        passed,
        Err(DatabaseError::DeadlineExceeded { .. })
    ));
    holder.rollback().await.unwrap();
}

async fn no_commit_is_sent_after_the_deadline(bank: TestBank) {
    let database = notes(&bank, 2).await;
    let started = Instant::now();
    let transaction = soon(&database).begin().await.unwrap();
    transaction.execute(insert("late")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(320)).await;
    assert_exceeded(&transaction.execute(insert("later")).await, started);
    assert_exceeded(&transaction.commit().await, started);
    assert_all_come_back(&database).await;
    assert!(!noted(&bank, "late").await);
    let in_time = database.with_deadline(Instant::now() + LONG);
    in_time.execute(insert("in time")).await.unwrap();
    assert!(noted(&bank, "in time").await);
}

async fn server_timeouts_shrink_with_the_deadline_within_the_transaction(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let limits = || {
        statement(
            "SELECT (SELECT setting::integer FROM pg_settings WHERE name = 'statement_timeout')
             + 1000000 * (SELECT setting::bigint FROM pg_settings WHERE name = 'lock_timeout')",
            [],
        )
    };
    let usual: i64 = database.fetch_value(limits()).await.unwrap();
    let mut transaction = database
        .with_deadline(Instant::now() + Duration::from_secs(4))
        .begin()
        .await
        .unwrap();
    let mut last = i64::MAX;
    for _ in 0..3 {
        let now: i64 = transaction.fetch_value(limits()).await.unwrap();
        assert!(now / 1_000_000 <= 4001 && now % 1_000_000 <= 4001, "{now}");
        assert!(now < last, "{now} after {last}");
        last = now;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Also after a savepoint that is rolled back.
    let savepoint = transaction.savepoint();
    savepoint.rollback().await.unwrap();
    let now: i64 = transaction.fetch_value(limits()).await.unwrap();
    assert!(now < last);
    transaction.commit().await.unwrap();
    let after: i64 = database.fetch_value(limits()).await.unwrap();
    assert_eq!(after, usual);
}

async fn silent_server_is_abandoned_at_the_deadline(bank: TestBank) {
    notes(&bank, 1).await;
    let proxy = StallingProxy::before(&bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    config.recovery_timeout = Duration::from_secs(1);
    let database = Database::connect(config).await.unwrap();
    proxy.fall_silent();
    let started = Instant::now();
    let late = soon(&database).execute(insert("silent")).await;
    assert_exceeded(&late, started);
    // The statement timeout with its grace is far longer.
    assert!(started.elapsed() < Duration::from_secs(10), "{late:?}");
}

async fn deadline_applies_to_the_ledger(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let holder = bank.database.begin().await.unwrap();
    lock_account(&holder, from).await;
    let started = Instant::now();
    let ledger = single(soon(&bank.database));
    let late = ledger
        .transfer(TransferRequest::new(from, to, czk("1")))
        .await;
    match late {
        Err(LedgerError::Database(error)) => assert_exceeded(&Err::<(), _>(error), started),
        other => panic!("{other:?}"),
    }
    holder.rollback().await.unwrap();
    assert_eq!(bank.balance(to).await, czk("0"));
    let in_time = single(bank.database.with_deadline(Instant::now() + LONG));
    in_time
        .transfer(TransferRequest::new(from, to, czk("1")))
        .await
        .unwrap();
    assert_eq!(bank.balance(to).await, czk("1"));
    bank.assert_sound().await;
}

async fn deadline_ends_the_retries(bank: TestBank) {
    let database = notes(&bank, 2).await;
    let mut divide = command("divide", IsolationLevel::ReadCommitted, |transaction, _| {
        Box::pin(async move { transaction.execute(statement("SELECT 1 / 0", [])).await })
    });
    let mut policy = RetryPolicy::default().also(ErrorClass::InvalidData);
    policy.attempts_max = u32::MAX;
    policy.deadline = LONG;
    let started = Instant::now();
    let error = soon(&database)
        .retry(&policy, &mut divide)
        .await
        .unwrap_err();
    assert!(error.attempts > 1, "{error}");
    assert!(started.elapsed() < LONG / 2, "{error}");
}

async fn earlier_deadline_applies(bank: TestBank) {
    let first = Instant::now() + LONG;
    let handle = bank.database.with_deadline(first);
    let later = handle.with_deadline(first + LONG);
    let sooner = handle.with_deadline(first - Duration::from_secs(1));
    assert_eq!(later.deadline(), Some(first));
    assert_eq!(sooner.deadline(), Some(first - Duration::from_secs(1)));
    assert_eq!(sooner.without_deadline().deadline(), None);
    assert_eq!(bank.database.deadline(), None);
}
