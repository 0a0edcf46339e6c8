//! Timeouts of locks: accurate, and without a remaining lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use neobank_db::locks::{self, LockError, SessionLock};
use neobank_db::{Database, Executor, Transaction, TransactionOptions, statement};
use tokio::task::{JoinHandle, JoinSet};

use super::{assert_no_lock_left, name, print_figure, repetitions, within};
use crate::harness::TestBank;

on_both_versions!(
    wait_lasts_for_its_timeout,
    set_has_one_timeout,
    lock_timeout_is_restored,
    timeout_beyond_the_statement_timeout_is_rejected,
    short_timeouts_leave_no_lock_in_a_transaction,
    short_timeouts_leave_no_lock_in_a_session,
);

const SECOND: Duration = Duration::from_secs(1);

fn assert_accurate(waited: Duration) {
    assert!(
        (Duration::from_millis(290)..Duration::from_millis(600)).contains(&waited),
        "{waited:?}"
    );
}

async fn wait_lasts_for_its_timeout(bank: TestBank) {
    let mut holder = bank.database.begin().await.unwrap();
    locks::lock(&mut holder, &[name("a")], SECOND)
        .await
        .unwrap();
    let limit = Duration::from_millis(300);

    let mut transaction = bank.database.begin().await.unwrap();
    transaction
        .execute(statement("SELECT 1", []))
        .await
        .unwrap();
    for _ in 0..3 {
        let started = Instant::now();
        let rejected = locks::lock(&mut transaction, &[name("a")], limit).await;
        assert_accurate(started.elapsed());
        let Err(LockError::Timeout {
            waited, holders, ..
        }) = rejected
        else {
            panic!("{rejected:?}")
        };
        assert_accurate(waited);
        assert_eq!(holders.len(), 1);
    }
    // The transaction continues.
    transaction
        .execute(statement("SELECT 1", []))
        .await
        .unwrap();
    transaction.commit().await.unwrap();

    let started = Instant::now();
    let rejected = SessionLock::acquire(&bank.database, &[name("a")], &within(limit)).await;
    assert!(
        matches!(rejected, Err(LockError::Timeout { .. })),
        "{rejected:?}"
    );
    assert_accurate(started.elapsed());

    let started = Instant::now();
    let rejected = locks::LockLease::acquire(&bank.database, &name("a"), SECOND, limit).await;
    assert!(
        matches!(rejected, Err(LockError::Timeout { .. })),
        "{rejected:?}"
    );
    assert_accurate(started.elapsed());
}

async fn set_has_one_timeout(bank: TestBank) {
    // Each of the first locks is free after most of the time; a timeout for each alone would wait
    // for all of them.
    let mut all: Vec<_> = (0..4).map(|number| name(&number.to_string())).collect();
    all.sort_by_key(locks::LockName::key);
    let mut transactions = Vec::new();
    for name in &all {
        let mut holder = bank.database.begin().await.unwrap();
        locks::lock(&mut holder, std::slice::from_ref(name), SECOND)
            .await
            .unwrap();
        transactions.push(holder);
    }
    let mut transaction = bank.database.begin().await.unwrap();
    transaction
        .execute(statement("SELECT 1", []))
        .await
        .unwrap();
    let mut holders = JoinSet::new();
    for (place, holder) in transactions.into_iter().enumerate() {
        holders.spawn(async move {
            tokio::time::sleep(Duration::from_millis(200) * (place as u32 + 1)).await;
            holder.commit().await.unwrap();
        });
    }
    let started = Instant::now();
    let rejected = locks::lock(&mut transaction, &all, Duration::from_millis(300)).await;
    assert_accurate(started.elapsed());
    let Err(LockError::Timeout { name, .. }) = rejected else {
        panic!("{rejected:?}")
    };
    assert_eq!(name, all[1]);
    let held = locks::held_locks(&transaction).await.unwrap();
    assert!(held.iter().all(|lock| lock.name != Some(all[0].clone())));
    holders.join_all().await;
}

async fn setting(transaction: &Transaction, name: &str) -> String {
    transaction
        .fetch_value(statement("SELECT current_setting($1)", [name.into()]))
        .await
        .unwrap()
}

