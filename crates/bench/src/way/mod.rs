//! How money is moved.

mod batch;
pub(crate) mod classic;
mod copy;
pub(crate) mod engine;
mod function;

use clap::ValueEnum;
use neobank_db::Database;
use serde::Serialize;

use crate::books::Books;
use crate::choice::Choice;
use crate::error::BenchError;
use crate::host::Host;
use crate::load::{Loaded, load};
use crate::options::Options;
use crate::processes;
use crate::report::Line;
use crate::round_trips;

/// How money is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// A pair of row locks and a transaction for each transfer, five statements through SeaORM.
    Classic,
    /// A stored function, called by pgbench.
    Function,
    /// The ledger, a transaction for each call.
    Single,
    /// The ledger, whose concurrent callers share transactions.
    Gathered,
    /// Postings by the thousand in one call of the ledger.
    Batch,
    /// `COPY` of the same rows into tables with the same indexes and nothing else: the floor for postings.
    Copy,
}

impl std::fmt::Display for Way {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Classic => "classic",
            Self::Function => "function",
            Self::Single => "single",
            Self::Gathered => "gathered",
            Self::Batch => "batch",
            Self::Copy => "copy",
        })
    }
}

impl Way {
    /// Whether it writes by the thousand, which leaves the server with work for later: vacuum, and dirty pages.
    pub(crate) const fn is_bulk(self) -> bool {
        matches!(self, Self::Batch | Self::Copy)
    }
}

/// One line of the report.
pub(crate) async fn measure(
    way: Way,
    choice: Choice,
    callers: usize,
    options: &Options,
    host: &Host,
    books: &mut Books,
) -> Result<Line, BenchError> {
    books.settle(options, host).await?;
    processes::forget_peak();
    let connections = callers.min(options.connections);
    let trips = match way {
        Way::Classic | Way::Single | Way::Gathered => {
            Some(round_trips::of(way, options, host, books).await?)
        }
        Way::Function => Some(1.0),
        Way::Batch | Way::Copy => None,
    };
    let mut line = match way {
        Way::Classic => {
            let mover = classic::Classic::connect(host, connections).await?;
            let loaded = load(mover, choice, callers, options, host, &books.database).await?;
            finished(way, choice, callers, &loaded, books)
        }
        Way::Single => {
            let database = Database::connect(host.application(connections)?).await?;
            let mover = engine::Single::new(&database, options)?;
            let ledger = mover.ledger();
            books.acquaint(&ledger, options).await?;
            let loaded = load(mover, choice, callers, options, host, &books.database).await?;
            database.close();
            finished(way, choice, callers, &loaded, books).with_ledgers([&ledger])
        }
        Way::Gathered => {
            let mover = engine::Gathered::connect(host, options).await?;
            for ledger in mover.ledgers() {
                books.acquaint(ledger, options).await?;
            }
            let gathered = mover.clone();
            let loaded = load(mover, choice, callers, options, host, &books.database).await?;
            gathered.close();
            let mut line = finished(way, choice, callers, &loaded, books);
            line = line.with_ledgers(gathered.ledgers());
            line.group_size = Some(gathered.mean_size());
            line
        }
        Way::Function => function::measure(choice, callers, options, host, books).await?,
        Way::Batch => batch::measure(choice, options, host, books).await?,
        Way::Copy => copy::measure(choice, options, host, books).await?,
    };
    if line.throughput <= 0.0 {
        // A line of zeros would look like a measurement.
        return Err(BenchError::other(
            "measuring",
            format!("{way} moved nothing in {} seconds", options.seconds),
        ));
    }
    line.round_trips = trips.map(|trips| trips / line.group_size.unwrap_or(1.0).max(1.0));
    line.peak_memory = processes::peak_memory();
    line.memory = processes::memory_now();
    Ok(line)
}

fn finished(way: Way, choice: Choice, callers: usize, loaded: &Loaded, books: &mut Books) -> Line {
    books.transfers += loaded.transfers_ever;
    Line::new(way, choice, callers, loaded.transfers, &loaded.used)
        .with_latency(loaded.latencies.summary())
        .with_reads(loaded.balances.summary(), loaded.pages.summary())
}
