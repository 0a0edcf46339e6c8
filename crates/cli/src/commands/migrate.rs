//! The command `neobank migrate`: confirmation and output; the work is in `neobank-migration`.

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use clap::{Args, Subcommand};
use neobank_migration::{
    CatalogueStatus, Change, Confirmation, Destruction, Difference, PlannedStep, Report, Rollout,
    RolloutOptions, Status, Verdict,
};
use neobank_ops::checks::{Metric, Threshold, Unit};
use serde_json::{Value, json};

use crate::arguments::CheckArguments;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::nagios::Check;
use crate::output::{Block, Output, Style, Table, cell};

#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    /// The limit of a statement's wait for a lock, in milliseconds; other queries may wait behind
    /// it for as long
    #[arg(
        long,
        default_value_t = 2_000,
        global = true,
        value_name = "MILLISECONDS"
    )]
    lock_timeout: u64,
    /// The limit of a statement's run time, in milliseconds; none by default
    #[arg(long, global = true, value_name = "MILLISECONDS")]
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
    /// exit code is 1 when there are any
    Status {
        #[command(flatten)]
        check: CheckArguments,
    },
    /// Print the SQL that `up` would run, and change nothing
    Plan {
        /// Print the SQL that would revert this many migrations instead
        #[arg(long, value_name = "STEPS")]
        down: Option<usize>,
    },
    /// Drop the schemas with all their data, and apply all migrations
    Fresh,
}

impl MigrateArguments {
    pub(crate) const fn name(&self) -> &'static str {
        match self.command {
            MigrateCommand::Up => "migrate up",
            MigrateCommand::Down { .. } => "migrate down",
            MigrateCommand::Status { .. } => "migrate status",
            MigrateCommand::Plan { .. } => "migrate plan",
            MigrateCommand::Fresh => "migrate fresh",
        }
    }

    pub(crate) const fn check(&self) -> Option<&CheckArguments> {
        match &self.command {
            MigrateCommand::Status { check } => Some(check),
            _ => None,
        }
    }
}

pub(crate) async fn run(
    arguments: &MigrateArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let options = RolloutOptions::default()
        .with_lock_timeout(Duration::from_millis(arguments.lock_timeout.max(1)))
        .with_statement_timeout(arguments.statement_timeout.map(Duration::from_millis));
    let name = arguments.name();
    let config = connection.config(name)?;
    let mut rollout = Rollout::connect_with(&config, options).await?;
    let word = arguments.yes_destroy.as_deref();
    match arguments.command {
        MigrateCommand::Up => {
            let warnings = rollout.warnings().await?;
            report(name, "applied", &rollout.up().await?, &warnings)
        }
        MigrateCommand::Down { steps } => {
            confirm(&mut rollout, Destruction::Down(steps), word).await?;
            report(name, "reverted", &rollout.down(steps).await?, &[])
        }
        MigrateCommand::Fresh => {
            confirm(&mut rollout, Destruction::Fresh, word).await?;
            report(name, "applied", &rollout.fresh().await?, &[])
        }
        MigrateCommand::Plan { down: None } => plan(name, &rollout.plan().await?),
        MigrateCommand::Plan { down: Some(steps) } => plan(name, &rollout.plan_down(steps).await?),
        MigrateCommand::Status { .. } => status(name, &rollout.status().await?),
    }
}

/// Prompts for the database's name before its rows are destroyed, also on a remote server.
async fn confirm(
    rollout: &mut Rollout,
    destruction: Destruction,
    word: Option<&str>,
) -> Result<(), CommandError> {
    let not_confirmed = |message: String| CommandError::failed("not_confirmed", message);
    if let Some(word) = word {
        return if rollout.confirm(word) {
            Ok(())
        } else {
            Err(not_confirmed(format!(
                "--yes-destroy names {word:?}, and the database is {:?}; nothing was changed",
                rollout.database()
            )))
        };
    }
    let Some(confirmation) = rollout.confirmation(destruction).await? else {
        return Ok(());
    };
    if !std::io::stdin().is_terminal() {
        return Err(not_confirmed(confirmation.unasked()));
    }
    let line =
        read_name(&confirmation).map_err(|error| CommandError::failed("not_confirmed", error))?;
    if rollout.confirm(Confirmation::name(&line)) {
        Ok(())
    } else {
        Err(not_confirmed(Confirmation::rejected().to_owned()))
    }
}

fn read_name(confirmation: &Confirmation) -> std::io::Result<String> {
    let mut errors = std::io::stderr().lock();
    errors.write_all(confirmation.prompt().as_bytes())?;
    errors.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line)
}

