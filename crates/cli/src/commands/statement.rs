//! The command `neobank statement`.

use chrono::NaiveDate;
use clap::Args;
use neobank_db::Executor;
use neobank_domain::statements::{self, StatementCursor, StatementPage, StatementRequest};
use neobank_domain::{Account, Money};
use serde_json::json;

use super::account;
use super::days::DayRange;
use super::views::EntryView;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Style, Table, cell, text};

#[derive(Debug, Args)]
pub(crate) struct StatementArguments {
    /// The account's identifier, its number, or SOURCE/ID of an import
    pub(super) account: String,
    #[command(flatten)]
    pub(super) range: DayRange,
    /// The greatest number of entries on the page
    #[arg(long, default_value_t = 100)]
    pub(super) limit: u32,
    /// The cursor that the previous page printed
    #[arg(long, value_name = "CURSOR")]
    pub(super) after: Option<String>,
    /// Print every entry of the range as CSV, newest first, for spreadsheets and programs
    #[arg(long, conflicts_with_all = ["json", "after", "limit"])]
    pub(super) csv: bool,
}

pub(crate) async fn run(
    arguments: &StatementArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    if arguments.range.is_by_value_date()? {
        return super::statement_by_value_date::run(arguments, connection).await;
    }
    let after = arguments
        .after
        .as_deref()
        .map(str::parse::<StatementCursor>)
        .transpose()?;
    let (first, last) = arguments.range.ends()?;
    let days = arguments.range.calendar();
    let request = StatementRequest::through(first, last)
        .with_days(days)
        .with_limit(arguments.limit)
        .with_after(after);
    let database = connection.open("statement").await?;
    let account = account::find(&database, &arguments.account).await?;
    if arguments.csv {
        return csv_of_all(&database, &account, request).await;
    }
    let page = statements::page(&database, account.account_id, &request).await?;
    let zone = arguments.range.zone(&account);
    output(&account, &page, (first, last), &request, zone)
}

/// Prints every entry of the range, page by page.
async fn csv_of_all(
    on: &impl Executor,
    account: &Account,
    request: StatementRequest,
) -> Result<Output, CommandError> {
    let mut request = request.with_limit(StatementRequest::LIMIT_MAX);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| CommandError::failed("csv", error);
    let columns = [
        "account_number",
        "entry_number",
        "time",
        "reference_number",
        "description",
        "movement",
        "balance",
        "currency",
    ];
    writer.write_record(columns).map_err(failed)?;
    loop {
        let page = statements::page(on, account.account_id, &request).await?;
        for entry in &page.entries {
            let movement = entry.movement();
            let record = [
                account.account_number.clone(),
                entry.entry_number.to_string(),
                entry.local_time.to_rfc3339(),
                entry.reference_number().to_string(),
                entry.description.clone(),
                movement.amount().to_string(),
                entry.running_balance.amount().to_string(),
                movement.currency().to_string(),
            ];
            writer.write_record(&record).map_err(failed)?;
        }
        request.after = page.next;
        if request.after.is_none() {
            break;
        }
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| CommandError::failed("csv", error))?;
    let text = String::from_utf8(bytes).map_err(|error| CommandError::failed("csv", error))?;
    Ok(Output::script("statement", text))
}

fn output(
    account: &Account,
    page: &StatementPage,
    (first, last): (NaiveDate, NaiveDate),
    request: &StatementRequest,
    zone: &str,
) -> Result<Output, CommandError> {
    let next = page.next.map(|cursor| cursor.to_string());
    let entries: Vec<_> = page.entries.iter().map(EntryView::from).collect();
    let data = json!({
        "account_id": account.account_id,
        "account_number": account.account_number,
        "first_day": first,
        "last_day": last,
        "from": request.from,
        "to": request.to,
        "time_zone": zone,
        "by": "booking-time",
        "starts_at": page.starts_at,
        "ends_at": page.ends_at,
        "opening_balance": page.opening_balance,
        "closing_balance": page.closing_balance,
        "entries": entries,
        "next": next,
    });
    let title = format!(
        "Statement of account {} from {first} to {last}, both included, days of {zone}",
        account.account_number
    );
    let balances = (page.opening_balance, page.closing_balance);
    Output::new(
        "statement",
        data,
        blocks(title, table(page), balances, next),
    )
}

/// Returns the blocks of a page: its entries, the balances of the range, and the next page.
pub(super) fn blocks(
    title: String,
    entries: Table,
    (opening, closing): (Money, Money),
    next: Option<String>,
) -> Vec<Block> {
    let mut blocks = vec![
        Block::Title(title),
        Block::Table(entries),
        Block::Fields(vec![
            ("opening balance", cell(opening)),
            ("closing balance", cell(closing)),
        ]),
    ];
    if let Some(next) = next {
        blocks.push(Block::Note(format!("there are more: --after {next}")));
    }
    blocks
}

fn table(page: &StatementPage) -> Table {
    let mut table = Table::new(
        &[
            "Time",
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
        let style = if movement.is_positive() {
            Style::Plain
        } else {
            Style::Bad
        };
        table.row([
            cell(entry.local_time.format("%Y-%m-%d %H:%M:%S %:z")),
            cell(entry.entry_number),
            cell(entry.reference_number()),
            text(&entry.description),
            cell(movement).style(style),
            cell(entry.running_balance),
        ]);
    }
    table
}
