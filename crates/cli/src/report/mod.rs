//! `neobank report`: everything that can be asked of the server, as one HTML page that needs nothing else.
//!
//! `gather` asks and judges, `model` is what was found, `page` writes it.

mod gather;
mod model;
mod page;
mod sections;

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use neobank_db::DatabaseConfig;
use neobank_ops::{Monitor, MonitorLimits, OpsError, Thresholds};
use thiserror::Error;

/// How `neobank report` is run.
#[derive(Args, Clone, Debug)]
pub struct ReportOptions {
    /// The file to write; standard output without one.
    #[arg(long, short)]
    pub output: Option<PathBuf>,
    /// A file of thresholds in TOML; without one, the defaults.
    #[arg(long)]
    pub thresholds: Option<PathBuf>,
}

/// Why there is no report.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The server cannot be asked, or the thresholds cannot be used.
    #[error(transparent)]
    Ops(#[from] OpsError),
    /// The page cannot be written.
    #[error("the report cannot be written: {0}")]
    Write(#[from] std::io::Error),
}

/// Asks everything and writes the page.
///
/// # Errors
///
/// [`ReportError`]; what only a part lacks is told in that part.
pub async fn run(options: ReportOptions, config: DatabaseConfig) -> Result<(), ReportError> {
    let thresholds = match &options.thresholds {
        Some(file) => Thresholds::from_file(file)?,
        None => Thresholds::default(),
    };
    let monitor = Monitor::connect(config, MonitorLimits::default()).await?;
    let page = page(&monitor, &thresholds).await?;
    match &options.output {
        Some(file) => std::fs::write(file, page)?,
        None => std::io::stdout().lock().write_all(page.as_bytes())?,
    }
    Ok(())
}

/// The page.
///
/// # Errors
///
/// [`OpsError`] when the server cannot be asked at all.
pub async fn page(monitor: &Monitor, thresholds: &Thresholds) -> Result<String, OpsError> {
    Ok(page::page(&gather::gather(monitor, thresholds).await?))
}