fn report(
    name: &'static str,
    done: &str,
    report: &Report,
    warnings: &[String],
) -> Result<Output, CommandError> {
    let data = json!({
        "migrations": report.migrations,
        "objects_applied": report.objects,
        "objects_dropped": report.dropped,
        "warnings": warnings,
    });
    let notes = warnings.iter().map(|warning| format!("warning: {warning}"));
    let blocks =
        std::iter::once(Block::Text(report.lines(done).join("\n"))).chain(notes.map(Block::Note));
    Output::new(name, data, blocks.collect())
}

fn plan(name: &'static str, steps: &[PlannedStep]) -> Result<Output, CommandError> {
    let views: Vec<Value> = steps
        .iter()
        .map(|step| json!({ "title": step.title, "sql": step.sql }))
        .collect();
    let blocks = if steps.is_empty() {
        vec![Block::Note("-- nothing to do".to_owned())]
    } else {
        let text = |step: &PlannedStep| format!("-- {}\n{}", step.title, step.sql.trim_end());
        steps.iter().map(text).map(Block::Text).collect()
    };
    Output::new(name, json!({ "steps": views }), blocks)
}

fn status(name: &'static str, status: &Status) -> Result<Output, CommandError> {
    let mut table = Table::new(&["Migration or object", "State"], "no migrations");
    let mut states = Vec::new();
    let migrations = status
        .migrations
        .iter()
        .map(|one| ("migration", one.name.as_str(), one.state.to_string()));
    let objects = status
        .objects
        .iter()
        .map(|one| ("object", one.name.as_str(), one.state.to_string()));
    for (kind, name, state) in migrations.chain(objects) {
        let style = match state.as_str() {
            "applied" | "current" => Style::Good,
            "pending" => Style::Warning,
            _ => Style::Bad,
        };
        states.push(json!({ "kind": kind, "name": name, "state": state }));
        table.row([cell(name), cell(state).style(style)]);
    }
    let problems = status.problems();
    let verdict = match status.verdict() {
        Verdict::Current => "current",
        Verdict::Pending => "pending",
        Verdict::Wrong => "wrong",
    };
    let mut blocks = vec![Block::Table(table)];
    blocks.extend(
        problems
            .iter()
            .map(|problem| Block::Note(format!("problem: {problem}"))),
    );
    let violations = status
        .violations()
        .map(|violation| format!("not as shipped: {violation}"));
    let notes = status.notes().map(|note| format!("note: {note}"));
    blocks.extend(violations.chain(notes).map(Block::Note));
    if status.catalogue == CatalogueStatus::NotCompared {
        let why =
            "the catalogue was not compared: the migrations of this version are not all applied";
        blocks.push(Block::Note(format!("note: {why}")));
    }
    let data = json!({
        "verdict": verdict,
        "problems": problems,
        "states": states,
        "catalogue": match status.catalogue {
            CatalogueStatus::Compared(_) => "compared",
            _ => "not_compared",
        },
        "violations": status.violations().map(difference_view).collect::<Vec<_>>(),
        "notes": status.notes().map(difference_view).collect::<Vec<_>>(),
    });
    Ok(Output::new(name, data, blocks)?
        .failed_if(status.verdict() != Verdict::Current)
        .with_check(check(status)))
}

fn difference_view(difference: &Difference) -> Value {
    let (change, properties) = match &difference.change {
        Change::Missing => ("missing", &[][..]),
        Change::Foreign => ("foreign", &[][..]),
        Change::Changed(properties) => ("changed", properties.as_slice()),
        other => return json!({ "name": difference.name, "change": other.to_string() }),
    };
    let properties: Vec<Value> = properties
        .iter()
        .map(|one| json!({ "property": one.property, "shipped": one.shipped, "found": one.found }))
        .collect();
    json!({
        "kind": difference.kind,
        "name": difference.name,
        "change": change,
        "properties": properties,
    })
}

static PENDING: Metric = Metric::new(
    "pending",
    Unit::Count,
    "migrations_pending",
    "Migrations and objects that were not applied.",
);
static PROBLEMS: Metric = Metric::new(
    "problems",
    Unit::Count,
    "migration_problems",
    "Differences from the shipped schema, and other problems of it.",
);

/// A pending change is a warning; a difference is critical.
fn check(status: &Status) -> Check {
    let mut problems = status.problems();
    problems.extend(
        status
            .violations()
            .map(|violation| format!("not as shipped: {violation}")),
    );
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let pending = status.pending();
    let summary = match (problems.first(), pending) {
        (Some(first), _) => first.clone(),
        (None, 0) => "the schema is current".to_owned(),
        (None, pending) => format!("{pending} migrations or objects are pending"),
    };
    let measures = vec![
        PENDING
            .of(count(pending))
            .warning(Threshold::above(0.0))
            .into(),
        PROBLEMS
            .of(count(problems.len()))
            .critical(Threshold::above(0.0))
            .into(),
    ];
    Check::new("migrate status", summary, measures)
}
