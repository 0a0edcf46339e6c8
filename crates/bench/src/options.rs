use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use neobank_domain::Ledger;
use neobank_domain::statements::StatementRequest;

use crate::choice::Choice;
use crate::error::BenchError;
use crate::way::Way;

/// The subject of a benchmark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// The ways to move money, side by side
    #[default]
    Ways,
    /// The cost of each index, constraint, trigger and column of the money tables
    Costs,
    /// Cost against the length of the journal
    Growth,
    /// Latency against offered load, up to the rate where it rises steeply
    Knee,
    /// Growth of memory, tables and latency over a long run: try --seconds 600
    Soak,
    /// The cost of a locked account, a stopped process and a killed server for other callers: try
    /// --accounts 600 --callers 128
    Faults,
}

/// The options of a benchmark.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The subject to measure
    #[arg(value_enum, default_value_t)]
    pub subject: Subject,
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
    /// Accounts to move money between, at least 2
    #[arg(long, default_value_t = 10_000)]
    pub accounts: u32,
    /// Entries to add to the journal first, beside a deposit for each account
    #[arg(long, default_value_t = 0)]
    pub journal: u64,
    /// Concurrent callers; several numbers are measured one after the other
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 256])]
    pub callers: Vec<usize>,
    /// Seconds of each measured line of the report
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// Seconds of warm-up before each line
    #[arg(long, default_value_t = 1)]
    pub warm_up: u64,
    /// The distribution of accounts
    #[arg(long = "accounts-chosen", value_enum, value_delimiter = ',', default_values_t = [Choice::Random, Choice::Hot])]
    pub choices: Vec<Choice>,
    /// The ways to move money
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Way::Classic, Way::Function, Way::Single, Way::GroupCommit, Way::Copy, Way::Batch])]
    pub ways: Vec<Way>,
    /// The percentage of calls that read instead of moving money: alternately a balance and a page
    /// of a statement
    #[arg(long, default_value_t = 0)]
    pub reads: u8,
    /// The rate of requests per second, which arrive whether or not earlier ones are served;
    /// without it, each caller sends its next request when the last one is served
    #[arg(long)]
    pub rate: Option<u32>,
    /// Send transfers without idempotency keys
    #[arg(long)]
    pub no_keys: bool,
    /// Seal the new records once a second, as a service does, during the ways in group commit and
    /// over HTTP
    #[arg(long)]
    pub sealer: bool,
    /// The most connections of the ways that use one for each caller
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// Workers of group commit
    #[arg(long, default_value_t = 2)]
    pub workers: usize,
    /// The number of ledgers with group commit on the same accounts, as several processes have
    /// them; callers use them in turn
    #[arg(long, default_value_t = 1)]
    pub instances: usize,
    /// Capacity of the ledger's account cache, in accounts; with 0 the ledger locks and reads the
    /// rows of every transfer
    #[arg(long, default_value_t = Ledger::ACCOUNT_CACHE_CAPACITY)]
    pub account_cache: usize,
    /// The most requests in one batch of group commit
    #[arg(long, default_value_t = 1_000)]
    pub group_size: usize,
    /// Postings in one call of the way `batch`, and rows in one COPY
    #[arg(long, default_value_t = 10_000)]
    pub batch_size: usize,
    /// Rounds of the whole measurement; a figure is the median of the rounds, and a comparison the
    /// median of the ratios within each round [default: 1, of costs and growth 3]
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Entries in the journals that growth compares, beside a deposit for each account
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1_000_000, 10_000_000])]
    pub journals: Vec<u64>,
    /// Rates at which the knee is searched, in percent of the throughput of a closed loop
    #[arg(long, value_delimiter = ',', default_values_t = [10, 25, 40, 50, 60, 70, 80, 90, 100, 110, 125, 150])]
    pub loads: Vec<u32>,
    /// The percentage by which the last third of a soak may exceed the first before it counts as
    /// growth
    #[arg(long, default_value_t = 20, value_name = "PERCENT")]
    pub tolerance: u32,
    /// Entries on a page of a statement, where pages are read
    #[arg(long, default_value_t = 20)]
    pub page: u32,
    /// Write a plot to this file, as SVG; for all subjects but costs and faults
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Print no progress
    #[arg(long)]
    pub quiet: bool,
}