async fn lock_timeout_is_restored(bank: TestBank) {
    let mut holder = bank.database.begin().await.unwrap();
    locks::lock(&mut holder, &[name("a")], SECOND)
        .await
        .unwrap();
    for own in [None, Some(Duration::from_millis(4_321))] {
        let options = TransactionOptions::default().with_lock_timeout(own);
        let mut transaction = bank.database.begin_with(options).await.unwrap();
        let before = (
            setting(&transaction, "lock_timeout").await,
            setting(&transaction, "statement_timeout").await,
        );
        assert_eq!(before.0, if own.is_some() { "4321ms" } else { "5s" });
        let tenth = Duration::from_millis(10);
        assert!(
            locks::lock(&mut transaction, &[name("a")], tenth)
                .await
                .is_err()
        );
        locks::lock(&mut transaction, &[name("b")], tenth)
            .await
            .unwrap();
        assert!(
            locks::try_lock(&mut transaction, &[name("a")])
                .await
                .unwrap()
                .is_none()
        );
        let after = (
            setting(&transaction, "lock_timeout").await,
            setting(&transaction, "statement_timeout").await,
        );
        assert_eq!(before, after);
        transaction.commit().await.unwrap();
    }
}

async fn timeout_beyond_the_statement_timeout_is_rejected(bank: TestBank) {
    let options =
        TransactionOptions::default().with_statement_timeout(Some(Duration::from_millis(200)));
    let mut transaction = bank.database.begin_with(options).await.unwrap();
    for timeout in [
        Duration::from_millis(200),
        Duration::from_secs(3_600),
        Duration::MAX,
    ] {
        let rejected = locks::lock(&mut transaction, &[name("a")], timeout).await;
        assert!(
            matches!(rejected, Err(LockError::TimeoutTooLong { .. })),
            "{rejected:?}"
        );
    }
    locks::lock(&mut transaction, &[name("a")], Duration::from_millis(100))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}

/// Holds the lock most of the time, and releases it repeatedly, so that waits end in both ways.
fn churn(database: &Database, until: &Arc<AtomicBool>) -> JoinHandle<u64> {
    let (database, until) = (database.clone(), Arc::clone(until));
    tokio::spawn(async move {
        let mut rounds = 0;
        while !until.load(Ordering::SeqCst) {
            let mut transaction = database.begin().await.unwrap();
            if locks::lock(&mut transaction, &[name("churned")], SECOND)
                .await
                .is_ok()
            {
                tokio::time::sleep(Duration::from_micros(900 + rounds * 37 % 700)).await;
            }
            transaction.commit().await.unwrap();
            rounds += 1;
        }
        rounds
    })
}

async fn short_timeouts_leave_no_lock_in_a_transaction(bank: TestBank) {
    let wanted = repetitions("NEOBANK_LOCK_TIMEOUTS", 1_000);
    let done = Arc::new(AtomicBool::new(false));
    let churning = [churn(&bank.database, &done), churn(&bank.database, &done)];
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let database = bank.database.clone();
        tasks.spawn(async move {
            let (mut timeouts, mut granted) = (0, 0);
            while timeouts < wanted.div_ceil(8) {
                let mut transaction = database.begin().await.unwrap();
                match locks::lock(&mut transaction, &[name("churned")], Duration::from_millis(1)).await {
                    Ok(_) => granted += 1,
                    Err(LockError::Timeout { .. }) => {
                        timeouts += 1;
                        let sql = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'";
                        let held: i64 = transaction.fetch_value(statement(sql, [])).await.unwrap();
                        assert_eq!(held, 0, "a lock was kept after its timeout");
                    }
                    Err(error) => panic!("{error:?}"),
                }
                transaction.commit().await.unwrap();
            }
            (timeouts, granted)
        });
    }
    let outcomes = tasks.join_all().await;
    done.store(true, Ordering::SeqCst);
    for churn in churning {
        churn.await.unwrap();
    }
    print_figure(&format!("timeouts and grants of each: {outcomes:?}"));
    assert_no_lock_left(&bank).await;
}

async fn short_timeouts_leave_no_lock_in_a_session(bank: TestBank) {
    let wanted = repetitions("NEOBANK_LOCK_TIMEOUTS", 1_000);
    let done = Arc::new(AtomicBool::new(false));
    let churning = [churn(&bank.database, &done), churn(&bank.database, &done)];
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let database = bank.database.clone();
        tasks.spawn(async move {
            let (mut timeouts, mut granted) = (0, 0);
            while timeouts < wanted.div_ceil(8) {
                match SessionLock::acquire(
                    &database,
                    &[name("churned")],
                    &within(Duration::from_millis(1)),
                )
                .await
                {
                    Ok(lock) => {
                        granted += 1;
                        lock.release().await.unwrap();
                    }
                    Err(LockError::Timeout { .. }) => timeouts += 1,
                    Err(error) => panic!("{error:?}"),
                }
            }
            (timeouts, granted)
        });
    }
    let outcomes = tasks.join_all().await;
    done.store(true, Ordering::SeqCst);
    for churn in churning {
        churn.await.unwrap();
    }
    print_figure(&format!("timeouts and grants of each: {outcomes:?}"));
    assert_no_lock_left(&bank).await;
}
