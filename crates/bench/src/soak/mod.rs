//! A long run of the ledger with group commit, sampled to detect growth of memory, tables and
//! latency.

mod sample;
mod shown;
mod trend;

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::Serialize;

use self::sample::Sampler;
use crate::bank::Bank;
use crate::choice::Choice;
use crate::error::BenchError;
use crate::host::Host;
use crate::load::Running;
use crate::options::Options;
use crate::way::engine::GroupCommit;

pub use sample::Sample;
pub use trend::Trend;

/// The greatest number of samples: enough for a plot, and few enough not to disturb the
/// measurement.
const SAMPLES_MAX: u32 = 300;
/// The server's statistics are not fresher than this.
const INTERVAL_MIN: Duration = Duration::from_millis(500);
/// Each third of the run then has a sample.
const SECONDS_MIN: u64 = 3;

/// Samples and trends of the ledger with group commit over a long time.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Soak {
    /// The server's major version.
    pub postgres: u32,
    /// The distribution of accounts.
    pub choice: Choice,
    /// The number of accounts.
    pub accounts: u32,
    /// Concurrent callers.
    pub callers: usize,
    /// The measured time, in seconds.
    pub seconds: f64,
    /// The percentage by which a value may grow from the first third to the last.
    pub tolerance: u32,
    /// The samples, in the order of time.
    pub samples: Vec<Sample>,
    /// The comparison of the last third of the samples with the first.
    pub trends: Vec<Trend>,
    /// `true` if a value has grown beyond its limit.
    pub grows: bool,
    /// The number of entries that the audit read at the end; `None` when the audit did not pass.
    pub entries: Option<u64>,
    /// The violation that the audit found, or the error that ended the audit.
    pub unsound: Option<String>,
}

/// Lets callers move money for a long time, and compares the last third of that time with the
/// first.
///
/// Growth is no error: [`Soak::grows`] reports it. A failed audit is no error either, because the
/// samples of a long run would be lost with it: [`Soak::unsound`] reports it.
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
    // A database that could not be audited can often not be dropped either, for the same reason.
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
    let mut bank = Bank::open(options, host, progress).await?;
    let group_commit = GroupCommit::connect(host, options).await?;
    bank.settle(options, host).await?;
    let mut running = Running::start(
        group_commit.clone(),
        choice,
        callers,
        options,
        &bank.database,
    );
    tokio::time::sleep(Duration::from_secs(options.warm_up)).await;
    running.measure();
    let mut sampler = Sampler::start(host, &running, group_commit.clone()).await?;
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
    bank.transfers += running.finish().await?;
    group_commit.close();
    progress.set_message("every invariant");
    let trends = trend::trends(&samples, options.tolerance);
    let (entries, unsound) = match bank.check().await {
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
