//! X3: the pool: its gate, its monitor, and the size that it finds by itself.

mod auto_size;
mod monitor;
mod resize;
mod samples;
mod simulation;
mod timeout;

use std::time::Duration;

use neobank_db::{Database, DatabaseConfig, Executor, statement};

use crate::harness::EmptyDatabase;

/// A pool whose sessions can be told from others by this name.
pub(crate) fn config(empty: &EmptyDatabase, name: &str, pool_max: usize) -> DatabaseConfig {
    let mut config = DatabaseConfig::from_url(&empty.url).unwrap();
    config.application_name = name.to_owned();
    config.pool_max = pool_max;
    config.acquire_timeout = Duration::from_secs(20);
    config
}

/// How many sessions of this name the server has, and in which process.
pub(crate) async fn sessions(watcher: &Database, name: &str) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
    watcher
        .fetch_value(statement(sql, [name.into()]))
        .await
        .unwrap()
}

/// Waits until this is true, and fails when it is not within a minute: a machine that has much
/// else to do is slow, and no test is about that.
pub(crate) async fn until(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    for _ in 0..6_000 {
        if is_true().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within a minute: {what}");
}
