//! The command `neobank statement`.

use std::str::FromStr;

use chrono::{Months, NaiveDate};
use clap::{Args, ValueEnum};
use neobank_db::Executor;
use neobank_domain::Account;
use neobank_domain::statements::{self, Days, StatementCursor, StatementPage, StatementRequest};
use serde_json::json;

use super::account;
use super::views::EntryView;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Style, Table, cell};

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("range").required(true).args(["day", "month", "from"]))]
pub(crate) struct StatementArguments {
    /// The account's identifier, its number, or SOURCE/ID of an import
    account: String,
    /// One day, as 2026-11-01
    #[arg(long, value_name = "DATE")]
    day: Option<NaiveDate>,
    /// One month, as 2026-11
    #[arg(long, value_name = "MONTH", value_parser = Month::from_str)]
    month: Option<Month>,
    /// The first day, as 2026-11-01
    #[arg(long, value_name = "DATE", requires = "to")]
    from: Option<NaiveDate>,
    /// The last day, inclusive
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<NaiveDate>,
    /// The time zone of days and times: the account's, or UTC
    #[arg(long, value_enum, default_value = "account")]
    time_zone: Zone,
    /// The greatest number of entries on the page
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// The cursor that the previous page printed
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Print every entry of the range as CSV, newest first, for spreadsheets and programs
    #[arg(long, conflicts_with_all = ["json", "after", "limit"])]
    csv: bool,
}

/// A calendar month: its first and its last day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Month {
    first: NaiveDate,
    last: NaiveDate,
}

impl FromStr for Month {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let month = || {
            // Exactly YYYY-MM: chrono would also accept signs and other numbers of digits.
            let is_month = text.len() == 7 && text.bytes().filter(u8::is_ascii_digit).count() == 6;
            let first = is_month
                .then(|| NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok())??;
            let last = first.checked_add_months(Months::new(1))?.pred_opt()?;
            Some(Self { first, last })
        };
        month().ok_or("not a month such as 2026-11")
    }
}

impl StatementArguments {
    /// Returns the first and the last day.
    fn days(&self) -> Result<(NaiveDate, NaiveDate), CommandError> {
        match (self.day, self.month, self.from, self.to) {
            (Some(day), ..) => Ok((day, day)),
            (_, Some(month), ..) => Ok((month.first, month.last)),
            (_, _, Some(from), Some(to)) => Ok((from, to)),
            _ => Err(CommandError::usage(
                "give --day, --month, or --from and --to",
            )),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Zone {
    Account,
    Utc,
}

pub(crate) async fn run(
    arguments: &StatementArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let after = arguments
        .after
        .as_deref()
        .map(str::parse::<StatementCursor>)
        .transpose()?;
    let (first, last) = arguments.days()?;
    let days = match arguments.time_zone {
        Zone::Account => Days::OfAccount,
        Zone::Utc => Days::OfUtc,
    };
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
    let zone = match arguments.time_zone {
        Zone::Account => account.time_zone.as_str(),
        Zone::Utc => "UTC",
    };
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
        "starts_at": page.starts_at,
        "ends_at": page.ends_at,
        "opening_balance": page.opening_balance,
        "closing_balance": page.closing_balance,
        "entries": entries,
        "next": next,
    });
    let mut blocks = vec![
        Block::Title(format!(
            "Statement of account {} from {first} to {last}, both included, days of {zone}",
            account.account_number
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
    Output::new("statement", data, blocks)
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
            cell(&entry.description),
            cell(movement).style(style),
            cell(entry.running_balance),
        ]);
    }
    table
}
