//! Cost against the length of the journal: the same load on journals of different lengths,
//! alternately.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::bank::Bank;
use crate::choice::Choice;
use crate::error::BenchError;
use crate::host::Host;
use crate::load::load;
use crate::median::median;
use crate::options::Options;
use crate::report::{Latency, Line};
use crate::way::engine::Single;
use crate::way::{self, Way};

/// Concurrent readers: more would measure their queue for the processors.
const READERS: usize = 2;

/// The number of rounds without [`Options::rounds`].
const ROUNDS: usize = 3;

/// Figures of the ledger with journals of different lengths.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Growth {
    /// The server's major version.
    pub postgres: u32,
    /// The number of accounts.
    pub accounts: u32,
    /// Concurrent callers, on random accounts.
    pub callers: usize,
    /// Entries on a page.
    pub page: u32,
    /// The number of rounds.
    pub rounds: usize,
    /// A line for each length; the shortest is first, and the others are compared with it.
    pub sizes: Vec<Size>,
    /// The number of entries in all journals that the audit read at the end.
    pub entries: u64,
}

/// One length of the journal; medians of the rounds.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Size {
    /// Entries that were added to the journal, beside the deposits.
    pub journal: u64,
    /// Entries in the journal before the measurement.
    pub entries: u64,
    /// Transfers per second, with group commit.
    pub throughput: f64,
    /// The ratio to the throughput of the first line in the same round.
    pub throughput_ratio: f64,
    /// The 99th percentile of a transfer's latency, in microseconds.
    pub transfer_p99: f64,
    /// The median latency of a page, in microseconds.
    pub page_p50: f64,
    /// The 99th percentile of a page's latency, in microseconds.
    pub page_p99: f64,
    /// The ratio to the first line's `page_p99` in the same round.
    pub page_p99_ratio: f64,
}

struct Journal {
    target: u64,
    entries: u64,
    host: Host,
    bank: Bank,
    rounds: Vec<Round>,
}

struct Round {
    line: Line,
    pages: Latency,
}

/// Measures throughput, and the latency of a statement's page, with journals of the lengths in the
/// options.
///
/// # Errors
///
/// As [`run`](crate::run).
pub async fn growth(options: &Options) -> Result<Growth, BenchError> {
    let growth = crate::on_host(options, async |host, progress| {
        let mut journals = Vec::new();
        let measured = measure(options, host, &mut journals, progress).await;
        for journal in journals {
            journal.bank.database.close();
            journal.host.drop_database().await?;
        }
        measured
    })
    .await?;
    if let Some(file) = &options.svg {
        crate::plot::growth(&growth, file)?;
    }
    Ok(growth)
}

async fn measure(
    options: &Options,
    host: &Host,
    journals: &mut Vec<Journal>,
    progress: &ProgressBar,
) -> Result<Growth, BenchError> {
    host.superuser.close();
    let mut lengths = options.journals.clone();
    lengths.sort_unstable();
    lengths.dedup();
    for entries in lengths {
        let next = match journals.last_mut() {
            None => first(options, host, entries, progress).await?,
            Some(shorter) => longer(options, shorter, entries, progress).await?,
        };
        journals.push(next);
    }
    let rounds = options.rounds_or(ROUNDS);
    for round in 1..=rounds {
        for journal in journals.iter_mut() {
            progress.set_message(format!(
                "round {round} of {rounds}, {} entries",
                journal.entries
            ));
            let measured = measure_round(options, journal).await?;
            journal.rounds.push(measured);
        }
    }
    let mut entries = 0;
    for journal in journals.iter() {
        progress.set_message(format!("every invariant, {} entries", journal.entries));
        entries += journal.bank.check().await?;
    }
    Ok(Growth {
        postgres: host.version(),
        accounts: options.accounts,
        callers: options.most_callers(),
        page: options.page,
        rounds,
        sizes: sizes(journals),
        entries,
    })
}

