//! Whether anything grows while money moves for long: the gathered ledger, looked at in between.

mod sample;
mod shown;
mod trend;

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
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
    /// Entries that were looked at in the end; none when the books are not known to be sound.
    pub entries: Option<u64>,
    /// a violation, or whatever kept the audit from its end.
    pub unsound: Option<String>,
}

/// Lets callers move money for long, and compares the last third of that time with the first.
///
/// Something that grows is no error: it is in [`Soak::grows`]. Neither are books that are not known to be sound, since what was
/// seen over a long time would be lost with them: they are in [`Soak::unsound`].
///
/// # Errors
///
/// As [`run`](crate::run).
pub async fn soak(options: &Options) -> Result<Soak, BenchError> {
    if options.seconds < SECONDS_MIN {
        return Err(BenchError::Option {
            option: "--seconds",
            value: options.seconds.to_string(),
            wanted: "at least 3, a sample for each third; 600 show more",
        });
    }
    let mut seen: Option<Soak> = None;
    let ended = crate::on_host(options, async |host, progress| {
        seen = Some(measure(options, host, progress).await?);
        Ok(())
    })
    .await;
    // A database that could not be looked at can often not be dropped either, and for the same reason.
    if seen.as_ref().is_none_or(|soak| soak.unsound.is_none()) {
        ended?;
    }
    let soak = seen.ok_or_else(|| BenchError::other("the soak", "was not measured"))?;
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
    let gathered = Gathered::connect(host, options).await?;
    books.settle(options, host).await?;
    let mut running = Running::start(gathered.clone(), choice, callers, options, &books.database);
    tokio::time::sleep(Duration::from_secs(options.warm_up)).await;
    running.measure();
    let mut sampler = Sampler::start(host, &running, gathered.clone()).await?;
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
    gathered.close();
    progress.set_message("every invariant of the books");
    let trends = trend::trends(&samples, options.tolerance);
    let (entries, unsound) = match books.check().await {
        Ok(entries) => (Some(entries), None),
        Err(error) => (None, Some(error.to_string())),
    };
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
        entries,
        unsound,
    })
}
