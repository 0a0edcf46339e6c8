//! The semaphore on a real server: never more connections than the size, and a size that really
//! falls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use neobank_db::pool::{CloseReason, PoolEvent};
use neobank_db::{Database, DatabaseError, Executor, statement};
use tokio::task::JoinSet;

use super::{config, sessions, until};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    sessions_never_exceed_the_size,
    lower_size_closes_idle_connections_at_once_and_others_when_returned,
    higher_size_admits_waiting_callers_at_once,
    size_of_four_never_gives_out_ten,
    caller_beyond_the_waiting_limit_is_rejected_at_once,
    dropped_caller_loses_no_connection,
);

async fn sessions_never_exceed_the_size(empty: EmptyDatabase) {
    let database = Database::connect(config(&empty, "gated", 16))
        .await
        .unwrap();
    let watcher = empty.superuser().await;
    for size in [5, 12, 3] {
        assert_eq!(database.resize(size), size);
        // Surplus connections are returned within the time of one statement.
        until("the size is in force", async || {
            sessions(&watcher, "gated").await <= size as i64
        })
        .await;
        let stop = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        for _ in 0..40 {
            let (database, stop) = (database.clone(), Arc::clone(&stop));
            callers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    database
                        .execute(statement("SELECT pg_sleep(0.003)", []))
                        .await
                        .unwrap();
                }
            });
        }
        let mut most = 0;
        for _ in 0..60 {
            let now = sessions(&watcher, "gated").await;
            assert!(now <= size as i64, "{now} sessions with a size of {size}");
            most = most.max(now);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(most, size as i64, "the size was not used");
        stop.store(true, Ordering::Relaxed);
        while let Some(ended) = callers.join_next().await {
            ended.unwrap();
        }
    }
}

async fn lower_size_closes_idle_connections_at_once_and_others_when_returned(empty: EmptyDatabase) {
    let database = Database::connect(config(&empty, "lowered", 10))
        .await
        .unwrap();
    let watcher = empty.superuser().await;
    let mut events = database.events();
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(database.begin().await.unwrap());
    }
    held.truncate(6);
    until("four are idle", async || database.status().idle == 4).await;
    assert_eq!(database.resize(4), 4);
    assert_eq!(
        database.status().open,
        6,
        "the idle ones are gone, no checked-out one is closed"
    );
    until("the server has closed them", async || {
        sessions(&watcher, "lowered").await == 6
    })
    .await;
    let waiting = tokio::spawn({
        let database = database.clone();
        async move { database.begin().await.map(drop) }
    });
    until("a caller waits", async || database.status().waiting == 1).await;
    held.truncate(4);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(
        (database.status().open, database.status().waiting),
        (4, 1),
        "four of four are in use"
    );
    held.truncate(3);
    waiting.await.unwrap().unwrap();
    drop(held);
    until("all are back", async || database.status().idle == 4).await;
    assert_eq!(sessions(&watcher, "lowered").await, 4);
    let mut above_size = 0;
    while let Some(event) = events.try_next() {
        if let PoolEvent::Closed { reason, .. } = event {
            assert_eq!(reason, CloseReason::AboveSize);
            above_size += 1;
        }
    }
    assert_eq!(above_size, 6);
}

async fn higher_size_admits_waiting_callers_at_once(empty: EmptyDatabase) {
    let database = Database::connect(config(&empty, "raised", 8))
        .await
        .unwrap();
    database.resize(1);
    let held = database.begin().await.unwrap();
    let mut waiting = JoinSet::new();
    for _ in 0..7 {
        let database = database.clone();
        waiting.spawn(async move { database.begin().await.unwrap() });
    }
    until("seven wait", async || database.status().waiting == 7).await;
    assert_eq!(database.resize(99), 8, "not above pool_max");
    let mut taken = Vec::new();
    while let Some(transaction) = waiting.join_next().await {
        taken.push(transaction.unwrap());
    }
    assert_eq!(database.status().open, 8);
    assert_eq!(database.resize(0), 1, "not below one");
    drop((held, taken));
}

/// deadpool's own `resize(10 -> 4)` with two in use hands out ten at once.
async fn size_of_four_never_gives_out_ten(empty: EmptyDatabase) {
    let mut config = config(&empty, "four", 10);
    config.acquire_timeout = Duration::from_millis(200);
    let database = Database::connect(config).await.unwrap();
    let mut held = vec![
        database.begin().await.unwrap(),
        database.begin().await.unwrap(),
    ];
    database.resize(4);
    held.push(database.begin().await.unwrap());
    held.push(database.begin().await.unwrap());
    let error = database.begin().await.unwrap_err();
    assert!(
        matches!(
            error,
            DatabaseError::PoolTimeout {
                in_use: 4,
                pool_max: 4,
                ..
            }
        ),
        "{error:?}"
    );
}

async fn caller_beyond_the_waiting_limit_is_rejected_at_once(empty: EmptyDatabase) {
    let mut config = config(&empty, "overloaded", 1);
    config.waiters_max = 3;
    let database = Database::connect(config).await.unwrap();
    let held = database.begin().await.unwrap();
    let mut waiting = JoinSet::new();
    for _ in 0..3 {
        let database = database.clone();
        waiting.spawn(async move { database.begin().await.map(drop) });
    }
    until("three wait", async || database.status().waiting == 3).await;
    let error = database.begin().await.unwrap_err();
    assert!(
        matches!(error, DatabaseError::PoolOverloaded { waiting: 3, .. }),
        "{error:?}"
    );
    drop(held);
    while let Some(ended) = waiting.join_next().await {
        ended.unwrap().unwrap();
    }
    assert_eq!(database.metrics().timeouts, 1);
}

async fn dropped_caller_loses_no_connection(empty: EmptyDatabase) {
    let database = Database::connect(config(&empty, "dropped", 3))
        .await
        .unwrap();
    let mut callers = JoinSet::new();
    for number in 0..300_u64 {
        let database = database.clone();
        callers.spawn(async move {
            let work = database.execute(statement("SELECT pg_sleep(0.002)", []));
            let _ = tokio::time::timeout(Duration::from_micros(number * 150), work).await;
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    until("all are back", async || {
        let status = database.status();
        status.idle == status.open && status.waiting == 0
    })
    .await;
    assert!(database.leak_suspects(Duration::ZERO).is_empty());
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(database.begin().await.unwrap());
    }
}
