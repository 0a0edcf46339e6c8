//! Every query of the ops crate, run on real servers in live scenarios.

mod activity;
mod bloat;
mod blocking;
mod connections;
mod deadlocks;
mod foreign;
mod health;
mod horizon;
mod indexes;
mod isolation;
mod monitor;
mod mvcc;
mod privileges;
pub(crate) mod queries;
mod scale;
mod sealing;
pub(crate) mod session;
mod standby;
mod untracked;

use std::time::Duration;

use neobank_db::DatabaseConfig;
use neobank_ops::{Monitor, MonitorLimits};

/// Opens a monitor as the superuser. Its limits are generous, because the tests' machine is loaded.
pub(crate) async fn monitor_of(url: &str) -> Monitor {
    Monitor::connect(
        DatabaseConfig::from_url(url).unwrap(),
        MonitorLimits::default()
            .with_statement_timeout(Duration::from_secs(60))
            .with_lock_timeout(Duration::from_secs(30)),
    )
    .await
    .unwrap()
}

/// Polls until `found` returns a value.
async fn until<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = found().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "never seen: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
