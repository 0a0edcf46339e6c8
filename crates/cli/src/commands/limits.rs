//! The command `neobank account limits`.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use neobank_db::Executor;
use neobank_domain::accounts::limits::{self, AccountLimit, LimitUse, Window};
use neobank_domain::ledger::{EntryType, TransferType};
use neobank_domain::{Account, Money};
use serde_json::{Value, json};

use super::account::{find, with_numbers};
use super::transfers::transfer_type;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Style, Table, cell, optional};

#[derive(Debug, Subcommand)]
pub(crate) enum LimitsCommand {
    /// List an account's limits, and how much of each is used now
    List {
        /// The account's identifier, its number, or SOURCE/ID of an import
        account: String,
    },
    /// Set a limit, or change its amount
    Set(SetArguments),
    /// Remove a limit
    Remove(LimitArguments),
}

#[derive(Debug, Args)]
pub(crate) struct SetArguments {
    #[command(flatten)]
    limit: LimitArguments,
    /// The most that the window may sum up to, in the account's currency, such as 100.50
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    amount: String,
}

/// The account, and which of its limits.
#[derive(Debug, Args)]
pub(crate) struct LimitArguments {
    /// The account's identifier, its number, or SOURCE/ID of an import
    account: String,
    /// The side that the limit counts: debits leave the account, credits enter it
    #[arg(long, value_name = "SIDE", value_parser = side())]
    side: EntryType,
    /// The transfers that the limit adds up: transfer (each alone), day (those of a day in the
    /// account's zone), or a number of hours before a transfer, such as 24h
    #[arg(long, value_name = "WINDOW", value_parser = window)]
    window: Window,
    /// Count only this type of transfers; otherwise all but interest, fees, adjustments and
    /// reversals
    #[arg(long = "type", value_name = "TYPE", value_parser = transfer_type())]
    transfer_type: Option<TransferType>,
}

impl LimitsCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "account limits list",
            Self::Set(_) => "account limits set",
            Self::Remove(_) => "account limits remove",
        }
    }

    pub(super) fn account(&self) -> &str {
        match self {
            Self::List { account } => account,
            Self::Set(arguments) => &arguments.limit.account,
            Self::Remove(arguments) => &arguments.account,
        }
    }
}

pub(crate) async fn run(
    command: &LimitsCommand,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let name = command.name();
    let database = connection.open(name).await?;
    let account = match command {
        LimitsCommand::List { account } => find(&database, account).await?,
        LimitsCommand::Set(arguments) => {
            let change = connection.begin_change(&database).await?;
            let account = set(&change, arguments).await?;
            change.commit().await?;
            account
        }
        LimitsCommand::Remove(arguments) => {
            let change = connection.begin_change(&database).await?;
            let account = remove(&change, arguments).await?;
            change.commit().await?;
            account
        }
    };
    let found = limits::list(&database, account.account_id).await?;
    let data = json!({
        "account_id": account.account_id,
        "account_number": account.account_number,
        "limits": found.iter().map(view).collect::<Vec<_>>(),
    });
    Output::new(name, data, vec![Block::Table(table(&found))])
}

async fn set(on: &impl Executor, arguments: &SetArguments) -> Result<Account, CommandError> {
    let SetArguments { limit, amount } = arguments;
    let account = find(on, &limit.account).await?;
    let amount = Money::parse(amount, account.current_balance.currency())?;
    let new =
        AccountLimit::new(limit.side, limit.window, amount).with_transfer_type(limit.transfer_type);
    match limits::set(on, account.account_id, &new).await {
        Ok(()) => Ok(account),
        Err(error) => {
            let mut failure = CommandError::from(error);
            failure.message = with_numbers(&failure.message, &[account]);
            Err(failure)
        }
    }
}

async fn remove(on: &impl Executor, named: &LimitArguments) -> Result<Account, CommandError> {
    let account = find(on, &named.account).await?;
    let id = account.account_id;
    if limits::remove(on, id, named.side, named.transfer_type, named.window).await? {
        return Ok(account);
    }
    let message = format!(
        "account {id} has no limit for {}s ({}) with the window {}",
        named.side,
        kind(named.transfer_type),
        named.window
    );
    let message = with_numbers(&message, &[account]);
    Err(CommandError::failed("unknown_limit", message))
}

fn view(one: &LimitUse) -> Value {
    json!({
        "side": one.limit.direction,
        "transfer_type": one.limit.transfer_type,
        "window": one.limit.window,
        "amount": one.limit.amount,
        "used": one.used,
        "remaining": one.remaining,
        "ends_at": one.ends_at,
        "actor": one.actor,
        "set_at": one.set_at,
    })
}

fn table(limits: &[LimitUse]) -> Table {
    let columns = [
        "Side",
        "Type",
        "Window",
        ">Limit",
        ">Used",
        ">Remaining",
        "Ends",
        "Set by",
    ];
    let mut table = Table::new(&columns, "the account has no limits");
    for one in limits {
        let is_summed_up = one.limit.window != Window::Transfer;
        let remaining = cell(one.remaining);
        let remaining = if one.remaining.is_positive() {
            remaining
        } else {
            remaining.style(Style::Warning)
        };
        table.row([
            cell(one.limit.direction),
            cell(kind(one.limit.transfer_type)),
            cell(one.limit.window),
            cell(one.limit.amount),
            optional(is_summed_up.then_some(one.used)),
            remaining,
            optional(one.ends_at),
            optional(one.actor.as_deref()),
        ]);
    }
    table
}

fn kind(transfer_type: Option<TransferType>) -> &'static str {
    transfer_type.map_or("all", TransferType::as_str)
}

fn side() -> impl TypedValueParser<Value = EntryType> {
    PossibleValuesParser::new(EntryType::ALL.map(EntryType::as_str))
        .try_map(|name| name.parse::<EntryType>())
}

/// Reads a window, such as `24h`.
fn window(text: &str) -> Result<Window, String> {
    let hours = match text {
        "transfer" => return Ok(Window::Transfer),
        "day" => return Ok(Window::Day),
        hours => hours
            .strip_suffix('h')
            .filter(|hours| hours.bytes().all(|byte| byte.is_ascii_digit())),
    };
    let hours = hours.and_then(|hours| hours.parse::<u16>().ok());
    let hours = hours.filter(|hours| (1..=Window::HOURS_MAX).contains(hours));
    hours.map(Window::Rolling).ok_or_else(|| {
        format!(
            "a window is transfer, day, or hours from 1h to {}h",
            Window::HOURS_MAX
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_words_or_hours() {
        assert_eq!(window("transfer"), Ok(Window::Transfer));
        assert_eq!(window("day"), Ok(Window::Day));
        assert_eq!(window("24h"), Ok(Window::Rolling(24)));
        assert_eq!(window("8784h"), Ok(Window::Rolling(8_784)));
        for wrong in [
            "", "h", "0h", "8785h", "24", "-1h", "+1h", "1d", "Day", "1h ",
        ] {
            assert!(window(wrong).is_err(), "{wrong}");
        }
    }
}
