//! The command `neobank statement --by value-date`.

use neobank_domain::statements::{
    self, StatementRequest, ValueDateCursor, ValueDateEntry, ValueDatePage, ValueDateRequest,
};
use serde::Serialize;
use serde_json::json;

use super::account;
use super::statement::{StatementArguments, blocks};
use super::views::EntryView;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Output, Style, Table, cell, text};

/// An entry with its value date, and the balance by value date beside that by booking time.
#[derive(Debug, Serialize)]
struct ValueDateView {
    #[serde(flatten)]
    entry: EntryView,
    value_date: chrono::NaiveDate,
    balance_by_value_date: neobank_domain::Money,
}

pub(super) async fn run(
    arguments: &StatementArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    if arguments.csv {
        let reason = "--csv prints a statement by booking time; --json has it by value date";
        return Err(CommandError::usage(reason));
    }
    let after = arguments.after.as_deref();
    let after = after.map(str::parse::<ValueDateCursor>).transpose()?;
    let (first, last) = arguments.range.ends()?;
    let range = StatementRequest::through(first, last);
    let request = ValueDateRequest::between(range.from, range.to)
        .with_limit(arguments.limit)
        .with_after(after);
    let database = connection.open("statement").await?;
    let account = account::find(&database, &arguments.account).await?;
    let page = statements::page_by_value_date(&database, account.account_id, &request).await?;
    let next = page.next.map(|cursor| cursor.to_string());
    let data = json!({
        "account_id": account.account_id,
        "account_number": account.account_number,
        "first_day": first,
        "last_day": last,
        "from": range.from,
        "to": range.to,
        "time_zone": account.time_zone,
        "by": arguments.range.by(),
        "opening_balance": page.opening_balance,
        "closing_balance": page.closing_balance,
        "entries": page.entries.iter().map(view).collect::<Vec<_>>(),
        "next": next,
    });
    let title = format!(
        "Statement of account {} by value date from {first} to {last}, both included, days of {}",
        account.account_number, account.time_zone
    );
    let balances = (page.opening_balance, page.closing_balance);
    let blocks = blocks(title, table(&page), balances, next);
    Output::new("statement", data, blocks)
}

fn view(found: &ValueDateEntry) -> ValueDateView {
    ValueDateView {
        entry: EntryView::from(&found.entry),
        value_date: found.value_date,
        balance_by_value_date: found.balance,
    }
}

fn table(page: &ValueDatePage) -> Table {
    let columns = [
        "Value date",
        "Booked",
        ">No.",
        "Reference",
        "Description",
        ">Amount",
        ">Balance",
    ];
    let mut table = Table::new(&columns, "no entries");
    for found in &page.entries {
        let movement = found.entry.movement();
        let style = if movement.is_positive() {
            Style::Plain
        } else {
            Style::Bad
        };
        table.row([
            cell(found.value_date),
            cell(found.entry.local_time.format("%Y-%m-%d %H:%M:%S %:z")),
            cell(found.entry.entry_number),
            cell(found.entry.reference_number()),
            text(&found.entry.description),
            cell(movement).style(style),
            cell(found.balance),
        ]);
    }
    table
}
