//! `neobank statement`.

use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use neobank_domain::Account;
use neobank_domain::statements::{self, Days, StatementCursor, StatementPage, StatementRequest};
use serde_json::json;

use super::account;
use super::views::{EntryView, MoneyView};
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Answer, Block, Mood, Table, cell};

#[derive(Debug, Args)]
pub(crate) struct StatementArguments {
    /// The account's identifier or number
    account: String,
    /// The first day, as 2026-11-01
    #[arg(long, value_name = "DATE")]
    from: NaiveDate,
    /// The day after the last; entries of this day are not part of it
    #[arg(long, value_name = "DATE")]
    to: NaiveDate,
    /// Whose days: those of the account's time zone, or of UTC
    #[arg(long, value_enum, default_value = "account")]
    time_zone: Zone,
    /// How many entries on the page
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Where the page before ended, as it was printed there
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Zone {
    Account,
    Utc,
}

pub(crate) async fn run(
    arguments: &StatementArguments,
    connection: &Connection,
) -> Result<Answer, CommandError> {
    let after = arguments
        .after
        .as_deref()
        .map(str::parse::<StatementCursor>)
        .transpose()?;
    let request = StatementRequest {
        days: match arguments.time_zone {
            Zone::Account => Days::OfAccount,
            Zone::Utc => Days::OfUtc,
        },
        limit: arguments.limit,
        after,
        ..StatementRequest::between(arguments.from, arguments.to)
    };
    let database = connection.open("statement").await?;
    let account = account::find(&database, &arguments.account).await?;
    let page = statements::page(&database, account.account_id, &request).await?;
    let zone = match arguments.time_zone {
        Zone::Account => account.time_zone.as_str(),
        Zone::Utc => "UTC",
    };
    answer(&account, &page, &request, zone)
}

fn answer(
    account: &Account,
    page: &StatementPage,
    request: &StatementRequest,
    zone: &str,
) -> Result<Answer, CommandError> {
    let next = page.next.map(|cursor| cursor.to_string());
    let entries: Vec<_> = page.entries.iter().map(EntryView::from).collect();
    let data = json!({
        "account_id": account.account_id,
        "account_number": account.account_number,
        "from": request.from,
        "to": request.to,
        "time_zone": zone,
        "starts_at": page.starts_at,
        "ends_at": page.ends_at,
        "opening_balance": MoneyView::from(page.opening_balance),
        "closing_balance": MoneyView::from(page.closing_balance),
        "entries": entries,
        "next": next,
    });
    let mut blocks = vec![
        Block::Title(format!(
            "Statement of account {} from {} to {} (not included), days of {zone}",
            account.account_number, request.from, request.to
        )),
        Block::Table(table(page)),
        Block::Fields(vec![
            ("opening balance", cell(page.opening_balance)),
            ("closing balance", cell(page.closing_balance)),
        ]),
    ];
    if let Some(next) = &next {
        blocks.push(Block::Note(format!("there are more: --after {next}")));
    }
    Answer::new("statement", data, blocks)
}

fn table(page: &StatementPage) -> Table {
    let mut table = Table::new(
        &[
            "Time (UTC)",
            ">No.",
            "Reference",
            "Description",
            ">Amount",
            ">Balance",
        ],
        "no entries",
    );
    for entry in &page.entries {
        let movement = entry.movement();
        let mood = if movement.is_positive() {
            Mood::Plain
        } else {
            Mood::Bad
        };
        table.row([
            cell(entry.posted_at.format("%Y-%m-%d %H:%M:%S")),
            cell(entry.entry_number),
            cell(entry.reference_number()),
            cell(&entry.description),
            cell(movement).mood(mood),
            cell(entry.running_balance),
        ]);
    }
    table
}