/// The server to measure.
#[derive(Clone, Default, Args)]
pub struct ServerOptions {
    /// The URL of a running server, with a role that may create databases and roles; without it a
    /// server is started here, with durable commits.
    #[arg(skip)]
    pub url: Option<String>,
    /// The major version of the server that is started here
    #[arg(long)]
    pub postgres: Option<u32>,
    /// A setting of the server that is started here, such as `shared_buffers=1GB`
    #[arg(long = "set", value_parser = setting)]
    pub settings: Vec<(String, String)>,
}

/// Debug output omits the URL, which may hold a password.
impl std::fmt::Debug for ServerOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ServerOptions")
            .field("postgres", &self.postgres)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "a name, =, and a value".to_owned())
}

impl Options {
    /// Returns the measured time of each line.
    #[must_use]
    pub const fn window(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Returns the number of rounds, or the subject's default.
    pub(crate) fn rounds_or(&self, default: usize) -> usize {
        self.rounds.unwrap_or(default)
    }

    /// Returns the greatest number of callers.
    pub(crate) fn most_callers(&self) -> usize {
        self.callers.iter().copied().max().unwrap_or(1)
    }

    pub(crate) fn check(&self) -> Result<(), BenchError> {
        let wrong = |option, value: String, wanted| {
            Err(BenchError::Option {
                option,
                value,
                wanted,
            })
        };
        if self.accounts < 2 || self.accounts > 10_000_000 {
            return wrong(
                "--accounts",
                self.accounts.to_string(),
                "from 2 to 10,000,000",
            );
        }
        if let Some(callers) = self.callers.iter().find(|n| !(1..=100_000).contains(*n)) {
            return wrong("--callers", callers.to_string(), "from 1 to 100,000");
        }
        if !(1..=86_400).contains(&self.seconds) {
            return wrong("--seconds", self.seconds.to_string(), "from 1 to 86,400");
        }
        if self.tolerance > 1_000_000 {
            return wrong(
                "--tolerance",
                self.tolerance.to_string(),
                "up to 1,000,000 percent",
            );
        }
        if self.reads > 99 {
            return wrong("--reads", self.reads.to_string(), "from 0 to 99");
        }
        if let Some(load) = self.loads.iter().find(|load| !(1..=1_000).contains(*load)) {
            return wrong("--loads", load.to_string(), "from 1 to 1,000 percent");
        }
        if let Some(journal) = self.journals.iter().find(|size| **size > 1_000_000_000) {
            return wrong("--journals", journal.to_string(), "up to 1,000,000,000");
        }
        if let Some(rounds) = self.rounds.filter(|rounds| !(1..=100).contains(rounds)) {
            return wrong("--rounds", rounds.to_string(), "from 1 to 100");
        }
        if !(1..=StatementRequest::LIMIT_MAX).contains(&self.page) {
            return wrong("--page", self.page.to_string(), "from 1 to 10,000");
        }
        if self.rate == Some(0) {
            return wrong("--rate", "0".to_owned(), "at least 1 a second");
        }
        if !(1..=10_000).contains(&self.connections) {
            return wrong(
                "--connections",
                self.connections.to_string(),
                "from 1 to 10,000",
            );
        }
        if !(1..=64).contains(&self.instances) {
            return wrong("--instances", self.instances.to_string(), "from 1 to 64");
        }
        if !(1..=Ledger::REQUESTS_MAX).contains(&self.batch_size) {
            return wrong(
                "--batch-size",
                self.batch_size.to_string(),
                "from 1 to 50,000",
            );
        }
        Ok(())
    }
}
