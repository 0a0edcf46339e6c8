//! Isolation levels, executed: the server's behaviour beside PostgreSQL's documentation.
//!
//! [`run`] executes ten anomalies at each of the four levels, as two or three transactions whose
//! steps follow a schedule, in a scratch schema of its own that it drops at the end. Whether a step
//! waits is read from the server's `pg_blocking_pids`, never inferred from elapsed time.
//!
//! # Example
//!
//! ```
//! use neobank_ops::isolation::{self, Anomaly, Level, Outcome};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! # let server = neobank_postgres::ServerOptions::default().start()?;
//! # let config = neobank_db::DatabaseConfig::from_url(server.url())?;
//! let report = isolation::run(&config).await?;
//! assert_eq!((report.cells.len(), report.surprises().count()), (40, 0));
//! let skew = report.cell(Anomaly::WriteSkew, Level::RepeatableRead).unwrap();
//! assert_eq!(skew.observed, Outcome::Occurred);
//! println!("{report}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod anomaly;
mod cell;
mod error;
mod judge;
mod report;
mod schedule;
mod scratch;
mod session;

use std::time::Duration;

use neobank_db::{Database, DatabaseConfig, DatabaseError, Executor, statement};
use tokio::sync::oneshot;

pub use anomaly::{Anomaly, Level, Outcome};
pub use error::IsolationError;
pub use report::{Cell, IsolationReport, StepRecord, StepResult};
pub use schedule::SessionName;

use scratch::Scratch;

/// Three sessions and an observer.
const CONNECTIONS: usize = 4;

/// Executes every anomaly at every level on the configured database: forty cells, in well under a
/// minute.
///
/// It opens four connections of its own, each with limits on statements, locks and idle
/// transactions. The scratch schema is named `neobank_isolation_…`. It is dropped also when the run
/// fails or this future is dropped; only a crash of the process can leave it.
///
/// # Errors
///
/// * [`IsolationError::NotAllowed`] when the role may not create a schema.
/// * [`IsolationError::Schedule`] and [`IsolationError::Step`] when the server behaves unlike any
///   known version.
/// * [`IsolationError::LeftBehind`] when the schema could not be dropped.
/// * [`IsolationError::Database`] when the database cannot be reached, or is read only.
pub async fn run(config: &DatabaseConfig) -> Result<IsolationReport, IsolationError> {
    let all = Anomaly::ALL
        .into_iter()
        .flat_map(|anomaly| Level::ALL.map(|level| (anomaly, level)));
    observe_all(config, all.collect()).await
}

/// Executes one anomaly at one level.
///
/// # Errors
///
/// As [`run`].
pub async fn observe(
    config: &DatabaseConfig,
    anomaly: Anomaly,
    level: Level,
) -> Result<Cell, IsolationError> {
    let report = observe_all(config, vec![(anomaly, level)]).await?;
    report
        .cells
        .into_iter()
        .next()
        .ok_or(IsolationError::Interrupted)
}

/// A task of its own drops the schema even when the caller drops its future.
async fn observe_all(
    config: &DatabaseConfig,
    wanted: Vec<(Anomaly, Level)>,
) -> Result<IsolationReport, IsolationError> {
    let (_caller_is_there, caller_is_gone) = oneshot::channel();
    tokio::spawn(work(limited(config), wanted, caller_is_gone))
        .await
        .map_err(|_| IsolationError::Interrupted)?
}

async fn work(
    config: DatabaseConfig,
    wanted: Vec<(Anomaly, Level)>,
    caller_is_gone: oneshot::Receiver<()>,
) -> Result<IsolationReport, IsolationError> {
    let database = Database::connect(config).await?;
    let scratch = Scratch::create(&database).await?;
    let outcome = tokio::select! {
        outcome = cells(&database, &scratch, &wanted) => outcome,
        _ = caller_is_gone => Err(IsolationError::Interrupted),
    };
    // The first error explains more than those that follow from it.
    let dropped = scratch.drop(&database).await;
    let report = outcome?;
    dropped?;
    Ok(report)
}

async fn cells(
    database: &Database,
    scratch: &Scratch,
    wanted: &[(Anomaly, Level)],
) -> Result<IsolationReport, IsolationError> {
    let server_version = server_version(database).await?;
    let mut cells = Vec::with_capacity(wanted.len());
    for (anomaly, level) in wanted {
        cells.push(cell::observe(database, scratch, *anomaly, *level).await?);
    }
    Ok(IsolationReport {
        server_version,
        cells,
    })
}

async fn server_version(database: &Database) -> Result<i32, DatabaseError> {
    let sql = "SELECT pg_catalog.current_setting('server_version_num')::integer";
    database.fetch_value(statement(sql, [])).await
}

/// Returns the configuration with limits, so that a run can block neither other sessions nor itself
/// for long.
fn limited(config: &DatabaseConfig) -> DatabaseConfig {
    let mut limited = config.clone();
    limited.application_name = "neobank isolation".to_owned();
    limited.pool_min = 0;
    limited.pool_max = CONNECTIONS;
    limited.auto_size = None;
    limited.statement_timeout = cell::STEP_LIMIT;
    limited.lock_timeout = cell::STEP_LIMIT;
    limited.idle_in_transaction_timeout = cell::STEP_LIMIT.saturating_mul(2);
    limited.acquire_timeout = Duration::from_secs(10);
    limited
}
