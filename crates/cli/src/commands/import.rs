//! The command `neobank import`.

pub(super) mod files;
pub(super) mod progress;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use neobank_db::{Database, DatabaseConfig};
use neobank_domain::Currency;
use neobank_domain::import::{self, History, ImportError, ImportOptions, ImportReport, Numbers};
use serde_json::json;

use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Style, Table, cell};

/// The role of an import, where DB_ROLE names no other one.
const ROLE: &str = "neobank_import";

/// The limit of an import's statements, where DB_STATEMENT_TIMEOUT gives no other limit.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(300);

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The customers: columns customer_id, date_of_birth; optional first_name, last_name, email,
    /// phone, customer_type, customer_number
    #[arg(long, value_name = "FILE")]
    customers: PathBuf,
    /// The accounts: columns account_id, customer_id, opened_on; optional account_type, currency,
    /// time_zone, account_number
    #[arg(long, value_name = "FILE")]
    accounts: PathBuf,
    /// The transactions in chronological order: columns transaction_id, account_id, date, movement
    /// (with its sign), balance (after it), operation, purpose
    #[arg(long, value_name = "FILE")]
    transactions: PathBuf,
    /// A name for the origin of the files; an import of the same or longer files under the same
    /// name continues after the last imported line
    #[arg(long, value_name = "NAME")]
    source: String,
    /// The currency of accounts without one in the files
    #[arg(long, value_name = "CODE", value_parser = Currency::from_code)]
    currency: Currency,
    /// The time zone of accounts without one in the files; dates are days there
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// List every invalid line of the files, and change nothing; needs no database
    #[arg(long)]
    check: bool,
}

pub(crate) async fn run(
    arguments: &ImportArguments,
    connection: &Connection,
    wants_json: bool,
) -> Result<Output, CommandError> {
    let history = match read(arguments)? {
        Ok(history) => history,
        Err(problems) if arguments.check => return checked(&[], &problems),
        Err(problems) => return Err(wrong_lines(&problems)),
    };
    if arguments.check {
        return checked(&history.warnings, &history.check_balances());
    }
    let database = open(connection).await?;
    let bar = progress::bar(history.transactions.len(), wants_json);
    let imported = import::run(&database, &history, |done| {
        bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    })
    .await;
    bar.finish_and_clear();
    let report = imported.map_err(failure)?;
    let numbers = import::numbers(&database, &history).await?;
    let comparison = import::compare(&database, &history).await?;
    output(&history, report, &numbers, &comparison)
}

/// Reads the files: returns the history, or every invalid line. A file that cannot be read to its
/// end is an error.
fn read(arguments: &ImportArguments) -> Result<Result<History, Vec<ImportError>>, CommandError> {
    let paths = [
        &arguments.customers,
        &arguments.accounts,
        &arguments.transactions,
    ];
    let sources = files::open(paths)?;
    let options = ImportOptions::new(&arguments.source, arguments.currency)
        .with_time_zone(&arguments.time_zone);
    let read = History::read_all(sources, &options);
    let is_unreadable = |problem: &ImportError| matches!(problem, ImportError::Unreadable { .. });
    if let Err(problems) = &read
        && let Some(problem) = problems.iter().find(|problem| is_unreadable(problem))
    {
        return Err(CommandError::failed("file", problem));
    }
    Ok(read)
}

async fn open(connection: &Connection) -> Result<Database, CommandError> {
    let config = config(connection.config("import")?, |name| {
        std::env::var_os(name).is_some_and(|value| !value.is_empty())
    });
    let (role, user) = (config.role.clone(), config.user.clone());
    Database::connect(config).await.map_err(|error| {
        let mut failure = CommandError::from(error);
        if failure.kind == "privilege"
            && let Some(role) = role
        {
            let hint = format!(
                "; an import acts as {role}: have the owner run GRANT {role} TO \"{user}\""
            );
            failure.message.push_str(&hint);
        }
        failure
    })
}

