//! `neobank ops`: what the server does, one subject after another, each with its check.
//!
//! Every subject gives a [`Part`], and a part is all that is needed: text, JSON, a check, a section of the HTML report and
//! the metrics are made from it.

mod activity;
mod bloat;
mod connections;
mod deadlocks;
mod health;
mod idle;
mod indexes;
mod isolation;
mod locks;
mod mvcc;
mod part;
mod pgbouncer;
mod pool_size;
mod report;
mod skip;
mod vacuum;

pub(crate) use part::{Bar, Chart, Part};
pub(crate) use report::ReportArguments;
pub(crate) use skip::SkipArguments;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use neobank_ops::{Monitor, MonitorLimits, OpsError, Thresholds};

use crate::arguments::CheckArguments;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::Answer;

#[derive(Debug, Subcommand)]
pub(crate) enum OpsCommand {
    /// How many connections the server has room for, and how many are taken
    Connections(SubjectArguments),
    /// Who blocks whom: roots, cycles, waits and what to do about them
    Locks(SubjectArguments),
    /// Connections that do nothing, and those of them that hold a transaction open
    Idle(SubjectArguments),
    /// Deadlocks that happened, and those that could
    Deadlocks(SubjectArguments),
    /// What is the matter with the server and its pools, and what to do about it
    Health(HealthArguments),
    /// Transactions that have been open for long
    Transactions(SubjectArguments),
    /// The statements that cost most time, from pg_stat_statements
    Statements(SubjectArguments),
    /// How much is found in the server's buffers
    Cache(SubjectArguments),
    /// What of tables and indexes holds nothing, estimated with a margin
    Bloat(SchemasArguments),
    /// Indexes that are invalid, doubled or not used
    Indexes(SchemasArguments),
    /// Who keeps old rows from being cleaned away, and how far the end of transaction numbers is
    Vacuum(SubjectArguments),
    /// How many connections a pool should have, and which bound says so
    PoolSize(pool_size::PoolSizeArguments),
    /// Print a pgbouncer.ini for a version of PgBouncer, held against what the server has
    Pgbouncer(pgbouncer::PgbouncerArguments),
    /// The versions of a table's rows: who made and removed them, and who sees them
    Mvcc(mvcc::MvccArguments),
    /// Execute ten anomalies at each isolation level, in a scratch schema, and show what happened beside what is documented
    Isolation,
    /// All subjects at once, also as one HTML page
    Report(ReportArguments),
    /// Print the file of thresholds with every default, meaning and range
    Thresholds,
}

#[derive(Debug, Args)]
pub(crate) struct SubjectArguments {
    #[command(flatten)]
    pub(crate) monitoring: MonitoringArguments,
    #[command(flatten)]
    pub(crate) check: CheckArguments,
}

#[derive(Debug, Args)]
pub(crate) struct HealthArguments {
    #[command(flatten)]
    skip: SkipArguments,
    #[command(flatten)]
    subject: SubjectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct SchemasArguments {
    /// Only this schema; can be given several times
    #[arg(long, value_name = "NAME")]
    schema: Vec<String>,
    #[command(flatten)]
    subject: SubjectArguments,
}

/// How the server is asked, and what is judged by.
#[derive(Clone, Debug, Args)]
pub(crate) struct MonitoringArguments {
    /// A file of thresholds, as `neobank ops thresholds` prints one
    #[arg(long, value_name = "FILE", help_heading = "Monitoring")]
    thresholds: Option<PathBuf>,
    /// How long one question may take on the server, in milliseconds: 2 to 86400000
    #[arg(
        long,
        value_name = "MILLISECONDS",
        default_value_t = 5_000,
        value_parser = clap::value_parser!(u64).range(2..=86_400_000),
        help_heading = "Monitoring"
    )]
    question_timeout: u64,
    /// Leave the texts of statements out: secrets in them are hidden, but not customers' data
    #[arg(long, help_heading = "Monitoring")]
    without_statements: bool,
}

impl SchemasArguments {
    fn schemas(&self) -> Option<&[String]> {
        (!self.schema.is_empty()).then_some(self.schema.as_slice())
    }
}

impl OpsCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Connections(_) => "ops connections",
            Self::Locks(_) => "ops locks",
            Self::Idle(_) => "ops idle",
            Self::Deadlocks(_) => "ops deadlocks",
            Self::Health(_) => "ops health",
            Self::Transactions(_) => "ops transactions",
            Self::Statements(_) => "ops statements",
            Self::Cache(_) => "ops cache",
            Self::Bloat(_) => "ops bloat",
            Self::Indexes(_) => "ops indexes",
            Self::Vacuum(_) => "ops vacuum",
            Self::PoolSize(_) => "ops pool-size",
            Self::Pgbouncer(_) => "ops pgbouncer",
            Self::Mvcc(_) => "ops mvcc",
            Self::Isolation => "ops isolation",
            Self::Report(_) => "ops report",
            Self::Thresholds => "ops thresholds",
        }
    }

    pub(crate) const fn check(&self) -> Option<&CheckArguments> {
        match self {
            Self::Connections(arguments)
            | Self::Locks(arguments)
            | Self::Idle(arguments)
            | Self::Deadlocks(arguments)
            | Self::Transactions(arguments)
            | Self::Statements(arguments)
            | Self::Cache(arguments)
            | Self::Vacuum(arguments) => Some(&arguments.check),
            Self::Health(arguments) => Some(&arguments.subject.check),
            Self::Bloat(arguments) | Self::Indexes(arguments) => Some(&arguments.subject.check),
            Self::Report(arguments) => Some(&arguments.check),
            _ => None,
        }
    }
}

