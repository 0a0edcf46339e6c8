use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use neobank_domain::Ledger;
use serde::Serialize;

use crate::choice::Choice;
use crate::host::Host;
use crate::measured::Used;
use crate::options::Options;
use crate::way::Way;

/// The figures of one run.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The machine and the server.
    pub machine: Machine,
    /// A line for each way, distribution of accounts and number of callers.
    pub lines: Vec<Line>,
    /// Comparisons of the ways.
    pub comparisons: Vec<Comparison>,
    /// The number of rounds. Figures are medians, and comparisons are medians of those within each
    /// round; peaks are the highest.
    pub rounds: usize,
    /// The number of entries in the journal at the end, each of which the audit read.
    pub entries: u64,
}

/// The machine and the server of a run.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Machine {
    /// The server's major version.
    pub postgres: u32,
    /// The origin of the server: a URL, or a kind of local installation.
    pub origin: String,
    /// Processors of this machine, which a server that was started here shares.
    pub processors: usize,
    /// The number of accounts.
    pub accounts: u32,
    /// Entries in the journal before the measurement.
    pub journal: u64,
}

/// Figures of one way with one distribution of accounts and one number of callers.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Line {
    /// The way to move money.
    pub way: Way,
    /// The distribution of accounts.
    pub choice: Choice,
    /// Concurrent callers.
    pub callers: usize,
    /// Durable transfers, or postings, per second.
    pub throughput: f64,
    /// The latency of a call, or of a whole batch.
    pub latency: Option<Latency>,
    /// The latency of reading a balance.
    pub balances: Option<Latency>,
    /// The latency of reading a page of a statement.
    pub pages: Option<Latency>,
    /// The mean number of transfers in a transaction, where they share one.
    pub group_size: Option<f64>,
    /// The share of transactions that committed after an optimistic attempt, from 0 to 1.
    pub optimistic: Option<f64>,
    /// Bytes of WAL for each transfer, including those of everything else on the server.
    pub wal_bytes: f64,
    /// Round trips for each transfer.
    pub round_trips: Option<f64>,
    /// Processors that the client kept busy; for the function, those of pgbench.
    pub client_cpu: Option<f64>,
    /// Processors that the server kept busy, when it was started here.
    pub server_cpu: Option<f64>,
    /// The peak resident memory of this process during the measurement, in bytes.
    pub peak_memory: Option<u64>,
    /// The resident memory of this process at the end, in bytes.
    pub memory: Option<u64>,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// The number of calls.
    pub count: u64,
    /// The median.
    pub p50: u64,
    /// The 95th percentile.
    pub p95: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The maximum.
    pub max: u64,
}

/// The ratio of two figures of the same run.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The names of both figures.
    pub name: String,
    /// The ratio.
    pub ratio: f64,
}

impl Machine {
    pub(crate) fn of(host: &Host, options: &Options) -> Self {
        Self {
            postgres: host.version(),
            origin: host.origin().to_owned(),
            processors: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            accounts: options.accounts,
            journal: options.journal,
        }
    }
}

impl Line {
    pub(crate) fn new(way: Way, choice: Choice, callers: usize, done: u64, used: &Used) -> Self {
        let done = done as f64;
        Self {
            way,
            choice,
            callers,
            throughput: done / used.elapsed.as_secs_f64(),
            latency: None,
            balances: None,
            pages: None,
            group_size: None,
            optimistic: None,
            wal_bytes: used.wal_bytes as f64 / done.max(1.0),
            round_trips: None,
            client_cpu: used.client_cpu,
            server_cpu: used.server_cpu,
            peak_memory: None,
            memory: None,
        }
    }

    pub(crate) fn with_latency(mut self, latency: Latency) -> Self {
        self.latency = Some(latency);
        self
    }

    pub(crate) fn with_ledgers<'a>(
        mut self,
        ledgers: impl IntoIterator<Item = &'a Ledger>,
    ) -> Self {
        let (mut committed, mut all) = (0, 0);
        for metrics in ledgers.into_iter().map(Ledger::account_cache_metrics) {
            committed += metrics.committed;
            all += metrics.committed + metrics.not_attempted + metrics.conflicts;
        }
        self.optimistic = (all > 0).then(|| committed as f64 / all as f64);
        self
    }

    pub(crate) fn with_reads(mut self, balances: Latency, pages: Latency) -> Self {
        let some = |latency: Latency| (latency.count > 0).then_some(latency);
        self.balances = some(balances);
        self.pages = some(pages);
        self
    }
}

/// Compares group commit with the classic way, other requests with transfers in group commit, a lone
/// caller with the function, and batches with `COPY`.
pub(crate) fn compare(lines: &[Line]) -> Vec<Comparison> {
    lines
        .iter()
        .flat_map(|line| match line.way {
            Way::GroupCommit => [to_classic(line, lines), alone(line, lines)].concat(),
            Way::Single => alone(line, lines),
            Way::Holds | Way::Groups | Way::Mixture => to_transfers(line, lines),
            Way::Batch => to_copy(line, lines),
            _ => Vec::new(),
        })
        .collect()
}