async fn first(
    options: &Options,
    host: &Host,
    target: u64,
    progress: &ProgressBar,
) -> Result<Journal, BenchError> {
    let host = host.copy().await?;
    let filled = Options {
        journal: target,
        ..options.clone()
    };
    let bank = Bank::open(&filled, &host, progress).await?;
    Ok(journal(target, host, bank))
}

/// Fills a longer journal in a copy of the shorter one's database, so that each row is written only
/// once.
async fn longer(
    options: &Options,
    shorter: &mut Journal,
    target: u64,
    progress: &ProgressBar,
) -> Result<Journal, BenchError> {
    progress.set_message(format!("a copy of {} entries", shorter.entries));
    shorter.bank.database.close();
    shorter.host.superuser.close();
    let host = shorter.host.copy().await?;
    shorter.host.reconnect().await?;
    shorter.bank = shorter.bank.copied(options, &shorter.host).await?;
    let mut bank = shorter.bank.copied(options, &host).await?;
    bank.fill(target, options, &host, progress).await?;
    Ok(journal(target, host, bank))
}

fn journal(target: u64, host: Host, bank: Bank) -> Journal {
    Journal {
        target,
        entries: bank.entries(),
        host,
        bank,
        rounds: Vec::new(),
    }
}

async fn measure_round(options: &Options, journal: &mut Journal) -> Result<Round, BenchError> {
    let (host, bank) = (&journal.host, &mut journal.bank);
    let callers = options.most_callers();
    let line = way::measure(
        Way::GroupCommit,
        Choice::Random,
        callers,
        options,
        host,
        bank,
    )
    .await?;
    let reading = Options {
        reads: 100,
        ..options.clone()
    };
    let idle = Single::new(&bank.database, options)?;
    host.settle().await?;
    let read = load(
        idle,
        Choice::Random,
        READERS,
        &reading,
        host,
        &bank.database,
    )
    .await?;
    Ok(Round {
        line,
        pages: read.pages.summary(),
    })
}

fn sizes(journals: &[Journal]) -> Vec<Size> {
    let first: &[Round] = journals.first().map_or(&[], |journal| &journal.rounds);
    let transfer_p99 = |round: &Round| round.line.latency.map_or(0.0, |all| all.p99 as f64);
    journals
        .iter()
        .map(|journal| {
            let rounds = || journal.rounds.iter();
            let beside = || rounds().zip(first);
            Size {
                journal: journal.target,
                entries: journal.entries,
                throughput: median(rounds().map(|round| round.line.throughput)),
                throughput_ratio: median(
                    beside().map(|(one, first)| one.line.throughput / first.line.throughput),
                ),
                transfer_p99: median(rounds().map(transfer_p99)),
                page_p50: median(rounds().map(|round| round.pages.p50 as f64)),
                page_p99: median(rounds().map(|round| round.pages.p99 as f64)),
                page_p99_ratio: median(
                    beside().map(|(one, first)| one.pages.p99 as f64 / first.pages.p99 as f64),
                ),
            }
        })
        .collect()
}

impl fmt::Display for Growth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header([
            "entries before",
            "transfers a second",
            "first = 1",
            "transfer p99 ms",
            "page p50 ms",
            "page p99 ms",
            "first = 1",
        ]);
        for size in &self.sizes {
            let milliseconds = |microseconds: f64| format!("{:.2}", microseconds / 1_000.0);
            table.add_row([
                size.entries.to_string(),
                format!("{:.0}", size.throughput),
                format!("{:.2}", size.throughput_ratio),
                milliseconds(size.transfer_p99),
                milliseconds(size.page_p50),
                milliseconds(size.page_p99),
                format!("{:.2}", size.page_p99_ratio),
            ]);
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(
            formatter,
            "PostgreSQL {}, group commit, {} callers, {} random accounts; pages of {} entries, \
             {READERS} readers; medians of {} alternating rounds",
            self.postgres, self.callers, self.accounts, self.page, self.rounds
        )?;
        writeln!(formatter, "{table}")?;
        write!(
            formatter,
            "every invariant of the bank holds: {} entries were checked",
            self.entries
        )
    }
}
