//! The command `neobank ops SUBJECT`, one for each subject of the registry.

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};
use neobank_ops::checks::{Scope, Subject};

use super::{MonitoringArguments, SkipArguments, SubjectView};
use crate::arguments::CheckArguments;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::Output;

/// The command of one subject.
#[derive(Debug)]
pub(crate) struct SubjectCommand {
    subject: Subject,
    scope: Scope,
    skip: SkipArguments,
    monitoring: MonitoringArguments,
    pub(super) check: CheckArguments,
}

#[derive(Debug, Args)]
struct SubjectArguments {
    #[command(flatten)]
    monitoring: MonitoringArguments,
    #[command(flatten)]
    check: CheckArguments,
}

#[derive(Debug, Args)]
struct HealthArguments {
    #[command(flatten)]
    skip: SkipArguments,
    #[command(flatten)]
    subject: SubjectArguments,
}

#[derive(Debug, Args)]
struct SchemasArguments {
    /// Only this schema; can be given several times
    #[arg(long, value_name = "NAME")]
    schema: Vec<String>,
    #[command(flatten)]
    subject: SubjectArguments,
}

/// The kinds of arguments that subjects' commands have.
enum Kind {
    Plain,
    Sections,
    Schemas,
}

const fn kind(subject: Subject) -> Kind {
    match subject {
        Subject::Health => Kind::Sections,
        Subject::Bloat | Subject::Indexes => Kind::Schemas,
        Subject::Connections
        | Subject::Idle
        | Subject::Locks
        | Subject::Deadlocks
        | Subject::Transactions
        | Subject::Statements
        | Subject::Cache
        | Subject::Vacuum
        | Subject::Sealing => Kind::Plain,
    }
}

impl SubjectCommand {
    /// Returns the command's name in the contract.
    pub(super) const fn name(&self) -> &'static str {
        match self.subject {
            Subject::Connections => "ops connections",
            Subject::Idle => "ops idle",
            Subject::Locks => "ops locks",
            Subject::Deadlocks => "ops deadlocks",
            Subject::Health => "ops health",
            Subject::Transactions => "ops transactions",
            Subject::Statements => "ops statements",
            Subject::Cache => "ops cache",
            Subject::Bloat => "ops bloat",
            Subject::Indexes => "ops indexes",
            Subject::Vacuum => "ops vacuum",
            Subject::Sealing => "ops sealing",
        }
    }

    pub(super) async fn run(&self, connection: &Connection) -> Result<Output, CommandError> {
        if matches!(kind(self.subject), Kind::Sections) {
            self.skip.check(self.subject.sections())?;
        }
        let scope = self.skip.apply(self.scope.clone());
        let (monitor, thresholds) = self.monitoring.open(connection).await?;
        let findings = monitor.findings(self.subject, &thresholds, &scope).await?;
        SubjectView::new(&findings, &thresholds).output(self.name())
    }
}

impl FromArgMatches for SubjectCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let (name, matches) = matches
            .subcommand()
            .ok_or_else(|| clap::Error::new(ErrorKind::MissingSubcommand))?;
        let subject: Subject = name
            .parse()
            .map_err(|error| clap::Error::raw(ErrorKind::InvalidSubcommand, error))?;
        let (mut scope, mut skip) = (Scope::default(), SkipArguments::default());
        let arguments = match kind(subject) {
            Kind::Plain => SubjectArguments::from_arg_matches(matches)?,
            Kind::Sections => {
                let health = HealthArguments::from_arg_matches(matches)?;
                skip = health.skip;
                health.subject
            }
            Kind::Schemas => {
                let schemas = SchemasArguments::from_arg_matches(matches)?;
                if !schemas.schema.is_empty() {
                    scope = scope.with_schemas(schemas.schema);
                }
                schemas.subject
            }
        };
        Ok(Self {
            subject,
            scope,
            skip,
            monitoring: arguments.monitoring,
            check: arguments.check,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for SubjectCommand {
    fn augment_subcommands(command: Command) -> Command {
        Subject::ALL.into_iter().fold(command, |command, subject| {
            let own = Command::new(subject.name());
            let own = match kind(subject) {
                Kind::Plain => SubjectArguments::augment_args(own),
                Kind::Sections => HealthArguments::augment_args(own),
                Kind::Schemas => SchemasArguments::augment_args(own),
            };
            // The texts are set last, because the arguments bring the documentation of their type
            // with them.
            command.subcommand(own.about(subject.description()).long_about(None))
        })
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        name.parse::<Subject>().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::Arguments;

    /// Each subject's name selects it, and the contract's command has that name.
    #[test]
    fn every_subject_of_the_registry_has_a_command() {
        for subject in Subject::ALL {
            let arguments = ["neobank", "ops", subject.name(), "--check"];
            let read = Arguments::try_parse_from(arguments).unwrap();
            assert_eq!(read.command.name(), format!("ops {subject}"));
            assert!(read.command.check().unwrap().check);
            let command = crate::command();
            let ops = command.find_subcommand("ops").unwrap();
            let own = ops.find_subcommand(subject.name()).unwrap();
            assert_eq!(own.get_about().unwrap().to_string(), subject.description());
            assert!(own.get_long_about().is_none());
        }
    }
}
