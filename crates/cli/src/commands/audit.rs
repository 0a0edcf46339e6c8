//! The command `neobank audit`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use neobank_db::{Database, DatabaseError, IsolationLevel, TransactionOptions};
use neobank_domain::audit::{self, Violation};
use neobank_domain::chain::{self, Head, Verification};
use neobank_migration::{CatalogueStatus, status_within};
use neobank_ops::checks::{Metric, Threshold, Unit};
use serde_json::{Value, json};

use super::seal;
use crate::arguments::CheckArguments;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::nagios::Check;
use crate::output::{Block, Output, Style, Table, cell};

/// The statement reads every row, and the usual limit is meant for a teller's queries.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

static VIOLATIONS: Metric = Metric::new(
    "violations",
    Unit::Count,
    "audit_violations",
    "Violations of the ledger's invariants, and differences from the shipped schema.",
);

#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    #[command(flatten)]
    pub(crate) check: CheckArguments,
    /// Verify the hash chain too: that every sealed transfer and hold event is as it was sealed
    #[arg(long)]
    pub(crate) chain: bool,
    /// A file with an end of the chain that `neobank seal --head` printed earlier; the chain must
    /// contain it. May be given several times
    #[arg(long, value_name = "FILE", requires = "chain")]
    pub(crate) head: Vec<PathBuf>,
}

pub(crate) async fn run(
    arguments: &AuditArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let kept = arguments
        .head
        .iter()
        .map(|file| kept_head(file))
        .collect::<Result<Vec<_>, _>>()?;
    let mut config = connection.config("audit")?;
    if std::env::var_os("DB_STATEMENT_TIMEOUT").is_none_or(|limit| limit.is_empty()) {
        config.statement_timeout = LIMIT;
    }
    let database = Database::connect(config).await?;
    let mut violations = audit::violations(&database).await?;
    violations.extend(catalogue(&database).await?);
    let verified = if arguments.chain {
        Some(chain::verify(&database, &kept).await?)
    } else {
        None
    };
    if let Some(verified) = &verified {
        violations.extend(verified.findings.iter().cloned().map(Violation::from));
    }
    let mut table = Table::new(
        &["Invariant", "Violated by", "Details"],
        "the auditor found no violation of any invariant",
    );
    for violation in &violations {
        table.row([
            cell(&violation.check_name).style(Style::Bad),
            cell(&violation.subject),
            cell(&violation.detail),
        ]);
    }
    let views: Vec<Value> = violations.iter().map(view).collect();
    let mut data = json!({ "violations": views });
    let mut blocks = vec![Block::Table(table)];
    if let Some(verified) = &verified {
        data["chain"] = json!(verified);
        blocks.push(Block::Note(note(verified)));
    }
    let output = Output::new("audit", data, blocks)?;
    Ok(output
        .failed_if(!violations.is_empty())
        .with_check(check(&violations)))
}

/// Returns the head in a file.
fn kept_head(file: &Path) -> Result<Head, CommandError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| CommandError::failed("file", format!("{}: {error}", file.display())))?;
    seal::parse_head(&text).ok_or_else(|| {
        let message = format!(
            "{}: no head that `neobank seal --head` printed",
            file.display()
        );
        CommandError::failed("file", message)
    })
}

fn note(verified: &Verification) -> String {
    let end = match &verified.head {
        Some(head) => format!(
            "the chain has {} seals and {} records",
            head.seal_number, head.position
        ),
        None => "nothing is sealed".to_owned(),
    };
    if verified.has_more {
        format!("{end}; there may be more findings than these")
    } else {
        end
    }
}

/// Returns the differences between the schema and the shipped one. An audit proves nothing if the
/// schema's own constraints and triggers differ from this version's.
async fn catalogue(database: &Database) -> Result<Vec<Violation>, DatabaseError> {
    let options = TransactionOptions::default()
        .with_isolation(IsolationLevel::RepeatableRead)
        .with_read_only(true);
    let transaction = database.begin_with(options).await?;
    let status = status_within(&transaction).await?;
    transaction.rollback().await?;
    let violation = |subject: String, detail: String| {
        Violation::new("the schema is as shipped", subject, detail)
    };
    let mut violations: Vec<Violation> = status
        .violations()
        .map(|found| {
            violation(
                format!("{} {}", found.kind, found.name),
                found.change.to_string(),
            )
        })
        .collect();
    if status.catalogue == CatalogueStatus::NotCompared {
        let detail =
            "not compared: the database is of another version; see `neobank migrate status`";
        violations.push(violation("the rollout".to_owned(), detail.to_owned()));
    } else if status.left_out() > 0 {
        let detail = format!(
            "{} objects are of another version, and were not compared; see `neobank migrate status`",
            status.left_out()
        );
        violations.push(violation("the rollout".to_owned(), detail));
    }
    Ok(violations)
}

fn view(violation: &Violation) -> Value {
    json!({ "invariant": violation.check_name, "subject": violation.subject, "detail": violation.detail })
}

/// A single violation is critical.
fn check(violations: &[Violation]) -> Check {
    let count = u32::try_from(violations.len()).unwrap_or(u32::MAX);
    let summary = match violations.first() {
        None => "no violation of any invariant".to_owned(),
        Some(first) => format!(
            "{count} violations, the first: {} ({})",
            first.check_name, first.subject
        ),
    };
    let measurement = VIOLATIONS
        .of(f64::from(count))
        .critical(Threshold::above(0.0));
    Check::new("audit", summary, vec![measurement.into()])
}
