//! The command `cargo xtask migrate`: confirmation and output; the work is in `neobank-migration`.

use std::fmt::Display;
use std::io::{BufRead, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use neobank_db::DatabaseConfig;
use neobank_migration::{
    Confirmation, Destruction, PlannedStep, Report, Rollout, RolloutOptions, Status, Verdict,
};

/// Applies, reverts or inspects schema migrations.
#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    /// The database, as postgresql://user@host:port/name
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    database_url: Option<String>,
    /// The limit of a statement's wait for a lock, in milliseconds; other queries may wait behind
    /// it for as long
    #[arg(long, default_value_t = 2_000, global = true)]
    lock_timeout: u64,
    /// The limit of a statement's run time, in milliseconds; none by default
    #[arg(long, global = true)]
    statement_timeout: Option<u64>,
    /// Destroy the rows of this database without a prompt: the database's name, as a safeguard
    #[arg(long, global = true, value_name = "DATABASE")]
    yes_destroy: Option<String>,
    #[command(subcommand)]
    command: MigrateCommand,
}

#[derive(Debug, Subcommand)]
enum MigrateCommand {
    /// Apply every pending migration and every changed function, trigger and grant
    Up,
    /// Revert the last migrations; their data is lost
    Down {
        /// The number of migrations
        #[arg(default_value_t = 1)]
        steps: usize,
    },
    /// Show the applied and pending migrations and the differences from the shipped schema; the
    /// exit code is 0 for none, 1 for a pending change, 2 for a difference
    Status,
    /// Drop the schemas with all their data, and apply all migrations
    Fresh,
    /// Print the SQL that `up` would run, and change nothing
    Plan {
        /// Print the SQL that would revert this many migrations instead
        #[arg(long, value_name = "STEPS")]
        down: Option<usize>,
    },
}

pub(crate) async fn run(arguments: MigrateArguments) -> anyhow::Result<ExitCode> {
    let mut config = configuration(arguments.database_url)?;
    "neobank migrate".clone_into(&mut config.application_name);
    let options = RolloutOptions::default()
        .with_lock_timeout(Duration::from_millis(arguments.lock_timeout.max(1)))
        .with_statement_timeout(arguments.statement_timeout.map(Duration::from_millis));
    let mut rollout = Rollout::connect_with(&config, options).await?;
    let word = arguments.yes_destroy.as_deref();
    match arguments.command {
        MigrateCommand::Up => {
            for warning in rollout.warnings().await? {
                eprintln!("warning: {warning}");
            }
            print_report("applied", &rollout.up().await?)?;
        }
        MigrateCommand::Down { steps } => {
            confirm(&mut rollout, Destruction::Down(steps), word).await?;
            print_report("reverted", &rollout.down(steps).await?)?;
        }
        MigrateCommand::Fresh => {
            confirm(&mut rollout, Destruction::Fresh, word).await?;
            print_report("applied", &rollout.fresh().await?)?;
        }
        MigrateCommand::Plan { down: None } => print_plan(&rollout.plan().await?)?,
        MigrateCommand::Plan { down: Some(steps) } => print_plan(&rollout.plan_down(steps).await?)?,
        MigrateCommand::Status => return print_status(&rollout.status().await?),
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the configuration as every other command of the project does; the URL of the command line
/// takes precedence over the environment's.
fn configuration(url: Option<String>) -> anyhow::Result<DatabaseConfig> {
    let url = url.context("no database is given: use --database-url or set DATABASE_URL")?;
    Ok(DatabaseConfig::from_variables(|name| match name {
        "DATABASE_URL" => Some(url.clone()),
        other => std::env::var(other).ok(),
    })?)
}

/// Prompts for the database's name before its rows are destroyed, also on a remote server.
async fn confirm(
    rollout: &mut Rollout,
    destruction: Destruction,
    word: Option<&str>,
) -> anyhow::Result<()> {
    if let Some(word) = word {
        if !rollout.confirm(word) {
            bail!(
                "--yes-destroy names {word:?}, and the database is {:?}; nothing was changed",
                rollout.database()
            );
        }
        return Ok(());
    }
    let Some(confirmation) = rollout.confirmation(destruction).await? else {
        return Ok(());
    };
    if !std::io::stdin().is_terminal() {
        bail!("{}", confirmation.unasked());
    }
    eprint!("{}", confirmation.prompt());
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if !rollout.confirm(Confirmation::name(&answer)) {
        bail!("{}", Confirmation::rejected());
    }
    Ok(())
}

fn print_report(done: &str, report: &Report) -> anyhow::Result<()> {
    print(report.lines(done))
}

fn print_plan(steps: &[PlannedStep]) -> anyhow::Result<()> {
    if steps.is_empty() {
        return print(["-- nothing to do"]);
    }
    print(
        steps
            .iter()
            .map(|step| format!("-- {}\n{}\n", step.title, step.sql.trim_end())),
    )
}

/// Prints lines. A reader that stops early (`| head`) is no error.
fn print(lines: impl IntoIterator<Item = impl Display>) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    for line in lines {
        match writeln!(output, "{line}") {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    Ok(())
}

fn print_status(status: &Status) -> anyhow::Result<ExitCode> {
    let width = status
        .migrations
        .iter()
        .map(|m| m.name.len())
        .chain(status.objects.iter().map(|o| o.name.len()));
    let width = width.max().unwrap_or(0);
    let migrations = status.migrations.iter();
    print(migrations.map(|one| format!("{:width$}  {}", one.name, one.state)))?;
    let objects = status.objects.iter();
    print(objects.map(|one| format!("{:width$}  {}", one.name, one.state)))?;
    for problem in status.problems() {
        eprintln!("problem: {problem}");
    }
    for violation in status.violations() {
        eprintln!("not as shipped: {violation}");
    }
    for note in status.notes() {
        eprintln!("note: {note}");
    }
    Ok(match status.verdict() {
        Verdict::Wrong => ExitCode::from(2),
        Verdict::Pending => ExitCode::from(1),
        Verdict::Current => ExitCode::SUCCESS,
    })
}
