//! The command `neobank changes list`.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use neobank_domain::change_log::{self, Change, ChangeCursor, ChangeFilter};
use neobank_domain::ledger::Actor;
use serde_json::{Map, Value, json};

use super::{account, customer, moment};
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Table, cell, optional};

#[derive(Debug, Subcommand)]
pub(crate) enum ChangesCommand {
    /// List changes, the newest first, by the conditions that are given
    List(ListArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The account that was changed: its identifier or number
    #[arg(long)]
    account: Option<String>,
    /// The customer that was changed, with its preferences and accounts: its identifier, number or
    /// e-mail address
    #[arg(long)]
    customer: Option<String>,
    /// The person or program that asked for the changes
    #[arg(long, value_name = "ACTOR")]
    made_by: Option<Actor>,
    /// The first time, as 2026-11-01T08:00:00+01:00, or a day of UTC, as 2026-11-01
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    from: Option<DateTime<Utc>>,
    /// The first time after the range
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    until: Option<DateTime<Utc>>,
    /// The number of changes on the page
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// The cursor that the previous page printed
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

impl ChangesCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "changes list",
        }
    }
}

pub(crate) async fn run(
    command: &ChangesCommand,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let name = command.name();
    let ChangesCommand::List(arguments) = command;
    let after = arguments.after.as_deref().map(str::parse::<ChangeCursor>);
    let mut filter = ChangeFilter::default()
        .with_actor(arguments.made_by.clone())
        .with_from(arguments.from)
        .with_until(arguments.until)
        .with_limit(arguments.limit)
        .with_after(after.transpose()?);
    let database = connection.open(name).await?;
    if let Some(named) = &arguments.account {
        filter.account = Some(account::find(&database, named).await?.account_id);
    }
    if let Some(named) = &arguments.customer {
        filter.customer = Some(customer::find(&database, named).await?.customer_id);
    }
    let page = change_log::list(&database, &filter).await?;
    let mut blocks = vec![Block::Table(table(&page.changes))];
    if let Some(next) = page.next {
        blocks.push(Block::Note(format!("there are more: --after {next}")));
    }
    Output::new(
        name,
        json!({ "changes": page.changes, "next": page.next }),
        blocks,
    )
}

fn table(changes: &[Change]) -> Table {
    let mut table = Table::new(
        &["Time", "Actor", "Table", "Change", "Before", "After"],
        "no changes",
    );
    for change in changes {
        table.row([
            cell(change.changed_at.format("%Y-%m-%d %H:%M:%S")),
            optional(change.actor.as_deref()),
            cell(&change.table_name),
            cell(change.operation),
            cell(values(&change.old_values)),
            cell(values(&change.new_values)),
        ]);
    }
    table
}

/// Returns the values of one side of a change as one line.
fn values(values: &Map<String, Value>) -> String {
    let members = values.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    });
    members.collect::<Vec<_>>().join(" ")
}
