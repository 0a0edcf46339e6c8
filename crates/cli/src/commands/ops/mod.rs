//! `neobank ops`: what the server does, one subject after another, each with its check.
//!
//! The subjects are those of [`Subject::ALL`], each of which has a command. A [`SubjectView`] has
//! all that can be shown of one: text, JSON, a check, a section of the HTML report and the metrics
//! are made from it.

mod bloat;
mod cache;
mod connections;
mod deadlocks;
mod health;
mod idle;
mod indexes;
mod isolation;
mod locks;
mod mvcc;
mod pgbouncer;
mod pool_size;
mod report;
mod skip;
mod statements;
mod subject;
mod subject_command;
mod transactions;
mod vacuum;

pub(crate) use report::ReportArguments;
pub(crate) use skip::SkipArguments;
pub(crate) use subject::{Bar, Chart, SubjectView};

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use neobank_ops::checks::{Scope, Subject};
use neobank_ops::{Monitor, MonitorLimits, OpsError, Thresholds};

use crate::arguments::CheckArguments;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::Output;
use subject_command::SubjectCommand;

#[derive(Debug, Subcommand)]
pub(crate) enum OpsCommand {
    #[command(flatten)]
    Subject(SubjectCommand),
    /// How many connections a pool should have, and which bound says so
    PoolSize(pool_size::PoolSizeArguments),
    /// Print a pgbouncer.ini for a version of PgBouncer, held against what the server has
    Pgbouncer(pgbouncer::PgbouncerArguments),
    /// The versions of a table's rows: who made and removed them, and who sees them
    Mvcc(mvcc::MvccArguments),
    /// Execute ten anomalies at each isolation level, in a scratch schema, and show what happened
    /// beside what is documented
    Isolation,
    /// All subjects at once, also as one HTML page
    Report(ReportArguments),
    /// Print the file of thresholds with every default, meaning and range
    Thresholds,
}

/// The limits of the queries, and the thresholds.
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

impl OpsCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Subject(command) => command.name(),
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
            Self::Subject(command) => Some(&command.check),
            Self::Report(arguments) => Some(&arguments.check),
            _ => None,
        }
    }
}

pub(crate) async fn run(
    command: &OpsCommand,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let name = command.name();
    match command {
        OpsCommand::Subject(command) => command.run(connection).await,
        OpsCommand::PoolSize(arguments) => pool_size::run(name, arguments),
        OpsCommand::Pgbouncer(arguments) => pgbouncer::run(name, arguments),
        OpsCommand::Mvcc(arguments) => mvcc::run(name, arguments, connection).await,
        OpsCommand::Isolation => isolation::run(name, connection).await,
        OpsCommand::Report(arguments) => report::run(name, arguments, connection).await,
        OpsCommand::Thresholds => {
            let thresholds = Thresholds::default();
            let mut output = Output::script(name, thresholds.to_toml());
            output.data = Output::new(name, &thresholds, Vec::new())?.data;
            Ok(output)
        }
    }
}

/// All subjects that are not left out, in the order of a report.
pub(crate) async fn subjects(
    monitor: &Monitor,
    thresholds: &Thresholds,
    skip: &SkipArguments,
) -> Result<Vec<SubjectView>, OpsError> {
    let scope = skip.apply(Scope::default());
    let mut views = Vec::new();
    for subject in Subject::ALL {
        if !skip.leaves_out(subject.name()) {
            let findings = monitor.findings(subject, thresholds, &scope).await?;
            views.push(SubjectView::new(&findings, thresholds));
        }
    }
    Ok(views)
}

impl MonitoringArguments {
    /// The thresholds of the file, or the defaults.
    pub(crate) fn thresholds(&self) -> Result<Thresholds, CommandError> {
        match &self.thresholds {
            Some(file) => Ok(Thresholds::from_file(file)?),
            None => Ok(Thresholds::default()),
        }
    }

    /// The limits of each query.
    pub(crate) fn limits(&self) -> MonitorLimits {
        let question = Duration::from_millis(self.question_timeout);
        let limits = MonitorLimits::default();
        // Below the query's own limit, however short that is.
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
