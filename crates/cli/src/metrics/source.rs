//! The queries of a scrape.

use std::time::{Duration, Instant};

use neobank_db::DatabaseConfig;
use neobank_ops::{Monitor, MonitorLimits, OpsError, Thresholds};
use tokio::sync::Mutex;

use super::encode::{self, Reading, Scrapes};
use crate::commands::ops;
use crate::output::redact;

/// A source that queries the database, one scrape after another.
#[derive(Debug)]
pub(crate) struct Source {
    config: DatabaseConfig,
    limits: MonitorLimits,
    thresholds: Thresholds,
    timeout: Duration,
    /// The monitor of the previous scrape; a new one after a failure.
    monitor: Mutex<Option<Monitor>>,
    scrapes: Scrapes,
}

impl Source {
    pub(crate) fn new(
        config: DatabaseConfig,
        limits: MonitorLimits,
        thresholds: Thresholds,
        timeout: Duration,
    ) -> Self {
        Self {
            config,
            limits,
            thresholds,
            timeout,
            monitor: Mutex::new(None),
            scrapes: Scrapes::default(),
        }
    }

    /// Returns the text of one scrape, shortly after the time limit at the latest. A failure is
    /// part of the text.
    pub(super) async fn scrape(&self) -> Result<String, std::fmt::Error> {
        let started = Instant::now();
        self.scrapes.total.inc();
        let reading = match tokio::time::timeout(self.timeout, self.read()).await {
            Ok(Ok(reading)) => Some(reading),
            Ok(Err(error)) => {
                tracing::warn!("the scrape failed: {}", redact(&error.to_string()));
                None
            }
            Err(_) => {
                tracing::warn!("the scrape took longer than {:?}", self.timeout);
                None
            }
        };
        if reading.is_none() {
            self.scrapes.failed.inc();
        }
        encode::text(reading.as_ref(), &self.scrapes, started.elapsed())
    }

    async fn read(&self) -> Result<Reading, OpsError> {
        let mut kept = self.monitor.lock().await;
        // The monitor is taken out, so that a scrape that fails or is cancelled leaves none behind.
        let monitor = match kept.take() {
            Some(monitor) => monitor,
            None => Monitor::connect(self.config.clone(), self.limits).await?,
        };
        let window = Duration::from_secs(self.thresholds.pool_health.window_seconds);
        let reading = Reading {
            server_version: monitor.server_version().to_string(),
            counters: monitor.counters().await?.value().cloned(),
            replication: monitor
                .replication()
                .await?
                .value()
                .cloned()
                .unwrap_or_default(),
            pools: monitor
                .pool_samples(window)
                .await?
                .value()
                .cloned()
                .unwrap_or_default(),
            subjects: ops::subjects(&monitor, &self.thresholds, &ops::SkipArguments::default())
                .await?,
        };
        *kept = Some(monitor);
        Ok(reading)
    }
}
