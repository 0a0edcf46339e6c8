//! The command `neobank daily-summary`.

use clap::Args;
use neobank_domain::statements::{self, DailySummary, StatementRequest};
use serde_json::json;

use super::account;
use super::days::DayRange;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Table, cell};

#[derive(Debug, Args)]
pub(crate) struct DailySummaryArguments {
    /// The account's identifier or number
    account: String,
    #[command(flatten)]
    range: DayRange,
}

pub(crate) async fn run(
    arguments: &DailySummaryArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let (first, last) = arguments.range.ends()?;
    let days = arguments.range.calendar();
    let request = StatementRequest::through(first, last);
    let by_value_date = arguments.range.is_by_value_date()?;
    let database = connection.open("daily-summary").await?;
    let account = account::find(&database, &arguments.account).await?;
    let id = account.account_id;
    let (from, to) = (request.from, request.to);
    let found = if by_value_date {
        statements::daily_summaries_by_value_date(&database, id, from, to).await?
    } else {
        statements::daily_summaries(&database, id, from, to, days).await?
    };
    let zone = arguments.range.zone(&account);
    let by = if by_value_date { " by value date" } else { "" };
    let title = format!(
        "Account {}{by} from {first} to {last}, both included, days of {zone}",
        account.account_number
    );
    let data = json!({
        "account_id": id,
        "account_number": account.account_number,
        "first_day": first,
        "last_day": last,
        "time_zone": zone,
        "by": arguments.range.by(),
        "days": found.iter().map(view).collect::<Vec<_>>(),
    });
    Output::new(
        "daily-summary",
        data,
        vec![Block::Title(title), Block::Table(table(&found))],
    )
}

fn view(day: &DailySummary) -> serde_json::Value {
    json!({
        "date": day.date,
        "entries": day.transaction_count,
        "total_credits": day.total_credits,
        "total_debits": day.total_debits,
        "opening_balance": day.opening_balance,
        "closing_balance": day.closing_balance,
    })
}

fn table(days: &[DailySummary]) -> Table {
    let mut table = Table::new(
        &["Day", ">Entries", ">Credits", ">Debits", ">Balance"],
        "no days",
    );
    for day in days {
        table.row([
            cell(day.date),
            cell(day.transaction_count),
            cell(day.total_credits),
            cell(day.total_debits),
            cell(day.closing_balance),
        ]);
    }
    table
}
