//! The ways to move money.

mod batch;
pub(crate) mod classic;
mod classic_service;
mod client;
mod copy;
pub(crate) mod engine;
mod function;
mod groups;
mod holds;
mod mixture;
mod sealer;
mod service;

use clap::ValueEnum;
use neobank_db::Database;
use serde::Serialize;

use crate::bank::Bank;
use crate::choice::Choice;
use crate::error::BenchError;
use crate::host::Host;
use crate::load::{Loaded, load};
use crate::options::Options;
use crate::processes;
use crate::report::Line;
use crate::round_trips;
use crate::way::sealer::Sealer;

/// A way to move money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Two row locks and a transaction for each transfer, five statements on the driver.
    Classic,
    /// A stored function, called by pgbench.
    Function,
    /// The ledger, with a transaction for each call.
    Single,
    /// The ledger with group commit, whose concurrent callers share transactions.
    GroupCommit,
    /// Holds in group commit, each with the capture of its whole amount: a pair counts as one.
    Holds,
    /// Groups of ten transfers in group commit: each transfer counts.
    Groups,
    /// In group commit, of 100 calls: 60 transfers, 20 holds, 15 captures of open holds, and 5 batches
    /// of ten postings. Each call counts. `--reads` adds reads.
    Mixture,
    /// The service over HTTP, in this process, with a transfer for each request.
    Service,
    /// A service over HTTP in the classic way, as `classic`: Node.js, a process for each processor.
    /// It needs Node.js with npm.
    ClassicService,
    /// The service over HTTP with batches of 100 transfers: each transfer counts.
    ServiceBatch,
    /// Postings in batches of thousands in one call of the ledger.
    Batch,
    /// `COPY` of the same rows into tables with the same indexes and no triggers or foreign keys:
    /// the lower bound for postings.
    Copy,
}

impl std::fmt::Display for Way {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Classic => "classic",
            Self::Function => "function",
            Self::Single => "single",
            Self::GroupCommit => "group-commit",
            Self::Holds => "holds",
            Self::Groups => "groups",
            Self::Mixture => "mixture",
            Self::Service => "service",
            Self::ClassicService => "classic-service",
            Self::ServiceBatch => "service-batch",
            Self::Batch => "batch",
            Self::Copy => "copy",
        })
    }
}

impl Way {
    /// Returns `true` for a way that writes in bulk, which leaves the server with later work:
    /// vacuum, and dirty pages.
    pub(crate) const fn is_bulk(self) -> bool {
        matches!(self, Self::Batch | Self::Copy)
    }
}

/// Measures one line of the report.
pub(crate) async fn measure(
    way: Way,
    choice: Choice,
    callers: usize,
    options: &Options,
    host: &Host,
    bank: &mut Bank,
) -> Result<Line, BenchError> {
    bank.settle(options, host).await?;
    processes::forget_peak();
    let connections = callers.min(options.connections);
    let trips = match way {
        Way::Classic | Way::Single | Way::GroupCommit => {
            Some(round_trips::of(way, options, host, bank).await?)
        }
        Way::Function => Some(1.0),
        Way::Holds
        | Way::Groups
        | Way::Mixture
        | Way::Service
        | Way::ServiceBatch
        | Way::ClassicService
        | Way::Batch
        | Way::Copy => None,
    };
    let mut line = match way {
        Way::Classic => {
            let mover = classic::Classic::connect(host, connections).await?;
            let loaded = load(mover, choice, callers, options, host, &bank.database).await?;
            finished(way, choice, callers, &loaded, bank)
        }
        Way::ClassicService => {
            let mover = classic_service::ClassicService::start(host, connections).await?;
            let loaded = load(mover, choice, callers, options, host, &bank.database).await?;
            finished(way, choice, callers, &loaded, bank)
        }
        Way::Single => {
            let database = Database::connect(host.application(connections)?).await?;
            let mover = engine::Single::new(&database, options)?;
            let ledger = mover.ledger();
            bank.acquaint(&ledger, options).await?;
            let loaded = load(mover, choice, callers, options, host, &bank.database).await?;
            database.close();
            finished(way, choice, callers, &loaded, bank).with_ledgers([&ledger])
        }
        Way::GroupCommit
        | Way::Holds
        | Way::Groups
        | Way::Mixture
        | Way::Service
        | Way::ServiceBatch => in_group_commit(way, choice, callers, options, host, bank).await?,
        Way::Function => function::measure(choice, callers, options, host, bank).await?,
        Way::Batch => batch::measure(choice, options, host, bank).await?,
        Way::Copy => copy::measure(choice, options, host, bank).await?,
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

/// Measures a way whose callers share transactions.
async fn in_group_commit(
    way: Way,
    choice: Choice,
    callers: usize,
    options: &Options,
    host: &Host,
    bank: &mut Bank,
) -> Result<Line, BenchError> {
    let mover = engine::GroupCommit::connect(host, options).await?;
    for ledger in mover.ledgers() {
        bank.acquaint(ledger, options).await?;
    }
    let group_commit = mover.clone();
    let database = &bank.database;
    let sealer = options.sealer.then(|| Sealer::start(database));
    let loaded = match way {
        Way::Holds => {
            let mover = holds::Holds(mover);
            load(mover, choice, callers, options, host, database).await?
        }
        Way::Groups => {
            let mover = groups::Groups(mover);
            load(mover, choice, callers, options, host, database).await?
        }
        Way::Mixture => {
            let mover = mixture::Mixture::new(mover);
            load(mover, choice, callers, options, host, database).await?
        }
        Way::Service | Way::ServiceBatch => {
            let is_batched = way == Way::ServiceBatch;
            let mover = service::Service::start(&mover, options.accounts, is_batched).await?;
            load(mover, choice, callers, options, host, database).await?
        }
        _ => load(mover, choice, callers, options, host, database).await?,
    };
    sealer.map_or(Ok(()), Sealer::stop)?;
    group_commit.close();
    let mut line = finished(way, choice, callers, &loaded, bank);
    line = line.with_ledgers(group_commit.ledgers());
    line.group_size = Some(group_commit.mean_size());
    Ok(line)
}

fn finished(way: Way, choice: Choice, callers: usize, loaded: &Loaded, bank: &mut Bank) -> Line {
    bank.transfers += loaded.transfers_ever;
    Line::new(way, choice, callers, loaded.counted, &loaded.used)
        .with_latency(loaded.latencies.summary())
        .with_reads(loaded.balances.summary(), loaded.pages.summary())
}
