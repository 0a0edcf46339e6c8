//! Mutual exclusion, and tokens without gaps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use neobank_db::locks::{self, LockError, SessionLock};
use neobank_db::{Database, Executor, Transaction, statement};
use tokio::task::JoinSet;

use super::{assert_no_lock_left, counters, name, print_figure, repetitions, within};
use crate::harness::TestBank;

on_both_versions!(
    transactions_exclude_each_other,
    sessions_exclude_each_other,
    all_three_kinds_exclude_each_other,
    stricter_defaults_keep_exclusion,
);

const TASKS: usize = 32;

/// A detector that fails when two holders are inside at once: in this process, or by an unprotected
/// counter in the database.
struct Detector {
    inside: AtomicUsize,
    most: AtomicUsize,
}

impl Detector {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inside: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        })
    }

    fn enter(&self) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    fn assert_never_two(&self) {
        assert_eq!(self.most.load(Ordering::SeqCst), 1);
    }
}

/// Reads and writes a counter without protection: two holders at once lose a count.
async fn careless_count(on: &impl Executor) {
    let sections: i64 = on
        .fetch_value(statement(
            "SELECT sections FROM scratch.counter WHERE id = 0",
            [],
        ))
        .await
        .unwrap();
    on.execute(statement(
        "UPDATE scratch.counter SET sections = $1 WHERE id = 0",
        [(sections + 1).into()],
    ))
    .await
    .unwrap();
}

async fn assert_counted(database: &Database, sections: usize) {
    let counted: i64 = database
        .fetch_value(statement(
            "SELECT sections FROM scratch.counter WHERE id = 0",
            [],
        ))
        .await
        .unwrap();
    assert_eq!(counted, sections as i64, "a section was lost");
}

fn assert_without_gap(mut tokens: Vec<i64>) {
    assert!(!tokens.is_empty());
    tokens.sort_unstable();
    let expected: Vec<i64> = (1..=tokens.len() as i64).collect();
    assert_eq!(tokens, expected, "a token is missing or was given twice");
}

async fn section(transaction: &mut Transaction, detector: &Detector) -> Result<i64, LockError> {
    let locks = locks::lock(transaction, &[name("one")], Duration::from_secs(25)).await?;
    detector.enter();
    careless_count(transaction).await;
    detector.leave();
    Ok(locks.fencing_token(&name("one")).unwrap().number())
}

async fn transactions_exclude_each_other(bank: TestBank) {
    counters(&bank).await;
    let sections = repetitions("NEOBANK_LOCK_SECTIONS", 50);
    let detector = Detector::new();
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (database, detector) = (bank.database.clone(), Arc::clone(&detector));
        tasks.spawn(async move {
            let mut tokens = Vec::new();
            for _ in 0..sections {
                let mut transaction = database.begin().await.unwrap();
                tokens.push(section(&mut transaction, &detector).await.unwrap());
                transaction.commit().await.unwrap();
            }
            assert!(
                tokens.is_sorted_by(|a, b| a < b),
                "a later token is not higher"
            );
            tokens
        });
    }
    let tokens: Vec<i64> = tasks.join_all().await.into_iter().flatten().collect();
    print_figure(&format!(
        "{} sections in {:?}",
        tokens.len(),
        started.elapsed()
    ));
    detector.assert_never_two();
    assert_counted(&bank.database, TASKS * sections).await;
    assert_without_gap(tokens);
    assert_no_lock_left(&bank).await;
}

