//! The command line's arguments.

use clap::{ArgAction, Args, Parser, Subcommand};
use neobank_domain::ledger::Actor;
use neobank_ops::checks::Threshold;

use crate::commands::{
    account, audit, balances, changes, completions, customer, daily_summary, events, exchange,
    hold, import, man, migrate, ops, period, preferences, reverse, seal, serve_metrics, statement,
    submit, transfer, transfers,
};
#[cfg(feature = "serve")]
use crate::commands::{api_key, serve, webhook};
use crate::exit::Exit;
use crate::output::Color;
use crate::top::TopOptions;

/// NeoBank's operator command: monitoring of a bank's database, and the bank's daily work.
///
/// The database is that of --url, or of the environment: DATABASE_URL, or DB_HOST, DB_PORT,
/// DB_NAME, DB_USER and DB_PASSWORD. DB_ROLE, DB_TLS_MODE, DB_POOLER and every limit of the
/// connection come from the environment too.
///
/// -h prints this summary; --help also lists the exit codes.
#[derive(Debug, Parser)]
#[command(name = "neobank", version, propagate_version = true, after_long_help = Exit::table())]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args)]
pub(crate) struct GlobalArguments {
    /// The database, as postgresql://user@host:port/name; other users of this machine can see it,
    /// so put the password into DB_PASSWORD
    #[arg(long, global = true, value_name = "URL", help_heading = "Everywhere")]
    pub(crate) url: Option<String>,
    /// The person or program that asks for the command, such as teller:42, which is stored with each
    /// transfer and each change; NEOBANK_ACTOR by default
    #[arg(long, global = true, value_name = "NAME", help_heading = "Everywhere")]
    pub(crate) actor: Option<Actor>,
    /// Print one JSON document of a versioned contract on standard output, also for errors
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
    /// Print colours on a terminal, always or never
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Everywhere"
    )]
    pub(crate) color: Color,
    /// Log the command's work on standard error; twice and three times log more
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Everywhere")]
    pub(crate) verbose: u8,
}

/// Debug output omits the URL, which may hold a password.
impl std::fmt::Debug for GlobalArguments {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("GlobalArguments")
            .field("json", &self.json)
            .field("color", &self.color)
            .field("verbose", &self.verbose)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create, show, find and update customers
    #[command(subcommand)]
    Customer(customer::CustomerCommand),
    /// Open, show, list, freeze, unfreeze, close and reopen accounts, and set their limits
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Show, set and unset a customer's preferences
    #[command(subcommand)]
    Preferences(preferences::PreferencesCommand),
    /// List the changes of customers, accounts and preferences, with their actors
    #[command(subcommand)]
    Changes(changes::ChangesCommand),
    /// Move money from one account to another
    Transfer(transfer::TransferArguments),
    /// Deposit money from outside the bank
    Deposit(transfer::PostingArguments),
    /// Withdraw money to outside the bank
    Withdraw(transfer::PostingArguments),
    /// Pay interest to an account, or charge it
    Interest(transfer::InterestArguments),
    /// Charge a fee to an account, or return it
    Fee(transfer::FeeArguments),
    /// Correct a balance, against the bank's adjustment account
    Adjust(transfer::AdjustArguments),
    /// Sell an amount of one currency for another, at a rate
    ///
    /// Both sides are posted together against the bank's positions in the two currencies, or neither
    /// is. The computed side is exact, and rounded in the bank's favour.
    Exchange(Box<exchange::ExchangeArguments>),
    /// Execute a file of requests, and print the outcome of each line
    ///
    /// The outcomes are JSON objects, one in each line, in the order of the file; the summary is on
    /// standard error. A run that was cut off can be repeated, because every line has an idempotency
    /// key. Lines take effect in their order.
    Submit(submit::SubmitArguments),
    /// List transfers, and show one with both of its entries
    #[command(subcommand)]
    Transfers(transfers::TransfersCommand),
    /// Move the money of an earlier transfer back, in whole or in part
    Reverse(reverse::ReverseArguments),
    /// Reserve amounts on accounts, and capture, release, list, show and end these holds
    #[command(subcommand)]
    Hold(hold::HoldCommand),
    /// Print an account's entries, newest first, with the opening and closing balance
    Statement(statement::StatementArguments),
    /// Print the totals and the balance of an account's days
    DailySummary(daily_summary::DailySummaryArguments),
    /// Print the balances of accounts, now or at a time
    Balances(balances::BalancesArguments),
    /// Print the balances of the whole bank, whose debits equal its credits in each currency
    TrialBalance(balances::TrialBalanceArguments),
    /// Close booking days by currency, undo the newest closing, and list closings
    #[command(subcommand)]
    Period(period::PeriodCommand),
    /// Import a bank's history from CSV files, plain or compressed by gzip; - is standard input
    ///
    /// The import is atomic. It compares every recorded balance, and rolls back at the first
    /// difference. The connection acts as the role neobank_import, unless DB_ROLE names another.
    Import(import::ImportArguments),
    /// Seal committed transfers and hold events in the hash chain
    Seal(seal::SealArguments),
    /// Print sealed transfers and hold events in their order, for other programs
    ///
    /// With --json and --follow or --consumer, each event is a JSON object in a line of its own.
    Events(events::EventsArguments),
    /// Validate every invariant of the ledger
    Audit(audit::AuditArguments),
    /// Apply, revert or inspect schema migrations
    Migrate(migrate::MigrateArguments),
    /// Monitor the server: connections, locks and more, with checks for Nagios and Icinga
    #[command(subcommand)]
    Ops(ops::OpsCommand),
    /// Show the server live: sessions, blocking, pools and rates
    Top(TopOptions),
    /// Serve metrics of every subject to Prometheus
    ServeMetrics(serve_metrics::ServeMetricsArguments),
    #[cfg(feature = "serve")]
    /// Create, list and revoke the keys of programs that call the service
    #[command(subcommand)]
    ApiKey(api_key::ApiKeyCommand),
    #[cfg(feature = "serve")]
    /// Create and change webhooks: addresses to which the service sends events
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    #[cfg(feature = "serve")]
    /// Serve the bank's HTTP API
    ///
    /// SIGTERM stops it: readiness turns off, requests at work end, and nothing acknowledged is lost.
    Serve(Box<serve::ServeArguments>),
    #[cfg(feature = "bench")]
    /// Benchmark the ledger on the server of --url, or on one that the command starts
    ///
    /// The command creates a database of its own there, and drops it at the end. It never uses a
    /// server from the environment. At the end it validates every invariant of the ledger; after a
    /// violation it prints no figures, except for soak.
    Bench(Box<neobank_bench::Options>),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArguments),
    /// Write the manual pages
    Man(man::ManArguments),
}

