//! `neobank ops`: what the server does, one subject after another, each with its check.
//!
//! Every subject gives a [`Part`], and a part is all that is needed: text, JSON, a check, a section of the HTML report and
//! the metrics are made from it.

mod connections;
mod isolation;
mod locks;
mod mvcc;
mod part;
mod report;

pub(crate) use part::{Bar, Chart, Part};
pub(crate) use report::ReportArguments;

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

/// How the server is asked, and what is judged by.
#[derive(Clone, Debug, Args)]
pub(crate) struct MonitoringArguments {
    /// A file of thresholds, as `neobank ops thresholds` prints one
    #[arg(long, value_name = "FILE", help_heading = "Monitoring")]
    thresholds: Option<PathBuf>,
    /// How long one question may take on the server, in milliseconds
    #[arg(
        long,
        value_name = "MILLISECONDS",
        default_value_t = 5_000,
        help_heading = "Monitoring"
    )]
    question_timeout: u64,
}

impl OpsCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Connections(_) => "ops connections",
            Self::Locks(_) => "ops locks",
            Self::Mvcc(_) => "ops mvcc",
            Self::Isolation => "ops isolation",
            Self::Report(_) => "ops report",
            Self::Thresholds => "ops thresholds",
        }
    }

    pub(crate) const fn check(&self) -> Option<CheckArguments> {
        match self {
            Self::Connections(arguments) | Self::Locks(arguments) => Some(arguments.check),
            Self::Report(arguments) => Some(arguments.check),
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
        OpsCommand::Connections(arguments) => {
            let (monitor, thresholds) = arguments.monitoring.open(connection).await?;
            connections::part(&monitor, &thresholds).await?.answer(name)
        }
        OpsCommand::Locks(arguments) => {
            let (monitor, thresholds) = arguments.monitoring.open(connection).await?;
            locks::part(&monitor, &thresholds).await?.answer(name)
        }
        OpsCommand::Mvcc(arguments) => mvcc::run(name, arguments, connection).await,
        OpsCommand::Isolation => isolation::run(name, connection).await,
        OpsCommand::Report(arguments) => report::run(name, arguments, connection).await,
        OpsCommand::Thresholds => Ok(Answer::script(name, Thresholds::default().to_toml())),
    }
}

/// Every subject that looks on and changes nothing, in the order of a report.
pub(crate) async fn parts(
    monitor: &Monitor,
    thresholds: &Thresholds,
) -> Result<Vec<Part>, OpsError> {
    Ok(vec![
        connections::part(monitor, thresholds).await?,
        locks::part(monitor, thresholds).await?,
    ])
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
        MonitorLimits::default()
            .with_statement_timeout(Duration::from_millis(self.question_timeout))
    }

    async fn open(&self, connection: &Connection) -> Result<(Monitor, Thresholds), CommandError> {
        let thresholds = self.thresholds()?;
        let monitor = Monitor::connect(connection.config("ops")?, self.limits()).await?;
        Ok((monitor, thresholds))
    }
}