pub(crate) async fn run(
    command: &OpsCommand,
    connection: &Connection,
) -> Result<Answer, CommandError> {
    let name = command.name();
    match command {
        OpsCommand::PoolSize(arguments) => pool_size::run(name, arguments),
        OpsCommand::Pgbouncer(arguments) => pgbouncer::run(name, arguments),
        OpsCommand::Mvcc(arguments) => mvcc::run(name, arguments, connection).await,
        OpsCommand::Isolation => isolation::run(name, connection).await,
        OpsCommand::Report(arguments) => report::run(name, arguments, connection).await,
        OpsCommand::Thresholds => {
            let thresholds = Thresholds::default();
            let mut answer = Answer::script(name, thresholds.to_toml());
            answer.data = Answer::new(name, &thresholds, Vec::new())?.data;
            Ok(answer)
        }
        OpsCommand::Connections(arguments)
        | OpsCommand::Locks(arguments)
        | OpsCommand::Idle(arguments)
        | OpsCommand::Deadlocks(arguments)
        | OpsCommand::Health(HealthArguments {
            subject: arguments, ..
        })
        | OpsCommand::Transactions(arguments)
        | OpsCommand::Statements(arguments)
        | OpsCommand::Cache(arguments)
        | OpsCommand::Vacuum(arguments)
        | OpsCommand::Indexes(SchemasArguments {
            subject: arguments, ..
        })
        | OpsCommand::Bloat(SchemasArguments {
            subject: arguments, ..
        }) => {
            if let OpsCommand::Health(arguments) = command {
                arguments.skip.check(&health::SECTIONS)?;
            }
            let (monitor, thresholds) = arguments.monitoring.open(connection).await?;
            subject(command, &monitor, &thresholds).await?.answer(name)
        }
    }
}

async fn subject(
    command: &OpsCommand,
    monitor: &Monitor,
    thresholds: &Thresholds,
) -> Result<Part, OpsError> {
    match command {
        OpsCommand::Connections(_) => connections::part(monitor, thresholds).await,
        OpsCommand::Idle(_) => idle::part(monitor, thresholds).await,
        OpsCommand::Deadlocks(_) => deadlocks::part(monitor, thresholds).await,
        OpsCommand::Health(arguments) => health::part(monitor, thresholds, &arguments.skip).await,
        OpsCommand::Transactions(_) => activity::transactions(monitor, thresholds).await,
        OpsCommand::Statements(_) => activity::statements(monitor, thresholds).await,
        OpsCommand::Cache(_) => activity::cache(monitor, thresholds).await,
        OpsCommand::Vacuum(_) => vacuum::part(monitor, thresholds).await,
        OpsCommand::Bloat(arguments) => {
            bloat::of_schemas(monitor, thresholds, arguments.schemas()).await
        }
        OpsCommand::Indexes(arguments) => indexes::of_schemas(monitor, arguments.schemas()).await,
        _ => locks::part(monitor, thresholds).await,
    }
}

/// Every subject that looks on and changes nothing, in the order of a report.
const PARTS: [&str; 11] = [
    "connections",
    "idle",
    "locks",
    "deadlocks",
    "health",
    "transactions",
    "statements",
    "cache",
    "bloat",
    "indexes",
    "vacuum",
];

/// All subjects that are not left out.
pub(crate) async fn parts(
    monitor: &Monitor,
    thresholds: &Thresholds,
    skip: &SkipArguments,
) -> Result<Vec<Part>, OpsError> {
    let mut parts = Vec::new();
    for name in PARTS.into_iter().filter(|name| !skip.leaves_out(name)) {
        parts.push(match name {
            "connections" => connections::part(monitor, thresholds).await?,
            "idle" => idle::part(monitor, thresholds).await?,
            "locks" => locks::part(monitor, thresholds).await?,
            "deadlocks" => deadlocks::part(monitor, thresholds).await?,
            "health" => health::part(monitor, thresholds, skip).await?,
            "transactions" => activity::transactions(monitor, thresholds).await?,
            "statements" => activity::statements(monitor, thresholds).await?,
            "cache" => activity::cache(monitor, thresholds).await?,
            "bloat" => bloat::part(monitor, thresholds).await?,
            "indexes" => indexes::part(monitor, thresholds).await?,
            _ => vacuum::part(monitor, thresholds).await?,
        });
    }
    Ok(parts)
}

impl MonitoringArguments {
    /// The thresholds of the file, or the defaults.
    pub(crate) fn thresholds(&self) -> Result<Thresholds, CommandError> {
        match &self.thresholds {
            Some(file) => Ok(Thresholds::from_file(file)?),
            None => Ok(Thresholds::default()),
        }
    }

    /// The limits of each question.
    pub(crate) fn limits(&self) -> MonitorLimits {
        let question = Duration::from_millis(self.question_timeout);
        let limits = MonitorLimits::default();
        // Below the question's own limit, however short that is.
        limits
            .with_lock_timeout(limits.lock_timeout.min(question / 2))
            .with_statement_timeout(question)
    }

    async fn open(&self, connection: &Connection) -> Result<(Monitor, Thresholds), CommandError> {
        let thresholds = self.thresholds()?;
        let monitor = Monitor::connect(connection.config("ops")?, self.limits()).await?;
        let monitor = if self.without_statements {
            monitor.without_statements()
        } else {
            monitor
        };
        Ok((monitor, thresholds))
    }
}