/// Arguments of a check for Nagios or Icinga.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct CheckArguments {
    /// Print one line and performance data for Nagios or Icinga; the exit code is 0 ok, 1 warning,
    /// 2 critical, 3 unknown
    #[arg(long, help_heading = "Monitoring", conflicts_with = "json")]
    pub(crate) check: bool,
    /// Warn outside of this range, such as 10, 5:10, ~:10 or @5:10; applies to the first figure of
    /// the performance data
    #[arg(
        short,
        long,
        requires = "check",
        value_name = "RANGE",
        allow_hyphen_values = true,
        help_heading = "Monitoring"
    )]
    pub(crate) warning: Option<Threshold>,
    /// Critical outside of this range; applies to the same figure
    #[arg(
        short,
        long,
        requires = "check",
        value_name = "RANGE",
        allow_hyphen_values = true,
        help_heading = "Monitoring"
    )]
    pub(crate) critical: Option<Threshold>,
    /// Unknown when the whole check takes longer than this many seconds: 1 to 86400
    #[arg(
        short,
        long,
        requires = "check",
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400),
        help_heading = "Monitoring"
    )]
    pub(crate) timeout: Option<u64>,
    /// The host or address of the server, instead of the one in the URL or in DB_HOST
    #[arg(
        short = 'H',
        long,
        requires = "check",
        value_name = "HOST",
        help_heading = "Monitoring"
    )]
    pub(crate) hostname: Option<String>,
}

impl Command {
    /// Returns the command's name in the contract.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Customer(command) => command.name(),
            Self::Account(command) => command.name(),
            Self::Preferences(command) => command.name(),
            Self::Changes(command) => command.name(),
            Self::Transfer(_) => "transfer",
            Self::Deposit(_) => "deposit",
            Self::Withdraw(_) => "withdraw",
            Self::Interest(_) => "interest",
            Self::Fee(_) => "fee",
            Self::Adjust(_) => "adjust",
            Self::Exchange(_) => "exchange",
            Self::Submit(_) => "submit",
            Self::Reverse(_) => "reverse",
            Self::Hold(command) => command.name(),
            Self::Transfers(command) => command.name(),
            Self::Statement(_) => "statement",
            Self::DailySummary(_) => "daily-summary",
            Self::Balances(_) => "balances",
            Self::TrialBalance(_) => "trial-balance",
            Self::Period(command) => command.name(),
            Self::Import(_) => "import",
            Self::Seal(_) => "seal",
            Self::Events(_) => "events",
            Self::Audit(_) => "audit",
            Self::Migrate(arguments) => arguments.name(),
            Self::Ops(command) => command.name(),
            Self::Top(_) => "top",
            Self::ServeMetrics(_) => "serve-metrics",
            #[cfg(feature = "serve")]
            Self::ApiKey(command) => command.name(),
            #[cfg(feature = "serve")]
            Self::Webhook(command) => command.name(),
            #[cfg(feature = "serve")]
            Self::Serve(_) => "serve",
            #[cfg(feature = "bench")]
            Self::Bench(_) => "bench",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }

    /// Returns true for a command that goes on until it is stopped.
    pub(crate) const fn is_service(&self) -> bool {
        match self {
            Self::Seal(arguments) => arguments.follow,
            Self::Events(arguments) => arguments.follow,
            Self::ServeMetrics(_) => true,
            #[cfg(feature = "serve")]
            Self::Serve(arguments) => arguments.is_service(),
            _ => false,
        }
    }

    /// Returns the check's arguments, for commands that can be checks.
    pub(crate) const fn check(&self) -> Option<&CheckArguments> {
        match self {
            Self::Seal(arguments) => Some(&arguments.check),
            Self::Audit(arguments) => Some(&arguments.check),
            Self::Migrate(arguments) => arguments.check(),
            Self::Ops(command) => command.check(),
            _ => None,
        }
    }
}
