//! `cargo xtask migrate`: talks to the person; the work is in `neobank-migration`.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use neobank_migration::{
    Confirmation, PlannedStep, Report, Rollout, RolloutOptions, Status, Verdict,
};

/// Rolls the schema out.
#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    /// The database, as postgresql://user@host:port/name
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    database_url: Option<String>,
    /// How long a statement waits for a lock, in milliseconds; queries behind it wait as long
    #[arg(long, default_value_t = 2_000, global = true)]
    lock_timeout: u64,
    /// How long a statement may run, in milliseconds; without it, the server's setting holds
    #[arg(long, global = true)]
    statement_timeout: Option<u64>,
    /// Do not ask before something is destroyed on a database that is not local
    #[arg(long, global = true)]
    yes: bool,
    #[command(subcommand)]
    command: MigrateCommand,
}

#[derive(Debug, Subcommand)]
enum MigrateCommand {
    /// Apply every pending migration and every changed function, trigger and grant
    Up,
    /// Take the last migrations back; their data is lost
    Down {
        /// How many
        #[arg(default_value_t = 1)]
        steps: usize,
    },
    /// Tell how far the database is; the exit code is 0 when there is nothing to do, 1 when something is pending,
    /// 2 when something is wrong
    Status,
    /// Drop the schemas with all their data and roll out anew
    Fresh,
    /// Print the SQL that `up` would run, and change nothing
    Plan {
        /// Print what taking back this many migrations would run instead
        #[arg(long, value_name = "STEPS")]
        down: Option<usize>,
    },
}

pub(crate) async fn run(arguments: MigrateArguments) -> anyhow::Result<ExitCode> {
    let url = arguments
        .database_url
        .context("no database is given: use --database-url or set DATABASE_URL")?;
    let options = RolloutOptions {
        lock_timeout: Duration::from_millis(arguments.lock_timeout.max(1)),
        statement_timeout: arguments.statement_timeout.map(Duration::from_millis),
        ..RolloutOptions::default()
    };
    let rollout = Rollout::connect(&url, options).await?;
    match arguments.command {
        MigrateCommand::Up => print_report("applied", &rollout.up().await?),
        MigrateCommand::Down { steps } => {
            confirm(Confirmation::for_down(&rollout, steps), arguments.yes)?;
            print_report("taken back", &rollout.down(steps).await?);
        }
        MigrateCommand::Fresh => {
            confirm(Confirmation::for_fresh(&rollout), arguments.yes)?;
            print_report("applied", &rollout.fresh().await?);
        }
        MigrateCommand::Plan { down: None } => print_plan(&rollout.plan().await?),
        MigrateCommand::Plan { down: Some(steps) } => print_plan(&rollout.plan_down(steps).await?),
        MigrateCommand::Status => return Ok(print_status(&rollout.status().await?)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks for the database's name before its data is destroyed, unless it is on this machine.
fn confirm(confirmation: Option<Confirmation>, yes: bool) -> anyhow::Result<()> {
    let Some(confirmation) = confirmation.filter(|_| !yes) else {
        return Ok(());
    };
    if !std::io::stdin().is_terminal() {
        bail!("{}", confirmation.unasked());
    }
    eprint!("{}", confirmation.question());
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if !confirmation.accepts(&answer) {
        bail!("{}", Confirmation::refused());
    }
    Ok(())
}

fn print_report(done: &str, report: &Report) {
    for line in report.lines(done) {
        println!("{line}");
    }
}

fn print_plan(steps: &[PlannedStep]) {
    for step in steps {
        println!("-- {}\n{}\n", step.title, step.sql.trim_end());
    }
    if steps.is_empty() {
        println!("-- nothing to do");
    }
}

fn print_status(status: &Status) -> ExitCode {
    let width = status
        .migrations
        .iter()
        .map(|m| m.name.len())
        .chain(status.objects.iter().map(|o| o.name.len()));
    let width = width.max().unwrap_or(0);
    for migration in &status.migrations {
        println!("{:width$}  {}", migration.name, migration.state);
    }
    for object in &status.objects {
        println!("{:width$}  {}", object.name, object.state);
    }
    for problem in status.problems() {
        eprintln!("problem: {problem}");
    }
    match status.verdict() {
        Verdict::Wrong => ExitCode::from(2),
        Verdict::Pending => ExitCode::from(1),
        Verdict::Current => ExitCode::SUCCESS,
    }
}
