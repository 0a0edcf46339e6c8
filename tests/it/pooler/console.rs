//! The console's pages, and samples of them.

use std::time::Duration;

use neobank_db::{Executor, pool, statement};
use neobank_ops::pgbouncer::{PgbouncerConsole, settings};

use super::{before, connect, drop_user};
use crate::harness::{Pgbouncer, TestBank};

on_both_versions!(console_pages_are_read, samples_are_kept_and_deleted);

async fn console_pages_are_read(bank: TestBank) {
    let (pgbouncer, config) = before(&bank, |_| ()).await;
    let database = connect(&config).await;
    let transaction = database.begin().await.unwrap();
    let _: i32 = transaction
        .fetch_value(statement("SELECT 1", []))
        .await
        .unwrap();
    let console = PgbouncerConsole::open(&pgbouncer.console()).await.unwrap();
    assert_eq!(console.version_text().await.unwrap(), Pgbouncer::version());
    assert!(console.version().await.unwrap().is_some());
    let pools = console.pools().await.unwrap();
    let pool = pools.iter().find(|pool| pool.user == config.user).unwrap();
    assert_eq!(
        (pool.database.as_str(), pool.cl_active, pool.sv_active),
        ("bank", Some(1), Some(1))
    );
    assert_eq!(pool.pool_mode.as_deref(), Some("transaction"));
    let stats = console.stats().await.unwrap();
    assert!(
        stats
            .iter()
            .any(|row| row.database == "bank" && row.total_query_count.is_some())
    );
    let databases = console.databases().await.unwrap();
    let bank_row = databases.iter().find(|row| row.name == "bank").unwrap();
    assert_eq!(
        (bank_row.pool_size, bank_row.reserve_pool),
        (Some(2), Some(0))
    );
    let clients = console.clients().await.unwrap();
    assert!(clients.iter().any(|client| client.user == config.user));
    assert!(
        console
            .servers()
            .await
            .unwrap()
            .iter()
            .any(|server| server.state.as_deref() == Some("active"))
    );
    // Its settings are those that the table of keys lists for its version.
    let keys: Vec<String> = console
        .settings()
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.key)
        .collect();
    let known: Vec<&str> = settings(console.version().await.unwrap().unwrap()).collect();
    for key in &keys {
        assert!(known.contains(&key.as_str()), "the table lacks {key}");
    }
    for key in known {
        // These are not shown, or not built in.
        if !["verbose", "service_name", "conffile", "user"].contains(&key) {
            assert!(
                keys.iter().any(|shown| shown == key),
                "it does not know {key}"
            );
        }
    }
    transaction.commit().await.unwrap();
    drop((database, pgbouncer));
    drop_user(&bank, &config).await;
}

async fn samples_are_kept_and_deleted(bank: TestBank) {
    let (pgbouncer, config) = before(&bank, |_| ()).await;
    let database = connect(&config).await;
    let _: i32 = database
        .fetch_value(statement("SELECT 1", []))
        .await
        .unwrap();
    let console = PgbouncerConsole::open(&pgbouncer.console()).await.unwrap();
    assert_eq!(console.record(&bank.database).await.unwrap(), 1);
    let name: String = bank
        .database
        .fetch_value(statement("SELECT pool_name FROM pooling.pool_stats", []))
        .await
        .unwrap();
    assert_eq!(name, format!("pgbouncer:bank/{}", config.user));
    pool::delete_samples(&bank.database, Duration::from_secs(3600))
        .await
        .unwrap();
    assert_eq!(bank.count("pooling.pool_stats").await, 1);
    pool::delete_samples(&bank.database, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(bank.count("pooling.pool_stats").await, 0);
    drop((database, pgbouncer));
    drop_user(&bank, &config).await;
}