/// Returns the connection's configuration with an importer's role and limits, where the environment
/// gives no others.
fn config(mut config: DatabaseConfig, is_given: impl Fn(&str) -> bool) -> DatabaseConfig {
    if !is_given("DB_ROLE") {
        config.role = Some(ROLE.to_owned());
    }
    if !is_given("DB_STATEMENT_TIMEOUT") {
        config.statement_timeout = STATEMENT_TIMEOUT;
    }
    config
}

fn failure(error: ImportError) -> CommandError {
    let mut failure = CommandError::from(error);
    if matches!(failure.kind, "outcome_unknown" | "not_replicated") {
        failure
            .message
            .push_str("; importing the same files again is safe");
    }
    failure
}

/// Returns an error with the first invalid line, and the number of such lines.
fn wrong_lines(problems: &[ImportError]) -> CommandError {
    let first = problems
        .first()
        .map_or_else(String::new, ToString::to_string);
    let message = match problems.len() {
        0 | 1 => first,
        count => format!("{first}; {count} lines are wrong: --check lists them"),
    };
    let mut failure = CommandError::usage(message);
    failure.kind = "import_file";
    failure
}

/// Returns the output of `--check`.
fn checked(warnings: &[String], problems: &[ImportError]) -> Result<Output, CommandError> {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let data = json!({ "warnings": warnings, "problems": problems });
    let mut table = Table::new(&["Wrong"], "the files can be imported");
    for problem in &problems {
        table.row([cell(problem).style(Style::Bad)]);
    }
    let mut blocks = notes(warnings);
    blocks.push(Block::Table(table));
    Ok(Output::new("import", data, blocks)?.failed_if(!problems.is_empty()))
}

fn output(
    history: &History,
    report: ImportReport,
    numbers: &Numbers,
    comparison: &import::Comparison,
) -> Result<Output, CommandError> {
    let data = json!({
        "warnings": history.warnings,
        "customers_created": report.customers,
        "accounts_opened": report.accounts,
        "transactions_posted": report.posted,
        "transactions_imported_before": report.replayed,
        "balances_equal": comparison.equal,
        "balances_different": comparison.different.len(),
        "customers": numbers.customers,
        "accounts": numbers.accounts,
    });
    let balances = cell(format!(
        "{} of {} equal the recorded ones",
        comparison.equal,
        history.transactions.len()
    ));
    let is_equal = comparison.different.is_empty();
    let mut blocks = notes(&history.warnings);
    blocks.push(Block::Fields(vec![
        ("customers created", cell(report.customers)),
        ("accounts opened", cell(report.accounts)),
        ("transactions posted", cell(report.posted)),
        ("imported before", cell(report.replayed)),
        (
            "balances",
            balances.style(if is_equal { Style::Good } else { Style::Bad }),
        ),
    ]));
    if let (Some(first), Some(last)) = (numbers.accounts.first(), numbers.accounts.last()) {
        let note = format!(
            "account {:?} of the files has the number {}, account {:?} the number {}; --json lists all",
            first.source_id, first.number, last.source_id, last.number
        );
        blocks.push(Block::Note(note));
    }
    Ok(Output::new("import", data, blocks)?.failed_if(!is_equal))
}

fn notes(warnings: &[String]) -> Vec<Block> {
    let note = |warning: &String| Block::Note(format!("warning: {warning}"));
    warnings.iter().map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn import_uses_its_own_role_and_limit_by_default() {
        let read = || {
            DatabaseConfig::from_url("postgresql://teller@localhost/bank")
                .unwrap()
                .with_role("other")
        };
        let ours = config(read(), |_| false);
        assert_eq!(ours.role.as_deref(), Some(ROLE));
        assert_eq!(ours.statement_timeout, STATEMENT_TIMEOUT);
        let given = config(read(), |_| true);
        assert_eq!(given.role.as_deref(), Some("other"));
        assert_ne!(given.statement_timeout, STATEMENT_TIMEOUT);
    }
}
