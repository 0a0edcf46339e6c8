//! Samples of a pool in the table `pooling.pool_stats`, kept for a limited time.

use std::time::Duration;

use neobank_entity::Statement;
use neobank_entity::pooling::pool_stats::{Column, Entity};
use sea_query::{Expr, ExprTrait, Query};
use tokio::task::JoinHandle;

use super::monitor::Counted;
use crate::batches::delete_in_batches;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::executor::Executor;

/// A sampler of one pool; each sample covers the time since the one before.
///
/// It writes on a connection of its own, because the samples of an exhausted pool matter most.
#[derive(Debug)]
pub struct Sampler {
    database: Database,
    /// The connection of the sampler, opened by the first sample.
    own: Option<Database>,
    before: Counted,
}

/// A background task that takes samples until this value is dropped.
#[derive(Debug)]
pub struct Recorder(JoinHandle<()>);

/// The highest number of rows that one statement deletes, so that none runs for long.
const BATCH: u64 = 5000;

impl Sampler {
    /// Creates a sampler whose first sample covers the time from now on.
    #[must_use]
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
            own: None,
            before: database.counted(),
        }
    }

    /// Adds a row to `pooling.pool_stats`. Its longest wait is at most an eighth too high.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: the server's error, or the reason why no connection was available.
    pub async fn record(&mut self) -> Result<(), DatabaseError> {
        let now = self.database.counted();
        let status = self.database.status();
        let in_use = status.open.saturating_sub(status.idle);
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let waits = now.waits.since(&self.before.waits);
        let max_wait = i64::try_from(waits.percentile(100).as_millis()).unwrap_or(i64::MAX);
        let statements = now.statements.saturating_sub(self.before.statements);
        let time = now
            .statement_time
            .saturating_sub(self.before.statement_time);
        let mean = mean_milliseconds(time, statements);
        let insert = Query::insert()
            .into_table(Entity.table_ref())
            .columns([
                Column::PoolName,
                Column::ClientConnections,
                Column::ServerConnections,
                Column::ServerActive,
                Column::ServerIdle,
                Column::MaxWaitMs,
                Column::AvgQueryTimeMs,
                Column::TotalRequests,
            ])
            .values_panic([
                self.database.config().application_name.as_str().into(),
                number(in_use + status.waiting).into(),
                number(status.open).into(),
                number(in_use).into(),
                number(status.idle).into(),
                max_wait.into(),
                mean.into(),
                i64::try_from(now.statements).unwrap_or(i64::MAX).into(),
            ])
            .to_owned();
        self.own()
            .await?
            .execute(Statement::from_query(&insert))
            .await?;
        self.before = now;
        Ok(())
    }

    async fn delete_older_than(&mut self, keep: Duration) -> Result<u64, DatabaseError> {
        let own = self.own().await?;
        delete_samples(&own, keep).await
    }

    /// Returns a pool of one connection, under a name that distinguishes it from the sampled one.
    async fn own(&mut self) -> Result<Database, DatabaseError> {
        if let Some(own) = &self.own {
            return Ok(own.clone());
        }
        let mut config = self.database.config().clone();
        config.application_name = "neobank samples".to_owned();
        (config.pool_min, config.pool_max) = (0, 1);
        config.auto_size = None;
        let own = Database::connect(config).await?;
        Ok(self.own.insert(own).clone())
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            own.close();
        }
    }
}

#[expect(
    clippy::float_arithmetic,
    reason = "the column holds a mean; no money is near"
)]
fn mean_milliseconds(time: Duration, statements: u64) -> Option<f64> {
    (statements > 0).then(|| time.as_secs_f64() * 1000.0 / statements as f64)
}

/// Deletes samples of every pool that are older than `keep`. Returns the number of deleted rows;
/// each statement deletes 5,000 at most.
///
/// # Errors
///
/// [`DatabaseError`]: the server's error, or the reason why no connection was available. Rows that
/// were deleted before stay deleted.
pub async fn delete_samples(database: &Database, keep: Duration) -> Result<u64, DatabaseError> {
    // The age is computed by the server's clock, which also wrote the time of each sample.
    let oldest = Expr::cust_with_values(
        "pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1)",
        [keep.as_secs_f64()],
    );
    let batch = Query::select()
        .column(Column::StatId)
        .from(Entity.table_ref())
        .and_where(Expr::col(Column::CollectedAt).lt(oldest))
        .limit(BATCH)
        .to_owned();
    let delete = Query::delete()
        .from_table(Entity.table_ref())
        .and_where(Expr::col(Column::StatId).in_subquery(batch))
        .to_owned();
    delete_in_batches(BATCH, async || {
        database.execute(Statement::from_query(&delete)).await
    })
    .await
}

/// Takes a sample in every interval, and deletes samples older than `keep` once an hour, until the
/// [`Recorder`] is dropped. A sample that fails is lost and logged.
///
/// Must be called on a Tokio runtime.
#[must_use]
pub fn record_samples(database: &Database, interval: Duration, keep: Duration) -> Recorder {
    let mut sampler = Sampler::new(database);
    Recorder(tokio::spawn(async move {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.tick().await;
        let mut cleaned: Option<std::time::Instant> = None;
        loop {
            ticks.tick().await;
            if let Err(error) = sampler.record().await {
                tracing::warn!("a sample of the pool was lost: {error}");
            }
            if cleaned.is_none_or(|at| at.elapsed() >= Duration::from_secs(3600)) {
                cleaned = Some(std::time::Instant::now());
                if let Err(error) = sampler.delete_older_than(keep).await {
                    tracing::warn!("old samples of the pool were not deleted: {error}");
                }
            }
        }
    }))
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.0.abort();
    }
}
