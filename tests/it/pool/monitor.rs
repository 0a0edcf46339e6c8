//! The monitor's view of real work.

use std::time::Duration;

use neobank_db::pool::{CloseReason, MeasuredValue, PoolEvent};
use neobank_db::{Database, Executor, statement};

use super::{config, until};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    events_cover_the_lifetime_of_a_connection,
    waits_checkouts_and_statements_are_measured,
    statements_are_counted_under_their_pattern,
    every_checkout_names_its_source_location,
    metrics_have_open_telemetry_names,
);

async fn events_cover_the_lifetime_of_a_connection(empty: EmptyDatabase) {
    let mut config = config(&empty, "events", 2);
    config.idle_timeout = Duration::from_millis(100);
    let database = Database::connect(config).await.unwrap();
    let mut events = database.events();
    database
        .execute(statement("SELECT pg_sleep(0.02)", []))
        .await
        .unwrap();
    let Some(PoolEvent::InUse { connection: 1, .. }) = events.next().await else {
        panic!("the first connection was opened with the pool")
    };
    let Some(PoolEvent::Idle {
        connection: 1,
        held,
    }) = events.next().await
    else {
        panic!("it came back")
    };
    assert!(held >= Duration::from_millis(20));
    let Some(PoolEvent::Closed {
        connection: 1,
        reason: CloseReason::Unused,
        ..
    }) = events.next().await
    else {
        panic!("it was closed after a while")
    };
    let broken = database
        .execute(statement(
            "SELECT pg_terminate_backend(pg_backend_pid())",
            [],
        ))
        .await;
    assert!(broken.is_err());
    let mut seen = Vec::new();
    until("its end is reported", async || {
        while let Some(event) = events.try_next() {
            seen.push(event);
        }
        seen.len() >= 4
    })
    .await;
    assert!(
        matches!(seen[0], PoolEvent::Opened { connection: 2, .. }),
        "{seen:?}"
    );
    assert!(
        seen.iter().any(|event| matches!(
            event,
            PoolEvent::Closed {
                connection: 2,
                reason: CloseReason::Broken,
                ..
            }
        )),
        "{seen:?}"
    );
    database.resize(1);
    drop(database);
    while let Some(event) = events.next().await {
        seen.push(event);
    }
    assert!(
        matches!(
            seen.last(),
            Some(PoolEvent::Resized {
                from: 2,
                to: 1,
                reason: None
            })
        ),
        "{seen:?}"
    );
}

