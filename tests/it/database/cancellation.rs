//! Dropped futures, which must leave nothing behind.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use neobank_db::{Database, DatabaseError, Executor, statement};

use super::{assert_all_come_back, assert_nothing_left, insert, noted, notes};
use crate::harness::TestBank;

on_both_versions!(
    dropped_begin_loses_no_later_write,
    future_dropped_at_any_point_leaves_no_transaction,
    dropped_wait_for_a_lock_is_cancelled_on_the_server,
    late_cancel_hits_no_other_statement,
    pool_inside_a_transaction_times_out_with_its_place,
);

/// Polls a future this many times, lets the connection's task run in between, and drops the future.
async fn poll_and_drop<T>(future: impl Future<Output = T>, polls: usize) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        if future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
        {
            return true;
        }
        // The answer has arrived by the next poll in some rounds, and not in others.
        if polls.is_multiple_of(2) {
            tokio::time::sleep(Duration::from_micros(300)).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
    false
}

async fn dropped_begin_loses_no_later_write(bank: TestBank) {
    let database = notes(&bank, 1).await;
    for polls in 0..200 {
        poll_and_drop(
            async {
                let transaction = database.begin().await?;
                transaction
                    .fetch_value::<i32>(statement("SELECT 1", []))
                    .await?;
                std::future::pending::<()>().await;
                transaction.commit().await
            },
            polls % 12,
        )
        .await;
        let text = format!("acknowledged {polls}");
        database.execute(insert(&text)).await.unwrap();
    }
    let kept: i64 = bank
        .superuser()
        .await
        .fetch_value(statement("SELECT count(*) FROM scratch.note", []))
        .await
        .unwrap();
    assert_eq!(kept, 200, "an acknowledged write is gone");
    assert_all_come_back(&database).await;
    assert_nothing_left(&bank).await;
}

async fn everything(database: &Database, name: &str) -> Result<(), DatabaseError> {
    let mut transaction = database.begin().await?;
    transaction
        .execute(insert(&format!("{name} outer")))
        .await?;
    let mut savepoint = transaction.savepoint();
    savepoint
        .transaction()
        .execute(insert(&format!("{name} inner")))
        .await?;
    savepoint.release().await?;
    transaction
        .nested(async |inner| {
            inner.execute(insert(&format!("{name} undone"))).await?;
            Err::<(), _>(DatabaseError::NoRow)
        })
        .await
        .ok();
    transaction.commit().await?;
    database.execute(insert(&format!("{name} alone"))).await?;
    Ok(())
}

async fn future_dropped_at_any_point_leaves_no_transaction(bank: TestBank) {
    let database = notes(&bank, 2).await;
    let mut finished = 0;
    for number in 0..600_usize {
        let name = number.to_string();
        finished += usize::from(poll_and_drop(everything(&database, &name), number % 40).await);
        if number.is_multiple_of(20) {
            // The pool still works, and the acknowledged rows exist.
            let text = format!("check {number}");
            database.execute(insert(&text)).await.unwrap();
            assert!(noted(&bank, &text).await);
        }
    }
    assert!(
        finished > 0 && finished < 600,
        "the drops were not in the middle: {finished} of 600 finished"
    );
    assert_all_come_back(&database).await;
    assert_nothing_left(&bank).await;
    let halves = "SELECT count(*) FROM (
        SELECT split_part(text, ' ', 1) FROM scratch.note WHERE text LIKE '% outer' OR text LIKE '% inner'
        GROUP BY 1 HAVING count(*) <> 2) AS half";
    let superuser = bank.superuser().await;
    assert_eq!(
        superuser
            .fetch_value::<i64>(statement(halves, []))
            .await
            .unwrap(),
        0
    );
    let undone = "SELECT count(*) FROM scratch.note WHERE text LIKE '% undone'";
    assert_eq!(
        superuser
            .fetch_value::<i64>(statement(undone, []))
            .await
            .unwrap(),
        0
    );
}

async fn dropped_wait_for_a_lock_is_cancelled_on_the_server(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let holder = bank.superuser().await.begin().await.unwrap();
    holder
        .execute(statement(
            "LOCK TABLE scratch.note IN ACCESS EXCLUSIVE MODE",
            [],
        ))
        .await
        .unwrap();
    for number in 0..20 {
        let waiting = database.transaction(async |transaction| {
            transaction
                .execute(insert(&format!("waits {number}")))
                .await
        });
        assert!(
            tokio::time::timeout(Duration::from_millis(20), waiting)
                .await
                .is_err()
        );
        assert_all_come_back(&database).await;
    }
    // Only the holder is left; no statement waits in the server for a dropped caller.
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE wait_event_type = 'Lock' AND datname = current_database()";
    assert_eq!(
        bank.database
            .fetch_value::<i64>(statement(waiting, []))
            .await
            .unwrap(),
        0
    );
    holder.rollback().await.unwrap();
    database.execute(insert("next")).await.unwrap();
}

async fn late_cancel_hits_no_other_statement(bank: TestBank) {
    let database = notes(&bank, 4).await;
    let mut running = tokio::task::JoinSet::new();
    for task in 0..8 {
        let database = database.clone();
        running.spawn(async move {
            for number in 0..100_u64 {
                // Dropped in the middle: the connection is cancelled and checked out by another
                // caller.
                let slow =
                    database.fetch_value::<i32>(statement("SELECT 1 FROM pg_sleep(0.05)", []));
                let _ = tokio::time::timeout(Duration::from_micros(200 * (number % 7)), slow).await;
                database
                    .fetch_value::<i32>(statement("SELECT $1::int", [task.into()]))
                    .await
                    .unwrap_or_else(|error| {
                        panic!("another caller's cancel arrived here: {error}")
                    });
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    assert_all_come_back(&database).await;
}

async fn pool_inside_a_transaction_times_out_with_its_place(bank: TestBank) {
    notes(&bank, 1).await;
    let mut config = bank.config();
    config.pool_max = 1;
    config.acquire_timeout = Duration::from_millis(100);
    let database = Database::connect(config).await.unwrap();
    let transaction = database.begin().await.unwrap();
    let error = database.execute(insert("from the pool")).await.unwrap_err();
    let DatabaseError::PoolTimeout {
        in_use, pool_max, ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!((in_use, pool_max), (1, 1));
    transaction.commit().await.unwrap();
    database.execute(insert("later")).await.unwrap();
}
