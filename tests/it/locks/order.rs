//! Deadlocks: none where keys are sorted, and some where they are not.

use std::time::Duration;

use neobank_db::locks::{self, LockError, LockName};
use neobank_db::{Database, DatabaseError, ErrorClass, Executor, statement};
use tokio::task::JoinSet;

use super::{assert_no_lock_left, name, repetitions};
use crate::harness::TestBank;

on_both_versions!(
    crossing_sets_never_deadlock,
    unsorted_locks_deadlock,
    lower_key_after_a_higher_one_is_rejected,
);

const LONG: Duration = Duration::from_secs(20);

/// Returns the names of a task: the same two for all, in opposite orders.
fn crossing(task: usize) -> [LockName; 2] {
    let mut names = [name("left"), name("right")];
    if task.is_multiple_of(2) {
        names.reverse();
    }
    names
}

async fn crossing_sets_never_deadlock(bank: TestBank) {
    let rounds = repetitions("NEOBANK_LOCK_SECTIONS", 50).min(1_000);
    let mut tasks = JoinSet::new();
    for task in 0..16 {
        let database = bank.database.clone();
        tasks.spawn(async move {
            for _ in 0..rounds {
                let mut transaction = database.begin().await.unwrap();
                locks::lock(&mut transaction, &crossing(task), LONG)
                    .await
                    .unwrap();
                transaction.commit().await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_no_lock_left(&bank).await;
}

/// Locks two names in two calls, without an order.
async fn unsorted(database: &Database, task: usize) -> Result<(), DatabaseError> {
    let transaction = database.begin().await?;
    for name in crossing(task) {
        transaction
            .execute(statement(
                "SELECT pg_advisory_xact_lock($1)",
                [name.key().into()],
            ))
            .await?;
    }
    transaction.commit().await
}

async fn unsorted_locks_deadlock(bank: TestBank) {
    let mut tasks = JoinSet::new();
    for task in 0..16 {
        let database = bank.database.clone();
        tasks.spawn(async move {
            let mut deadlocks = 0;
            for _ in 0..10 {
                match unsorted(&database, task).await {
                    Err(error) if error.class() == ErrorClass::Deadlock => deadlocks += 1,
                    outcome => outcome.unwrap(),
                }
            }
            deadlocks
        });
    }
    let deadlocks: i32 = tasks.join_all().await.into_iter().sum();
    assert!(deadlocks > 0, "this test cannot see a deadlock");
}

async fn lower_key_after_a_higher_one_is_rejected(bank: TestBank) {
    let mut names = [name("a"), name("b"), name("c")];
    names.sort_by_key(LockName::key);
    let [low, middle, high] = names;
    let mut transaction = bank.database.begin().await.unwrap();
    locks::lock_in_order(&mut transaction, std::slice::from_ref(&middle), LONG)
        .await
        .unwrap();
    let rejected = locks::lock_in_order(&mut transaction, &[high.clone(), low.clone()], LONG).await;
    let Err(LockError::OutOfOrder { name, held_key }) = rejected else {
        panic!("{rejected:?}")
    };
    assert_eq!((name, held_key), (low.clone(), middle.key()));
    assert_eq!(locks::held_locks(&transaction).await.unwrap().len(), 1);
    // The same name again, and a later one, are in order.
    locks::lock_in_order(&mut transaction, &[high.clone(), middle.clone()], LONG)
        .await
        .unwrap();
    locks::lock_in_order(&mut transaction, std::slice::from_ref(&middle), LONG)
        .await
        .unwrap();
    // A call without the check of the order is not rejected.
    locks::lock(&mut transaction, &[low], LONG).await.unwrap();
    transaction.commit().await.unwrap();
    assert_no_lock_left(&bank).await;
}