async fn waits_checkouts_and_statements_are_measured(empty: EmptyDatabase) {
    let database = Database::connect(config(&empty, "measured", 1))
        .await
        .unwrap();
    let before = database.metrics();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let database = database.clone();
        callers.spawn(async move {
            database
                .execute(statement("SELECT pg_sleep(0.03)", []))
                .await
                .unwrap();
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    let metrics = database.metrics();
    let waits = metrics.wait_time.since(&before.wait_time);
    let uses = metrics.use_time.since(&before.use_time);
    assert_eq!((waits.count(), uses.count()), (10, 10));
    assert!(uses.percentile(1) >= Duration::from_millis(30));
    assert!(waits.percentile(100) >= Duration::from_millis(9 * 30));
    assert!(waits.percentile(10) < Duration::from_millis(30));
    assert_eq!(metrics.statements, 10);
    assert!(metrics.statement_time >= Duration::from_millis(300));
    assert_eq!((metrics.create_time.count(), metrics.timeouts), (1, 0));
}

async fn statements_are_counted_under_their_pattern(empty: EmptyDatabase) {
    let database = Database::connect(config(&empty, "patterns", 2))
        .await
        .unwrap();
    for number in 0..5_i32 {
        database
            .execute(statement("SELECT $1::int", [number.into()]))
            .await
            .unwrap();
        database
            .fetch_value::<i32>(statement(&format!("SELECT {number}  -- a comment"), []))
            .await
            .unwrap();
    }
    let transaction = database.begin().await.unwrap();
    let types = [neobank_db::driver::Type::INT4];
    let prepared = transaction.prepare("SELECT $1 + 1", &types).await.unwrap();
    transaction
        .read_prepared(&prepared, &[&1_i32])
        .await
        .unwrap();
    transaction
        .execute_prepared(&prepared, &[&1_i32])
        .await
        .unwrap();
    assert!(
        transaction
            .execute(statement("SELECT 1 / 0", []))
            .await
            .is_err()
    );
    transaction.rollback().await.unwrap();
    let slow = database.execute(statement("SELECT pg_sleep(60)", []));
    assert!(
        tokio::time::timeout(Duration::from_millis(30), slow)
            .await
            .is_err()
    );
    let patterns = database.statement_patterns();
    let mut counts: Vec<_> = patterns
        .iter()
        .map(|one| (&*one.pattern, one.count, one.abandoned))
        .collect();
    counts.sort_unstable();
    assert_eq!(
        counts,
        [
            ("SELECT ?", 5, 0),
            ("SELECT ? + ?", 2, 0),
            ("SELECT ? / ?", 1, 0),
            ("SELECT ?::int", 5, 0),
            ("SELECT pg_sleep(?)", 0, 1),
        ]
    );
    assert!(
        patterns
            .iter()
            .all(|one| one.max <= one.total && one.max > Duration::ZERO)
    );
}

async fn every_checkout_names_its_source_location(empty: EmptyDatabase) {
    let database = Database::connect(config(&empty, "placed", 4))
        .await
        .unwrap();
    let sleep = || statement("SELECT 1 FROM pg_sleep(0.3)", []);
    let line = line!();
    let all = async {
        tokio::join!(
            database.execute(sleep()),
            database.fetch_value::<i32>(sleep()),
            database.query(sleep()),
            database.transaction(async |transaction| transaction.execute(sleep()).await),
        )
    };
    let look = async {
        until("four are taken", async || {
            database.leak_suspects(Duration::ZERO).len() == 4
        })
        .await;
        database.leak_suspects(Duration::ZERO)
    };
    let (_, holders) = tokio::join!(all, look);
    let mut places: Vec<_> = holders.into_iter().map(|holder| holder.taken_at).collect();
    places.sort();
    for (place, line) in places.iter().zip(line + 3..) {
        assert!(
            place.contains(&format!("it/pool/monitor.rs:{line}:")),
            "{places:?}"
        );
    }
}

async fn metrics_have_open_telemetry_names(empty: EmptyDatabase) {
    let mut config = config(&empty, "te\"ller", 5);
    config.pool_min = 2;
    let database = Database::connect(config).await.unwrap();
    let held = database.begin().await.unwrap();
    let metrics = database.metrics();
    assert_eq!(metrics.pool_name, "te\"ller");
    let found: Vec<_> = metrics
        .measurements()
        .into_iter()
        .map(|one| {
            let value = match one.value {
                MeasuredValue::Gauge(value) | MeasuredValue::Counter(value) => value,
                MeasuredValue::Histogram(durations) => durations.count(),
                _ => panic!(),
            };
            (one.name, one.state, one.unit, value)
        })
        .collect();
    assert_eq!(
        found,
        [
            (
                "db.client.connection.count",
                Some("used"),
                "{connection}",
                1
            ),
            (
                "db.client.connection.count",
                Some("idle"),
                "{connection}",
                1
            ),
            ("db.client.connection.max", None, "{connection}", 5),
            ("db.client.connection.idle.min", None, "{connection}", 2),
            ("db.client.connection.idle.max", None, "{connection}", 5),
            (
                "db.client.connection.pending_requests",
                None,
                "{request}",
                0
            ),
            ("db.client.connection.timeouts", None, "{timeout}", 0),
            ("db.client.connection.create_time", None, "s", 2),
            ("db.client.connection.wait_time", None, "s", 3),
            ("db.client.connection.use_time", None, "s", 2),
        ]
    );
    let text = metrics.to_prometheus();
    assert!(
        text.contains(
            "db_client_connection_max{db_client_connection_pool_name=\"te\\\"ller\"} 5\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("# TYPE db_client_connection_wait_time_seconds histogram\n"),
        "{text}"
    );
    assert!(text.contains("db_client_connection_wait_time_seconds_count{db_client_connection_pool_name=\"te\\\"ller\"} 3\n"), "{text}");
    drop(held);
}
