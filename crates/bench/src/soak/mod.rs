//! Whether anything grows while money moves for long: the gathered ledger, looked at in between.

mod sample;
mod shown;
mod trend;

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use neobank_db::Database;
use serde::Serialize;

use self::sample::Sampler;
use crate::books::Books;
use crate::choice::Choice;
use crate::error::BenchError;
use crate::host::Host;
use crate::load::Running;
use crate::options::Options;
use crate::way::engine::Gathered;

pub use sample::Sample;
pub use trend::Trend;

/// Samples at most: enough for a plot, and few enough to be nothing beside what is measured.
const SAMPLES_MAX: u32 = 300;
/// Statistics of the server are not newer.
const INTERVAL_MIN: Duration = Duration::from_millis(500);
/// Each third of the run has a sample then.
const SECONDS_MIN: u64 = 3;

/// The gathered ledger over a long time.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Soak {
    /// The server's major version.
    pub postgres: u32,
    /// Which accounts.
    pub choice: Choice,
    /// Accounts.
    pub accounts: u32,
    /// Callers at once.
    pub callers: usize,
    /// How long, in seconds.
    pub seconds: f64,
    /// By how many percent something may grow from the first third to the last.
    pub tolerance: u32,
    /// What was seen, in the order of time.
    pub samples: Vec<Sample>,
    /// The last third of them beside the first.
    pub trends: Vec<Trend>,
    /// Whether something grows that must not.
    pub grows: bool,
    /// Entries that were looked at in the end.
    pub entries: u64,
}

/// Lets callers move money for long, and compares the last third of that time with the first.
///
/// Something that grows is no error: it is in [`Soak::grows`].
///
/// # Errors
///
/// As [`run`](crate::run).
pub async fn soak(options: &Options) -> Result<Soak, BenchError> {
    options.check()?;
    if options.seconds < SECONDS_MIN {
        return Err(BenchError::Option {
            option: "--seconds",
            value: options.seconds.to_string(),
            wanted: "at least 3, a sample for each third; 600 show more",
        });
    }
    let progress = crate::progress(options.quiet);
    let host = Host::start(options).await?;
    let measured = measure(options, &host, &progress).await;
    progress.finish_and_clear();
    let ended = host.end().await;
    let soak = measured?;
    ended?;
    if let Some(file) = &options.svg {
        crate::plot::soak(&soak, file)?;
    }
    Ok(soak)
}

async fn measure(
    options: &Options,
    host: &Host,
    progress: &ProgressBar,
) -> Result<Soak, BenchError> {
    let choice = options.choices.first().copied().unwrap_or(Choice::Random);
    let callers = options.most_callers();
    let mut books = Books::open(options, host, progress).await?;
    let database = Database::connect(host.application(options.lanes + 1)?).await?;
    let mover = Gathered::new(&database, options)?;
    let ledger = mover.ledger();
    books.settle(options, host).await?;
    let mut running = Running::start(mover, choice, callers, options, &books.database);
    tokio::time::sleep(Duration::from_secs(options.warm_up)).await;
    running.measure();
    let mut sampler = Sampler::start(host, &running, ledger).await?;
    let started = Instant::now();
    let interval = (options.window() / SAMPLES_MAX).max(INTERVAL_MIN);
    let mut samples: Vec<Sample> = Vec::new();
    while started.elapsed() < options.window() {
        let left = options.window().saturating_sub(started.elapsed());
        tokio::time::sleep(interval.min(left)).await;
        running.check()?;
        let sample = sampler.sample(host, &running).await?;
        progress.set_message(format!(
            "{:.0} of {} seconds, {:.0} a second",
            sample.seconds, options.seconds, sample.throughput
        ));
        samples.push(sample);
    }
    running.stop();
    let seconds = started.elapsed().as_secs_f64();
    drop(sampler);
    books.transfers += running.finish().await?;
    database.close();
    progress.set_message("every promise about the books");
    let trends = trend::trends(&samples, options.tolerance);
    Ok(Soak {
        postgres: host.version(),
        choice,
        accounts: options.accounts,
        callers,
        seconds,
        tolerance: options.tolerance,
        grows: trends.iter().any(|trend| trend.grows),
        trends,
        samples,
        entries: books.check().await?,
    })
}
