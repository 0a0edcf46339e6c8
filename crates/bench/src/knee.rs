//! Latency against offered load: callers arrive at a rate, whether earlier callers were served or
//! not.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::bank::Bank;
use crate::choice::Choice;
use crate::error::BenchError;
use crate::host::Host;
use crate::load::load;
use crate::options::Options;
use crate::report::Latency;
use crate::way::engine::GroupCommit;
use crate::way::{self, Way};

/// A rate counts as served when at least this percentage of its callers is served in the window,
/// because the first and last callers of a window overlap its ends.
const SERVED_PERCENT: f64 = 97.0;
/// Beyond the knee, p99 is at least this many times that of the lowest rate.
const BEND: f64 = 4.0;

/// Latency of the ledger with group commit at rising rates.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Knee {
    /// The server's major version.
    pub postgres: u32,
    /// The distribution of accounts.
    pub choice: Choice,
    /// Callers of the closed loop, each of which sends its next request when it is served.
    pub callers: usize,
    /// Transfers per second of the closed loop.
    pub capacity: f64,
    /// A line for each rate.
    pub steps: Vec<Step>,
    /// The highest served rate whose p99 is less than four times that of the lowest, with no failed
    /// rate below it.
    pub knee: Option<u32>,
    /// `true` when a higher rate was offered; otherwise the knee may lie anywhere beyond.
    pub bends: bool,
    /// The number of entries that the audit read at the end.
    pub entries: u64,
}

/// One rate.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// Callers that arrived per second.
    pub offered: u32,
    /// Callers that were served per second.
    pub served: f64,
    /// Callers that were dropped, because 20,000 waited already.
    pub dropped: u64,
    /// The latency from a caller's scheduled arrival until it was served.
    pub latency: Latency,
}

/// Measures latency at the rates in the options.
///
/// # Errors
///
/// As [`run`](crate::run).
pub async fn knee(options: &Options) -> Result<Knee, BenchError> {
    let knee = crate::on_host(options, async |host, progress| {
        measure(options, host, progress).await
    })
    .await?;
    if let Some(file) = &options.svg {
        crate::plot::knee(&knee, file)?;
    }
    Ok(knee)
}

async fn measure(
    options: &Options,
    host: &Host,
    progress: &ProgressBar,
) -> Result<Knee, BenchError> {
    let choice = options.choices.first().copied().unwrap_or(Choice::Random);
    let callers = options.most_callers();
    let mut bank = Bank::open(options, host, progress).await?;
    progress.set_message("the throughput of a closed loop");
    let closed = Options {
        rate: None,
        ..options.clone()
    };
    let capacity = way::measure(Way::GroupCommit, choice, callers, &closed, host, &mut bank)
        .await?
        .throughput;
    let mut steps = Vec::new();
    for percent in &options.loads {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate of a whole number of callers"
        )]
        let rate = (capacity * f64::from(*percent) / 100.0).max(1.0) as u32;
        progress.set_message(format!("{rate} a second"));
        steps.push(step(options, rate, choice, host, &mut bank).await?);
    }
    progress.set_message("every invariant");
    let knee = find(&steps);
    Ok(Knee {
        postgres: host.version(),
        choice,
        callers,
        capacity,
        knee,
        bends: steps.iter().any(|step| Some(step.offered) > knee),
        steps,
        entries: bank.check().await?,
    })
}

async fn step(
    options: &Options,
    rate: u32,
    choice: Choice,
    host: &Host,
    bank: &mut Bank,
) -> Result<Step, BenchError> {
    let offered = Options {
        rate: Some(rate),
        ..options.clone()
    };
    let mover = GroupCommit::connect(host, options).await?;
    let group_commit = mover.clone();
    bank.settle(options, host).await?;
    let loaded = load(mover, choice, 1, &offered, host, &bank.database).await?;
    group_commit.close();
    bank.transfers += loaded.transfers_ever;
    Ok(Step {
        offered: rate,
        served: loaded.counted as f64 / loaded.used.elapsed.as_secs_f64(),
        dropped: loaded.dropped,
        latency: loaded.latencies.summary(),
    })
}

fn find(steps: &[Step]) -> Option<u32> {
    let mut steps = steps.to_vec();
    steps.sort_by_key(|step| step.offered);
    let lowest = steps.first()?.latency.p99 as f64;
    steps
        .iter()
        .take_while(|step| {
            step.served >= f64::from(step.offered) * SERVED_PERCENT / 100.0
                && step.latency.p99 as f64 <= lowest * BEND
        })
        .last()
        .map(|step| step.offered)
}

impl fmt::Display for Knee {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header([
            "offered a second",
            "served a second",
            "dropped",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "max ms",
        ]);
        for step in &self.steps {
            let milliseconds = |microseconds: u64| format!("{:.2}", microseconds as f64 / 1_000.0);
            table.add_row([
                step.offered.to_string(),
                format!("{:.0}", step.served),
                step.dropped.to_string(),
                milliseconds(step.latency.p50),
                milliseconds(step.latency.p95),
                milliseconds(step.latency.p99),
                milliseconds(step.latency.max),
            ]);
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(
            formatter,
            "PostgreSQL {}, group commit, {} accounts; {} callers in a closed loop get {:.0} a second",
            self.postgres, self.choice, self.callers, self.capacity
        )?;
        writeln!(formatter, "{table}")?;
        match self.knee {
            Some(knee) if self.bends => writeln!(formatter, "the knee: {knee} a second")?,
            Some(knee) => writeln!(
                formatter,
                "no knee up to {knee} a second, the highest rate offered: try more by --loads"
            )?,
            None => writeln!(formatter, "no knee: the lowest rate was not served")?,
        }
        write!(
            formatter,
            "every invariant of the bank holds: {} entries were checked",
            self.entries
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offered: u32, served: f64, p99: u64) -> Step {
        let latency = Latency {
            count: 1,
            p50: p99,
            p95: p99,
            p99,
            max: p99,
        };
        Step {
            offered,
            served,
            dropped: 0,
            latency,
        }
    }

    #[test]
    fn the_knee_is_the_last_rate_before_callers_wait_for_each_other() {
        let steps = [
            at(100, 100.0, 10),
            at(200, 199.0, 12),
            at(300, 297.0, 39),
            at(400, 398.0, 41),
            at(500, 499.0, 12),
        ];
        assert_eq!(find(&steps), Some(300));
        assert_eq!(find(&[at(100, 100.0, 10), at(200, 190.0, 11)]), Some(100));
        assert_eq!(find(&[at(100, 90.0, 10)]), None);
        assert_eq!(find(&[]), None);
    }
}
