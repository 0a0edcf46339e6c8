//! The pool: its semaphore, its monitor, and its automatic sizing.

mod auto_size;
mod monitor;
mod resize;
mod samples;
mod simulation;
mod timeout;

use std::time::Duration;

use neobank_db::{Database, DatabaseConfig, Executor, statement};

use crate::harness::EmptyDatabase;

/// Returns a configuration whose sessions are recognisable by this name.
pub(crate) fn config(empty: &EmptyDatabase, name: &str, pool_max: usize) -> DatabaseConfig {
    let mut config = DatabaseConfig::from_url(&empty.url).unwrap();
    config.application_name = name.to_owned();
    config.pool_max = pool_max;
    config.acquire_timeout = Duration::from_secs(20);
    config
}

/// Returns the number of the server's sessions of this name.
pub(crate) async fn sessions(watcher: &Database, name: &str) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
    watcher
        .fetch_value(statement(sql, [name.into()]))
        .await
        .unwrap()
}

/// Waits until a condition is true, and fails after a minute: a busy machine is slow, and no test
/// measures that.
pub(crate) async fn until(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    for _ in 0..6_000 {
        if is_true().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within a minute: {what}");
}
