//! `neobank audit`.

use std::time::Duration;

use clap::Args;
use neobank_db::{Database, DatabaseError, IsolationLevel, TransactionOptions};
use neobank_domain::audit::{self, Breach};
use neobank_migration::{CatalogueStatus, status_within};
use serde_json::{Value, json};

use crate::arguments::CheckArguments;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::nagios::{Check, Measure, Range, Unit};
use crate::output::{Answer, Block, Mood, Table, cell};

/// Every row is looked at in one statement, however many there are; the usual limit is for questions of a teller.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    #[command(flatten)]
    pub(crate) check: CheckArguments,
}

pub(crate) async fn run(connection: &Connection) -> Result<Answer, CommandError> {
    let mut config = connection.config("audit")?;
    if std::env::var_os("DB_STATEMENT_TIMEOUT").is_none_or(|limit| limit.is_empty()) {
        config.statement_timeout = LIMIT;
    }
    let database = Database::connect(config).await?;
    let mut breaches = audit::breaches(&database).await?;
    breaches.extend(catalogue(&database).await?);
    let mut table = Table::new(
        &["Promise", "Broken by", "What was found"],
        "the auditor found no breach of any promise",
    );
    for breach in &breaches {
        table.row([
            cell(&breach.check_name).mood(Mood::Bad),
            cell(&breach.subject),
            cell(&breach.detail),
        ]);
    }
    let views: Vec<Value> = breaches.iter().map(view).collect();
    let answer = Answer::new(
        "audit",
        json!({ "breaches": views }),
        vec![Block::Table(table)],
    )?;
    Ok(answer
        .failed_if(!breaches.is_empty())
        .with_check(check(&breaches)))
}

/// Returns the differences between the schema and the shipped one. The books can be trusted only while their guards are those
/// of this version.
async fn catalogue(database: &Database) -> Result<Vec<Breach>, DatabaseError> {
    let options = TransactionOptions {
        isolation: IsolationLevel::RepeatableRead,
        read_only: true,
        ..TransactionOptions::default()
    };
    let transaction = database.begin_with(options).await?;
    let status = status_within(&transaction).await?;
    transaction.rollback().await?;
    let breach = |subject: String, detail: String| Breach {
        check_name: "the schema is as it was shipped".to_owned(),
        subject,
        detail,
    };
    let mut breaches: Vec<Breach> = status
        .breaches()
        .map(|found| {
            breach(
                format!("{} {}", found.kind, found.name),
                found.change.to_string(),
            )
        })
        .collect();
    if status.catalogue == CatalogueStatus::NotCompared {
        let detail =
            "not compared: the database is of another version; see `neobank migrate status`";
        breaches.push(breach("the rollout".to_owned(), detail.to_owned()));
    } else if status.left_out() > 0 {
        let detail = format!(
            "{} objects are of another version, and were not compared; see `neobank migrate status`",
            status.left_out()
        );
        breaches.push(breach("the rollout".to_owned(), detail));
    }
    Ok(breaches)
}

fn view(breach: &Breach) -> Value {
    json!({ "promise": breach.check_name, "subject": breach.subject, "detail": breach.detail })
}

/// One breach is one too many.
fn check(breaches: &[Breach]) -> Check {
    let count = u32::try_from(breaches.len()).unwrap_or(u32::MAX);
    let summary = match breaches.first() {
        None => "no breach of any promise".to_owned(),
        Some(first) => format!(
            "{count} breaches, the first: {} ({})",
            first.check_name, first.subject
        ),
    };
    let measure = Measure::new("breaches", f64::from(count), Unit::Count)
        .limits(None, Some(Range::above(0.0)));
    Check::new("audit", summary, vec![measure])
}
