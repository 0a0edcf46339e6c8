//! The commands `neobank balances` and `neobank trial-balance`.

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, ValueEnum};
use neobank_domain::Currency;
use neobank_domain::balances::{
    self, AccountBalance, BalanceCursor, Balances, TrialBalance, TrialBalanceLine,
};
use serde_json::{Value, json};

use super::{account, moment};
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Style, Table, cell};

#[derive(Debug, Args)]
pub(crate) struct BalancesArguments {
    /// The booking time until which entries count, as 2026-11-01T08:00:00+01:00, or a day of UTC,
    /// as 2026-11-01, which means its first moment; now when none is given. By value date, a day,
    /// whose entries count
    #[arg(long, value_name = "TIME", value_parser = At::parse)]
    at: Option<At>,
    /// The time of an entry that decides
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "TIME",
        requires_if("value-date", "at")
    )]
    by: By,
    /// An account: its identifier or number; may be given several times, and without it all
    /// accounts are listed
    #[arg(long)]
    account: Vec<String>,
    /// Only accounts in this currency
    #[arg(long, value_parser = Currency::from_code, conflicts_with = "account")]
    currency: Option<Currency>,
    /// The number of accounts on the page
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// The cursor that the previous page printed
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

/// A point in time, and the day if the text is one.
#[derive(Clone, Copy, Debug)]
struct At {
    time: DateTime<Utc>,
    day: Option<NaiveDate>,
}

impl At {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let time = moment::parse(text)?;
        let day = text.parse().ok();
        Ok(Self { time, day })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum By {
    /// The time at which it was booked
    #[default]
    BookingTime,
    /// Its value date, which is the booking day in the account's zone if none was given
    ValueDate,
}

#[derive(Debug, Args)]
pub(crate) struct TrialBalanceArguments {
    /// The booking time until which entries count, as 2026-11-01T08:00:00+01:00, or a day of UTC,
    /// as 2026-11-01, which means its first moment; now when none is given
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    at: Option<DateTime<Utc>>,
}

pub(crate) async fn balances(
    arguments: &BalancesArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let after = arguments.after.as_deref().map(str::parse::<BalanceCursor>);
    let mut request = arguments.request()?;
    request.currency = arguments.currency;
    request.limit = arguments.limit;
    request.after = after.transpose()?;
    let database = connection.open("balances").await?;
    for named in &arguments.account {
        let found = account::find(&database, named).await?;
        request.accounts.push(found.account_id);
    }
    let page = balances::list(&database, &request).await?;
    let next = page.next.map(|cursor| cursor.to_string());
    let views: Vec<_> = page.balances.iter().map(view).collect();
    let (at, by, title) = match request.value_day {
        Some(day) => {
            let title = format!("Balances on {day}, by value date");
            (json!(day), "value-date", title)
        }
        None => (
            json!(request.time),
            "booking-time",
            title("Balances", request.time),
        ),
    };
    let data = json!({ "at": at, "by": by, "balances": views, "next": next });
    let mut blocks = vec![Block::Title(title), Block::Table(table(&page.balances))];
    if let Some(next) = &next {
        blocks.push(Block::Note(format!("there are more: --after {next}")));
    }
    Output::new("balances", data, blocks)
}

impl BalancesArguments {
    /// Returns the request without its page and accounts.
    fn request(&self) -> Result<Balances, CommandError> {
        match (self.by, self.at) {
            (By::BookingTime, at) => Ok(at.map_or_else(Balances::now, |at| Balances::at(at.time))),
            (By::ValueDate, Some(At { day: Some(day), .. })) => Ok(Balances::by_value_date(day)),
            (By::ValueDate, _) => Err(CommandError::usage(
                "--by value-date needs a day: --at 2026-11-01",
            )),
        }
    }
}

pub(crate) async fn trial_balance(
    arguments: &TrialBalanceArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let database = connection.open("trial-balance").await?;
    let found = balances::trial_balance(&database, arguments.at).await?;
    let currencies: Vec<_> = found.iter().map(trial_view).collect();
    let is_balanced = found.iter().all(TrialBalance::is_balanced);
    let data = json!({ "at": arguments.at, "balanced": is_balanced, "currencies": currencies });
    let blocks = vec![
        Block::Title(title("Trial balance", arguments.at)),
        Block::Table(trial_table(&found)),
    ];
    Ok(Output::new("trial-balance", data, blocks)?.failed_if(!is_balanced))
}

fn title(subject: &str, at: Option<DateTime<Utc>>) -> String {
    match at {
        Some(time) => format!("{subject} at {time}, by booking time"),
        None => format!("{subject} now"),
    }
}

fn view(balance: &AccountBalance) -> Value {
    json!({
        "account_id": balance.account_id,
        "account_number": balance.account_number,
        "customer_id": balance.customer_id,
        "account_type": balance.account_type,
        "balance": balance.balance,
        "entries": balance.entries,
    })
}

fn table(balances: &[AccountBalance]) -> Table {
    let mut table = Table::new(&["Account", "Type", ">Entries", ">Balance"], "no accounts");
    for balance in balances {
        table.row([
            cell(&balance.account_number),
            cell(balance.account_type),
            cell(balance.entries),
            cell(balance.balance),
        ]);
    }
    table
}

fn trial_view(trial: &TrialBalance) -> Value {
    let line = |line: &TrialBalanceLine| {
        json!({
            "account_number": line.account_number,
            "accounts": line.accounts,
            "debit": line.debit,
            "credit": line.credit,
        })
    };
    json!({
        "currency": trial.currency,
        "lines": trial.lines.iter().map(line).collect::<Vec<_>>(),
        "debit": trial.debit,
        "credit": trial.credit,
        "balanced": trial.is_balanced(),
    })
}

fn trial_table(found: &[TrialBalance]) -> Table {
    let mut table = Table::new(&["Accounts", ">Debit", ">Credit"], "no accounts");
    for trial in found {
        for line in &trial.lines {
            let name = match &line.account_number {
                Some(number) => number.clone(),
                None => format!("customers' accounts ({})", line.accounts),
            };
            table.row([cell(name), cell(line.debit), cell(line.credit)]);
        }
        let (name, style) = if trial.is_balanced() {
            ("total", Style::Good)
        } else {
            ("total, NOT BALANCED", Style::Bad)
        };
        table.row([
            cell(format!("{name} ({})", trial.currency)).style(style),
            cell(trial.debit).style(style),
            cell(trial.credit).style(style),
        ]);
    }
    table
}
