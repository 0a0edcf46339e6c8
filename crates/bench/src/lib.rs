//! What moving money costs on a server: NeoBank's ledger beside the classic way, a stored function and `COPY`.
//!
//! [`run`] makes a database of its own on a server that is given by URL or started here, opens accounts, and lets callers
//! move money between them, in each [`Way`] in turn. It returns a [`Report`] with throughput, latencies, sizes of groups, bytes
//! of WAL and round trips for each transfer, and the processor time of client and server. At the end it holds the
//! whole of the books against every invariant: a violation is an error, and a fast wrong ledger gets no figures.
//!
//! Figures of different machines, or of different runs on a machine that others use, cannot be compared; those of one run can.
//!
//! [`costs`] measures what each part of the schema costs, [`growth`] how cost grows with the journal, and [`knee`] latency
//! against offered load; [`faults`] measures what a stranger's lock, a stopped server process and a killed server cost;
//! [`soak`] shows whether anything grows in the long run.
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

mod books;
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

use books::Books;
use host::Host;
use indicatif::{ProgressBar, ProgressStyle};
use report::Machine;

/// Measures what the options ask for.
///
/// # Errors
///
/// [`BenchError`]: the options cannot be, the server or one of its programs is not there, the database refused something,
/// or the books are wrong afterwards.
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
    let mut books = Books::open(options, host, progress).await?;
    let mut rounds: Vec<Vec<Line>> = vec![Vec::new(); options.rounds_or(1)];
    let count = rounds.len();
    // What bulk ways leave to the server would fall into the lines of whoever comes next.
    for plan in [plan::single(options), plan::bulk(options)] {
        for (number, lines) in (1..).zip(&mut rounds) {
            for (way, choice, callers) in &plan {
                progress.set_message(format!(
                    "round {number} of {count}: {way}, {choice}, {callers} callers"
                ));
                let line = way::measure(*way, *choice, *callers, options, host, &mut books);
                lines.push(line.await?);
            }
        }
    }
    progress.set_message("every invariant of the books");
    let entries = books.check().await?;
    Ok(Report {
        machine: Machine::of(host, options),
        comparisons: rounds::comparisons(&rounds),
        lines: rounds::lines(&rounds),
        rounds: count,
        entries,
    })
}

/// Measures on a server of its own or on the one that is named, and takes away again what was made there, also after a failure.
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
