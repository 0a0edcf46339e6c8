use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use neobank_domain::Ledger;
use serde::Serialize;

use crate::choice::Choice;
use crate::host::Host;
use crate::measured::Used;
use crate::options::Options;
use crate::way::Way;

/// What was measured in one run.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// A line for each way, choice of accounts and number of callers.
    pub lines: Vec<Line>,
    /// How the ways compare.
    pub comparisons: Vec<Comparison>,
    /// How often each line was measured: figures are medians, and comparisons medians of those within each round; only peaks
    /// are the highest.
    pub rounds: usize,
    /// Entries in the journal in the end, every one of which was looked at.
    pub entries: u64,
}

/// Where it was measured.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Machine {
    /// The server's major version.
    pub postgres: u32,
    /// Where the server came from.
    pub origin: String,
    /// Processors of this machine, on which a server that was started here runs too.
    pub processors: usize,
    /// Accounts.
    pub accounts: u32,
    /// Entries in the journal before.
    pub journal: u64,
}

/// One way with one choice of accounts and one number of callers.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Line {
    /// How money was moved.
    pub way: Way,
    /// Between which accounts.
    pub choice: Choice,
    /// Callers at once.
    pub callers: usize,
    /// Transfers, or postings, that were durable, each second.
    pub throughput: f64,
    /// Of the calls; of a whole batch where there are batches.
    pub latency: Option<Latency>,
    /// Of the reads of a balance.
    pub balances: Option<Latency>,
    /// Of the reads of a statement's page.
    pub pages: Option<Latency>,
    /// Transfers in a transaction, on average, where they share one.
    pub group_size: Option<f64>,
    /// Transactions that were decided on what the ledger optimistic, without a lock, and were right; of 1.
    pub optimistic: Option<f64>,
    /// Bytes of WAL for each transfer; those of everything else on the server are in it.
    pub wal_bytes: f64,
    /// Round trips for each transfer.
    pub round_trips: Option<f64>,
    /// Processors that the client kept busy; that of pgbench for the function.
    pub client_cpu: Option<f64>,
    /// Processors that the server kept busy, when it was started here.
    pub server_cpu: Option<f64>,
    /// The most memory that this process had in use meanwhile, in bytes.
    pub peak_memory: Option<u64>,
    /// Memory that this process had in use at the end, in bytes.
    pub memory: Option<u64>,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// How many there are.
    pub count: u64,
    /// Half of them were not longer.
    pub p50: u64,
    /// 95 of a hundred were not longer.
    pub p95: u64,
    /// 99 of a hundred were not longer.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

/// One figure against another of the same run.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Of what to what.
    pub name: String,
    /// How many times.
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
        let (mut right, mut all) = (0, 0);
        for metrics in ledgers.into_iter().map(Ledger::account_cache_metrics) {
            right += metrics.right;
            all += metrics.right + metrics.under_locks + metrics.wrong;
        }
        self.optimistic = (all > 0).then(|| right as f64 / all as f64);
        self
    }

    pub(crate) fn with_reads(mut self, balances: Latency, pages: Latency) -> Self {
        let some = |latency: Latency| (latency.count > 0).then_some(latency);
        self.balances = some(balances);
        self.pages = some(pages);
        self
    }
}

/// Gathered against classic, a lone caller against the function, batches against `COPY`.
pub(crate) fn compare(lines: &[Line]) -> Vec<Comparison> {
    lines
        .iter()
        .flat_map(|line| match line.way {
            Way::Gathered => [to_classic(line, lines), alone(line, lines)].concat(),
            Way::Single => alone(line, lines),
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
                "{}, {} callers: gathered to {name}",
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
    /// The whole report for programs.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Numbers, texts and lists: nothing that JSON does not have.
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
                ", in turns, of which these are medians"
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
            "every invariant of the books holds: {} entries were looked at",
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
