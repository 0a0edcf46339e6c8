//! The command `neobank ops`: the subjects of monitoring, each with its check.
//!
//! The subjects are those of [`Subject::ALL`], each of which has a command. A [`SubjectView`] has
//! everything that can be shown of one: text, JSON, a check, a section of the HTML report and the
//! metrics are built from it.

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
mod sealing;
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
    /// Compute the size of a pool, and the bound that decides it
    PoolSize(pool_size::PoolSizeArguments),
    /// Print a pgbouncer.ini for a version of PgBouncer, checked against the server's limits
    Pgbouncer(pgbouncer::PgbouncerArguments),
    /// Show the versions of a table's rows: the transactions that created and removed them, and
    /// their visibility
    Mvcc(mvcc::MvccArguments),
    /// Execute ten anomalies at each isolation level in a scratch schema, and compare the results
    /// with the documentation
    Isolation,
    /// Show all subjects at once, optionally as one HTML page
    Report(ReportArguments),
    /// Print the file of thresholds with every default, meaning and range
    Thresholds,
}

/// The limits of the queries, and the thresholds.
#[derive(Clone, Debug, Args)]
pub(crate) struct MonitoringArguments {
    /// A file of thresholds in the form that `neobank ops thresholds` prints
    #[arg(long, value_name = "FILE", help_heading = "Monitoring")]
    thresholds: Option<PathBuf>,
    /// The limit of one query's run time on the server, in milliseconds: 2 to 86400000
    #[arg(
        long,
        value_name = "MILLISECONDS",
        default_value_t = 5_000,
        value_parser = clap::value_parser!(u64).range(2..=86_400_000),
        help_heading = "Monitoring"
    )]
    query_timeout: u64,
    /// Omit the texts of statements, which may contain customers' data; secrets in them are always
    /// hidden
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

/// Reads all subjects that are not skipped, in the order of a report.
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
    /// Returns the thresholds of the file, or the defaults.
    pub(crate) fn thresholds(&self) -> Result<Thresholds, CommandError> {
        match &self.thresholds {
            Some(file) => Ok(Thresholds::from_file(file)?),
            None => Ok(Thresholds::default()),
        }
    }

    /// Returns the limits of each query.
    pub(crate) fn limits(&self) -> MonitorLimits {
        let query = Duration::from_millis(self.query_timeout);
        let limits = MonitorLimits::default();
        // The lock timeout must be below the query's own limit.
        limits
            .with_lock_timeout(limits.lock_timeout.min(query / 2))
            .with_statement_timeout(query)
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
