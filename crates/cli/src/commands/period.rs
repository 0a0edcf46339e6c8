//! The command `neobank period`.

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use neobank_domain::Currency;
use neobank_domain::periods::{self, Closing};
use serde_json::json;

use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Table, cell, optional};

#[derive(Debug, Subcommand)]
pub(crate) enum PeriodCommand {
    /// Close the days of a currency until a day: nothing is booked or value-dated there any more
    Close(CloseArguments),
    /// Undo the newest closing of a currency
    Reopen {
        /// The currency
        #[arg(long, value_parser = Currency::from_code)]
        currency: Currency,
    },
    /// List closings and reopenings, the newest first
    List(ListArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CloseArguments {
    /// The currency
    #[arg(long, value_parser = Currency::from_code)]
    currency: Currency,
    /// The last day to close, as 2026-10-31; it must have ended in every zone of the currency's
    /// accounts
    #[arg(long, value_name = "DAY")]
    through: NaiveDate,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only those of one currency
    #[arg(long, value_parser = Currency::from_code)]
    currency: Option<Currency>,
    /// The greatest number of closings
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

impl PeriodCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Close(_) => "period close",
            Self::Reopen { .. } => "period reopen",
            Self::List(_) => "period list",
        }
    }
}

pub(crate) async fn run(
    command: &PeriodCommand,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let name = command.name();
    let database = connection.open(name).await?;
    match command {
        PeriodCommand::Close(arguments) => {
            let change = connection.begin_change(&database).await?;
            let day = periods::close(&change, arguments.currency, arguments.through).await?;
            change.commit().await?;
            changed(name, arguments.currency, Some(day))
        }
        PeriodCommand::Reopen { currency } => {
            let change = connection.begin_change(&database).await?;
            let day = periods::reopen(&change, *currency).await?;
            change.commit().await?;
            changed(name, *currency, day)
        }
        PeriodCommand::List(arguments) => {
            let found = periods::list(&database, arguments.currency, arguments.limit).await?;
            let blocks = vec![Block::Table(table(&found))];
            Output::new(name, json!({ "closings": found }), blocks)
        }
    }
}

fn changed(
    name: &'static str,
    currency: Currency,
    first_open_day: Option<NaiveDate>,
) -> Result<Output, CommandError> {
    let fields = vec![
        ("currency", cell(currency)),
        ("first open day", optional(first_open_day)),
    ];
    let data = json!({ "currency": currency, "first_open_day": first_open_day });
    Output::new(name, data, vec![Block::Fields(fields)])
}

fn table(closings: &[Closing]) -> Table {
    let mut table = Table::new(
        &[
            "Time",
            "Currency",
            "Change",
            "Through",
            "First open day",
            "Actor",
        ],
        "nothing was ever closed",
    );
    for closing in closings {
        table.row([
            cell(closing.occurred_at.format("%Y-%m-%d %H:%M:%S")),
            cell(closing.currency),
            cell(closing.closing_type),
            cell(closing.closed_through),
            optional(closing.first_open_day),
            cell(&closing.actor),
        ]);
    }
    table
}
