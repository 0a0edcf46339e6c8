//! Automatic sizing on a real server. `cargo xtask pool` measures its quality.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use neobank_db::pool::{AutoSize, PoolEvent, Reason};
use neobank_db::{Database, DatabaseConfig, Executor, statement};
use tokio::task::JoinSet;

use super::{config, sessions, until};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    waiting_callers_grow_the_pool_within_its_bounds,
    lock_waits_do_not_grow_the_pool,
    pool_shrinks_to_its_share_of_the_server,
    unprivileged_role_can_size_the_pool,
    sizing_ends_with_the_pool,
);

fn sizing(empty: &EmptyDatabase, name: &str, pool_max: usize) -> DatabaseConfig {
    let mut config = config(empty, name, pool_max);
    config.auto_size = Some(AutoSize::default().with_interval(Duration::from_millis(50)));
    config
}

/// Starts callers that run this statement repeatedly until they are stopped.
fn load(database: &Database, callers: usize, sql: &'static str) -> (Arc<AtomicBool>, JoinSet<()>) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let (database, stop) = (database.clone(), Arc::clone(&stop));
        running.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let _ = database.execute(statement(sql, [])).await;
            }
        });
    }
    (stop, running)
}

async fn waiting_callers_grow_the_pool_within_its_bounds(empty: EmptyDatabase) {
    let database = Database::connect(sizing(&empty, "growing", 12))
        .await
        .unwrap();
    assert_eq!(database.status().size, 4);
    let watcher = empty.superuser().await;
    let mut events = database.events();
    // A sleep costs the server nothing, so every connection helps.
    let (stop, mut running) = load(&database, 40, "SELECT pg_sleep(0.01)");
    until("it has grown", async || database.status().size == 12).await;
    for _ in 0..20 {
        // One more, for the load query.
        assert!(sessions(&watcher, "growing").await <= 13);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.store(true, Ordering::Relaxed);
    while running.join_next().await.is_some() {}
    let mut reasons = Vec::new();
    while let Some(event) = events.try_next() {
        if let PoolEvent::Resized { reason, .. } = event {
            reasons.push(reason.unwrap());
        }
    }
    assert_eq!(reasons[0], Reason::CallersWait, "{reasons:?}");
}

async fn lock_waits_do_not_grow_the_pool(empty: EmptyDatabase) {
    let superuser = empty.superuser().await;
    superuser
        .execute(statement("CREATE TABLE hot (value int)", []))
        .await
        .unwrap();
    let holder = superuser.begin().await.unwrap();
    holder
        .execute(statement("LOCK TABLE hot", []))
        .await
        .unwrap();
    let mut config = sizing(&empty, "waiting", 30);
    config.lock_timeout = Duration::from_millis(30);
    let database = Database::connect(config).await.unwrap();
    let (stop, mut running) = load(&database, 40, "SELECT value FROM hot");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let size = database.status().size;
    stop.store(true, Ordering::Relaxed);
    while running.join_next().await.is_some() {}
    assert!(
        size <= 4,
        "it grew to {size} for callers that wait for a lock"
    );
    holder.rollback().await.unwrap();
}

async fn pool_shrinks_to_its_share_of_the_server(empty: EmptyDatabase) {
    let mut config = sizing(&empty, "yielding", 200);
    let capacity: i64 = empty
        .superuser()
        .await
        .fetch_value(statement(
            "SELECT current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint",
            [],
        ))
        .await
        .unwrap();
    // As if fifty instances shared the server.
    config.auto_size = Some(config.auto_size.unwrap().with_instances(50));
    config.pool_min = 20;
    let database = Database::connect(config).await.unwrap();
    assert_eq!(database.status().size, 20);
    until("it keeps to its part", async || {
        database.status().size as i64 <= capacity / 50
    })
    .await;
    until("the rest is closed", async || {
        database.status().open as i64 <= capacity / 50
    })
    .await;
    database.execute(statement("SELECT 1", [])).await.unwrap();
}

/// A role that may not see other roles' sessions still sees its own and counts the others.
async fn unprivileged_role_can_size_the_pool(empty: EmptyDatabase) {
    let superuser = empty.superuser().await;
    for sql in [
        "DROP ROLE IF EXISTS humble",
        "DROP ROLE IF EXISTS humbler",
        "CREATE ROLE humble LOGIN PASSWORD 'humble'",
        "CREATE ROLE humbler",
        "GRANT humbler TO humble",
    ] {
        let _ = superuser.execute(statement(sql, [])).await;
    }
    let mut config = sizing(&empty, "humble", 10).with_password("humble");
    config.user = "humble".to_owned();
    config.role = Some("humbler".to_owned());
    let database = Database::connect(config).await.unwrap();
    let (stop, mut running) = load(&database, 30, "SELECT pg_sleep(0.01)");
    until("it has grown", async || database.status().size == 10).await;
    stop.store(true, Ordering::Relaxed);
    while running.join_next().await.is_some() {}
}

async fn sizing_ends_with_the_pool(empty: EmptyDatabase) {
    let watcher = empty.superuser().await;
    let database = Database::connect(sizing(&empty, "ending", 4))
        .await
        .unwrap();
    database.execute(statement("SELECT 1", [])).await.unwrap();
    until("it asks the server", async || {
        sessions(&watcher, "ending").await == 2
    })
    .await;
    drop(database);
    until("nothing is left", async || {
        sessions(&watcher, "ending").await == 0
    })
    .await;
}