fn to_classic(line: &Line, lines: &[Line]) -> Vec<Comparison> {
    let classic = || {
        lines
            .iter()
            .filter(|other| other.way == Way::Classic && other.choice == line.choice)
    };
    let same = classic().find(|other| other.callers == line.callers);
    let best = classic().max_by(|a, b| a.throughput.total_cmp(&b.throughput));
    let ratio = |other: Option<&Line>, name: &str| {
        other.map(|other| Comparison {
            name: format!(
                "{}, {} callers: group-commit to {name}",
                line.choice, line.callers
            ),
            ratio: line.throughput / other.throughput,
        })
    };
    [ratio(same, "classic"), ratio(best, "classic's best")]
        .into_iter()
        .flatten()
        .collect()
}

fn alone(line: &Line, lines: &[Line]) -> Vec<Comparison> {
    let function = lines.iter().find(|other| {
        other.way == Way::Function && other.choice == line.choice && other.callers == 1
    });
    let latencies = function.and_then(|other| line.latency.zip(other.latency));
    latencies
        .filter(|_| line.callers == 1)
        .map(|(own, other)| Comparison {
            name: format!(
                "{}, alone: p50 of {} to that of the function",
                line.choice, line.way
            ),
            ratio: own.p50 as f64 / (other.p50 as f64).max(1.0),
        })
        .into_iter()
        .collect()
}

fn to_transfers(line: &Line, lines: &[Line]) -> Vec<Comparison> {
    let transfers = lines.iter().find(|other| {
        other.way == Way::GroupCommit
            && other.choice == line.choice
            && other.callers == line.callers
    });
    transfers
        .map(|transfers| Comparison {
            name: format!(
                "{}, {} callers: {} to group-commit",
                line.choice, line.callers, line.way
            ),
            ratio: line.throughput / transfers.throughput,
        })
        .into_iter()
        .collect()
}

fn to_copy(line: &Line, lines: &[Line]) -> Vec<Comparison> {
    lines
        .iter()
        .find(|other| other.way == Way::Copy && other.choice == line.choice)
        .map(|copy| Comparison {
            name: format!("{}: batch to COPY of the same rows", line.choice),
            ratio: line.throughput / copy.throughput,
        })
        .into_iter()
        .collect()
}

impl Report {
    /// Returns the whole report as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Cannot fail: the report holds only numbers, texts and lists.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(
            formatter,
            "PostgreSQL {} from {}, {} processors, {} accounts, {} entries before; rounds: {}{}",
            machine.postgres,
            machine.origin,
            machine.processors,
            machine.accounts,
            machine.journal,
            self.rounds,
            if self.rounds > 1 {
                ", figures are medians"
            } else {
                ""
            }
        )?;
        writeln!(formatter, "{}", self.table())?;
        for comparison in &self.comparisons {
            writeln!(formatter, "{}: {:.2}", comparison.name, comparison.ratio)?;
        }
        write!(
            formatter,
            "every invariant of the bank holds: {} entries were checked",
            self.entries
        )
    }
}

impl Report {
    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header([
            "way",
            "accounts",
            "callers",
            "per second",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "max ms",
            "group",
            "no locks",
            "WAL bytes",
            "round trips",
            "client CPU",
            "server CPU",
            "peak MiB",
        ]);
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(String::new, |value| format!("{value:.digits$}"))
        };
        for line in &self.lines {
            let milliseconds = |pick: fn(&Latency) -> u64| {
                number(
                    line.latency.as_ref().map(|one| pick(one) as f64 / 1_000.0),
                    2,
                )
            };
            table.add_row([
                line.way.to_string(),
                line.choice.to_string(),
                line.callers.to_string(),
                format!("{:.0}", line.throughput),
                milliseconds(|one| one.p50),
                milliseconds(|one| one.p95),
                milliseconds(|one| one.p99),
                milliseconds(|one| one.max),
                number(line.group_size, 1),
                number(line.optimistic, 3),
                format!("{:.0}", line.wal_bytes),
                number(line.round_trips, 3),
                number(line.client_cpu, 2),
                number(line.server_cpu, 2),
                number(line.peak_memory.map(|bytes| bytes as f64 / 1_048_576.0), 0),
            ]);
            for (name, reads) in [("balance", line.balances), ("page", line.pages)] {
                if let Some(reads) = reads {
                    let milliseconds = |value: u64| format!("{:.2}", value as f64 / 1_000.0);
                    table.add_row([
                        format!("  {name}"),
                        String::new(),
                        String::new(),
                        String::new(),
                        milliseconds(reads.p50),
                        milliseconds(reads.p95),
                        milliseconds(reads.p99),
                        milliseconds(reads.max),
                    ]);
                }
            }
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}