async fn sessions_exclude_each_other(bank: TestBank) {
    counters(&bank).await;
    let sections = repetitions("NEOBANK_LOCK_SECTIONS", 50).div_ceil(10);
    let detector = Detector::new();
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (database, detector) = (bank.database.clone(), Arc::clone(&detector));
        tasks.spawn(async move {
            let mut tokens = Vec::new();
            for _ in 0..sections {
                let lock = SessionLock::acquire(
                    &database,
                    &[name("one")],
                    &within(Duration::from_secs(60)),
                )
                .await
                .unwrap();
                detector.enter();
                careless_count(&database).await;
                detector.leave();
                tokens.push(lock.fencing_token(&name("one")).unwrap().number());
                lock.release().await.unwrap();
            }
            assert!(
                tokens.is_sorted_by(|a, b| a < b),
                "a later token is not higher"
            );
            tokens
        });
    }
    let tokens: Vec<i64> = tasks.join_all().await.into_iter().flatten().collect();
    detector.assert_never_two();
    assert_counted(&bank.database, TASKS * sections).await;
    assert_without_gap(tokens);
    assert_no_lock_left(&bank).await;
}

async fn all_three_kinds_exclude_each_other(bank: TestBank) {
    counters(&bank).await;
    let sections = repetitions("NEOBANK_LOCK_SECTIONS", 50).div_ceil(10);
    let detector = Detector::new();
    let mut tasks = JoinSet::new();
    for kind in 0..9 {
        let (database, detector) = (bank.database.clone(), Arc::clone(&detector));
        tasks.spawn(async move {
            let mut tokens = Vec::new();
            let long = Duration::from_secs(25);
            while tokens.len() < sections {
                match kind % 3 {
                    0 => {
                        let mut transaction = database.begin().await.unwrap();
                        match section(&mut transaction, &detector).await {
                            Ok(token) => tokens.push(token),
                            Err(LockError::Leased { .. }) => {
                                tokio::time::sleep(Duration::from_millis(1)).await;
                            }
                            Err(error) => panic!("{error:?}"),
                        }
                        transaction.commit().await.unwrap();
                    }
                    1 => {
                        let lock =
                            match SessionLock::acquire(&database, &[name("one")], &within(long))
                                .await
                            {
                                Ok(lock) => lock,
                                Err(LockError::Leased { .. }) => continue,
                                Err(error) => panic!("{error:?}"),
                            };
                        detector.enter();
                        careless_count(&database).await;
                        detector.leave();
                        tokens.push(lock.fencing_token(&name("one")).unwrap().number());
                        lock.release().await.unwrap();
                    }
                    _ => {
                        let lease = locks::LockLease::acquire(&database, &name("one"), long, long)
                            .await
                            .unwrap();
                        detector.enter();
                        careless_count(&database).await;
                        detector.leave();
                        tokens.push(lease.fencing_token().number());
                        lease.release(&database).await.unwrap();
                    }
                }
            }
            tokens
        });
    }
    let tokens: Vec<i64> = tasks.join_all().await.into_iter().flatten().collect();
    detector.assert_never_two();
    assert_counted(&bank.database, 9 * sections).await;
    assert_without_gap(tokens);
    assert_no_lock_left(&bank).await;
}

async fn stricter_defaults_keep_exclusion(bank: TestBank) {
    let superuser = bank.superuser().await;
    for setting in [
        "default_transaction_isolation = ''serializable''",
        "default_transaction_read_only = on",
    ] {
        let sql = format!(
            "DO $$ BEGIN SET LOCAL transaction_read_only = off;
                EXECUTE format('ALTER DATABASE %I SET {setting}', current_database()); END $$"
        );
        superuser.execute(statement(&sql, [])).await.unwrap();
    }
    let database = Database::connect(bank.config()).await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..6 {
        let database = database.clone();
        tasks.spawn(async move {
            let long = Duration::from_secs(20);
            for _ in 0..5 {
                let names = [name("one")];
                let lock = loop {
                    match SessionLock::acquire(&database, &names, &within(long)).await {
                        Err(LockError::Leased { .. }) => {}
                        outcome => break outcome.unwrap(),
                    }
                };
                lock.release().await.unwrap();
                let mut lease = locks::LockLease::acquire(&database, &names[0], long, long)
                    .await
                    .unwrap();
                lease.renew(&database, long).await.unwrap();
                lease.release(&database).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_no_lock_left(&bank).await;
}
