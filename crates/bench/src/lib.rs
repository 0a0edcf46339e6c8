//! Benchmarks of NeoBank's ledger beside the classic way, a stored function and `COPY`.
//!
//! [`run`] creates a database on a server that is given by URL or started here, opens accounts, and
//! lets callers move money between them, in each [`Way`] in turn. It returns a [`Report`] with
//! throughput, latencies, group sizes, bytes of WAL and round trips for each transfer, and the
//! processor time of client and server. At the end it audits every row: a violation is an error, so
//! that a fast wrong ledger gets no figures.
//!
//! Only figures of one run can be compared. Different machines, or different runs on a shared
//! machine, are not comparable.
//!
//! [`costs`] measures the cost of each index, constraint, trigger and column. [`growth`] measures
//! cost against the length of the journal. [`knee`] measures latency against offered load.
//! [`faults`] measures the cost of another session's lock, a stopped server process and a killed
//! server. [`soak`] shows growth of memory, tables and latency over a long run.
//!
//! # Example
//!
//! ```no_run
//! use clap::{Args, Command, FromArgMatches};
//! use neobank_bench::{Options, run};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let arguments = ["bench", "--callers", "1,64", "--seconds", "5"];
//! let matches = Options::augment_args(Command::new("bench")).get_matches_from(arguments);
//! let report = run(&Options::from_arg_matches(&matches)?).await?;
//! println!("{report}");
//! println!("{}", report.to_json());
//! # Ok(())
//! # }
//! ```
#![allow(
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "figures for people, not money"
)]

mod bank;
mod choice;
mod costs;
mod error;
mod faults;
mod growth;
mod host;
mod knee;
mod latency;
mod load;
mod measured;
mod median;
mod options;
mod plan;
mod plot;
mod processes;
mod report;
mod round_trips;
mod rounds;
mod soak;
mod way;

use std::time::Duration;

pub use choice::Choice;
pub use costs::{Cost, Costs, costs};
pub use error::BenchError;
pub use faults::{Fault, FaultLine, Faults, Killed, faults};
pub use growth::{Growth, Size, growth};
pub use knee::{Knee, Step, knee};
pub use options::{Options, ServerOptions, Subject};
pub use report::{Comparison, Latency, Line, Report};
pub use soak::{Sample, Soak, Trend, soak};
pub use way::Way;

use bank::Bank;
use host::Host;
use indicatif::{ProgressBar, ProgressStyle};
use report::Machine;

/// Runs the benchmark that the options describe.
///
/// # Errors
///
/// [`BenchError`]: an option is out of range, the server or one of its programs is missing, the
/// database rejected a statement, or the audit found a violation at the end.
pub async fn run(options: &Options) -> Result<Report, BenchError> {
    let report = on_host(options, async |host, progress| {
        measure(options, host, progress).await
    })
    .await?;
    if let Some(file) = &options.svg {
        plot::ways(&report, file)?;
    }
    Ok(report)
}

async fn measure(
    options: &Options,
    host: &Host,
    progress: &ProgressBar,
) -> Result<Report, BenchError> {
    let mut bank = Bank::open(options, host, progress).await?;
    let mut rounds: Vec<Vec<Line>> = vec![Vec::new(); options.rounds_or(1)];
    let count = rounds.len();
    // Bulk ways leave dirty pages and dead rows, which would slow the lines measured after them.
    for plan in [plan::single(options), plan::bulk(options)] {
        for (number, lines) in (1..).zip(&mut rounds) {
            for (way, choice, callers) in &plan {
                progress.set_message(format!(
                    "round {number} of {count}: {way}, {choice}, {callers} callers"
                ));
                let line = way::measure(*way, *choice, *callers, options, host, &mut bank);
                lines.push(line.await?);
            }
        }
    }
    progress.set_message("every invariant");
    let entries = bank.check().await?;
    Ok(Report {
        machine: Machine::of(host, options),
        comparisons: rounds::comparisons(&rounds),
        lines: rounds::lines(&rounds),
        rounds: count,
        entries,
    })
}

/// Measures on a server of its own or on the one at the URL, and drops the databases and roles that
/// it created, also after a failure.
async fn on_host<T>(
    options: &Options,
    measure: impl AsyncFnOnce(&Host, &ProgressBar) -> Result<T, BenchError>,
) -> Result<T, BenchError> {
    options.check()?;
    let progress = progress(options.quiet);
    progress.set_message("a server");
    let host = Host::start(options).await?;
    let measured = measure(&host, &progress).await;
    progress.finish_and_clear();
    let ended = host.end().await;
    let measured = measured?;
    ended?;
    Ok(measured)
}

fn progress(quiet: bool) -> ProgressBar {
    let bar = if quiet {
        ProgressBar::hidden()
    } else {
        ProgressBar::new_spinner()
    };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
