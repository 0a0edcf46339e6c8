//! Samples of the pool in `pooling.pool_stats`, written by the application's own role.

use std::time::Duration;

use neobank_db::pool::{Sampler, delete_samples, record_samples};
use neobank_db::{Database, Executor, FromRow, statement};

use super::until;
use crate::harness::TestBank;

on_both_versions!(
    sample_covers_the_time_since_the_last_one,
    exhausted_pool_is_sampled_too,
    recorder_samples_until_it_is_dropped,
    old_samples_are_deleted_in_batches,
);

#[derive(Debug, FromRow)]
struct Sample {
    client_connections: i32,
    server_connections: i32,
    server_active: i32,
    server_idle: i32,
    max_wait_ms: i64,
    avg_query_time_ms: Option<f64>,
    total_requests: i64,
}

async fn samples(bank: &TestBank, pool: &str) -> Vec<Sample> {
    let sql =
        "SELECT client_connections, server_connections, server_active, server_idle, max_wait_ms,
                      avg_query_time_ms, total_requests
               FROM pooling.pool_stats WHERE pool_name = $1 ORDER BY stat_id";
    bank.database
        .fetch_many(statement(sql, [pool.into()]))
        .await
        .unwrap()
}

async fn pool(bank: &TestBank, name: &str) -> Database {
    let mut config = bank.config();
    config.application_name = name.to_owned();
    config.pool_max = 2;
    Database::connect(config).await.unwrap()
}

async fn sample_covers_the_time_since_the_last_one(bank: TestBank) {
    let database = pool(&bank, "sampled").await;
    let mut sampler = Sampler::new(&database);
    sampler.record().await.unwrap();
    let held = database.begin().await.unwrap();
    let sleep = || database.execute(statement("SELECT pg_sleep(0.1)", []));
    let (first, second) = tokio::join!(sleep(), sleep());
    first.unwrap();
    second.unwrap();
    sampler.record().await.unwrap();
    drop(held);
    let found = samples(&bank, "sampled").await;
    let [before, after] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!((before.total_requests, before.avg_query_time_ms), (0, None));
    assert_eq!(
        (
            before.server_connections,
            before.server_active,
            before.server_idle
        ),
        (1, 0, 1)
    );
    assert_eq!(
        (
            after.server_connections,
            after.server_active,
            after.server_idle
        ),
        (2, 1, 1)
    );
    assert_eq!(after.client_connections, 1);
    assert!((100..1000).contains(&after.max_wait_ms), "{after:?}");
    // Two statements of 100 ms; the samples themselves are not counted.
    assert_eq!(after.total_requests, 2);
    assert!(
        after.avg_query_time_ms.is_some_and(|mean| mean > 90.0),
        "{after:?}"
    );
}

async fn exhausted_pool_is_sampled_too(bank: TestBank) {
    let database = pool(&bank, "exhausted").await;
    let held = [
        database.begin().await.unwrap(),
        database.begin().await.unwrap(),
    ];
    let waiting = tokio::spawn({
        let database = database.clone();
        async move { database.begin().await.map(drop) }
    });
    until("a caller waits", async || database.status().waiting == 1).await;
    let mut sampler = Sampler::new(&database);
    sampler.record().await.unwrap();
    drop(held);
    waiting.await.unwrap().unwrap();
    let found = samples(&bank, "exhausted").await;
    let [sample] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!((sample.client_connections, sample.server_active), (3, 2));
}

async fn recorder_samples_until_it_is_dropped(bank: TestBank) {
    let database = pool(&bank, "recorded").await;
    let day = Duration::from_secs(86_400);
    let recorder = record_samples(&database, Duration::from_millis(20), day);
    until("three samples are there", async || {
        samples(&bank, "recorded").await.len() >= 3
    })
    .await;
    drop(recorder);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let count = samples(&bank, "recorded").await.len();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(samples(&bank, "recorded").await.len(), count);
}

async fn old_samples_are_deleted_in_batches(bank: TestBank) {
    let sql = "INSERT INTO pooling.pool_stats (pool_name, client_connections, server_connections, server_active,
                   server_idle, max_wait_ms, total_requests, collected_at)
               SELECT 'aged', 0, 0, 0, 0, 0, 0, clock_timestamp() - make_interval(hours => number)
               FROM generate_series(0, 11999) AS number";
    bank.superuser()
        .await
        .execute(statement(sql, []))
        .await
        .unwrap();
    let database = pool(&bank, "keeper").await;
    let deleted = delete_samples(&database, Duration::from_secs(48 * 3600))
        .await
        .unwrap();
    assert_eq!(deleted, 12_000 - 48);
    assert_eq!(samples(&bank, "aged").await.len(), 48);
    assert_eq!(database.metrics().statements, 3, "5,000 at a time");
}
