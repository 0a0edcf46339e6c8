//! The command `neobank account`.

use clap::{Args, Subcommand, ValueEnum};
use neobank_db::Executor;
use neobank_domain::accounts::{self, AccountStatus, NewAccount};
use neobank_domain::{Account, AccountId, AccountType, Currency, Money, import, shortened};
use serde_json::json;

use super::customer;
use super::limits::{self, LimitsCommand};
use super::views::AccountView;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Style, Table, cell, optional};

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Open an account with a zero balance
    Open(OpenArguments),
    /// Show one account
    Show(Named),
    /// List a customer's accounts, the oldest first
    List {
        /// The customer's identifier, number or e-mail address, or SOURCE/ID of an import
        customer: String,
    },
    /// Freeze an account, which blocks transfers from and to it
    Freeze(Named),
    /// Unfreeze a frozen account
    Unfreeze(Named),
    /// Close an empty account
    Close(Named),
    /// Make a closed account active again; needs an actor
    Reopen(Named),
    /// Set the amount by which the balance may go below zero
    Overdraft {
        /// The account's identifier, its number, or SOURCE/ID of an import
        account: String,
        /// The amount in the account's currency, such as 100.50; 0 allows no overdraft
        #[arg(value_name = "NUMBER", allow_hyphen_values = true)]
        limit: String,
    },
    /// List, set and remove limits of what may leave or enter an account
    #[command(subcommand)]
    Limits(LimitsCommand),
}

#[derive(Debug, Args)]
pub(crate) struct OpenArguments {
    /// The owner's identifier, number or e-mail address, or SOURCE/ID of an import
    #[arg(long)]
    customer: String,
    /// The account type
    #[arg(long = "type", value_enum, default_value = "checking")]
    account_type: Kind,
    /// The account's currency, which cannot change: a code of ISO 4217, such as CZK
    #[arg(long, value_parser = Currency::from_code)]
    currency: Currency,
    /// The amount by which the balance may go below zero, in the account's currency
    #[arg(long, value_name = "NUMBER")]
    overdraft_limit: Option<String>,
    /// The time zone of the days in its statements, from the IANA database
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The account's identifier, its number, or SOURCE/ID of an import
    account: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Checking,
    Savings,
    Business,
}

impl AccountCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Open(_) => "account open",
            Self::Show(_) => "account show",
            Self::List { .. } => "account list",
            Self::Freeze(_) => "account freeze",
            Self::Unfreeze(_) => "account unfreeze",
            Self::Close(_) => "account close",
            Self::Reopen(_) => "account reopen",
            Self::Overdraft { .. } => "account overdraft",
            Self::Limits(command) => command.name(),
        }
    }
}

pub(crate) async fn run(
    command: &AccountCommand,
    connection: &Connection,
) -> Result<Output, CommandError> {
    if let AccountCommand::Limits(command) = command {
        return limits::run(command, connection).await;
    }
    let database = connection.open("account").await?;
    let name = command.name();
    let account = match command {
        AccountCommand::List { customer } => return list(name, &database, customer).await,
        AccountCommand::Show(named) => find(&database, &named.account).await?,
        _ => {
            let transaction = connection.begin_change(&database).await?;
            let account = changed(command, &transaction).await?;
            transaction.commit().await?;
            account
        }
    };
    let data = json!({ "account": AccountView::from(&account) });
    Output::new(name, data, vec![Block::Fields(fields(&account))])
}

/// Makes the command's change in a transaction.
async fn changed(command: &AccountCommand, on: &impl Executor) -> Result<Account, CommandError> {
    match command {
        AccountCommand::Open(arguments) => open(on, arguments).await,
        AccountCommand::Show(named) => find(on, &named.account).await,
        AccountCommand::List { customer } => find(on, customer).await,
        AccountCommand::Limits(command) => find(on, command.account()).await,
        AccountCommand::Freeze(named) => change(on, named, Change::Freeze).await,
        AccountCommand::Unfreeze(named) => change(on, named, Change::Unfreeze).await,
        AccountCommand::Close(named) => change(on, named, Change::Close).await,
        AccountCommand::Reopen(named) => change(on, named, Change::Reopen).await,
        AccountCommand::Overdraft { account, limit } => set_overdraft(on, account, limit).await,
    }
}

/// Finds an account by its identifier, its number, or an import's source and identifier, such as
/// `old-bank/17`.
pub(super) async fn find(on: &impl Executor, named: &str) -> Result<Account, CommandError> {
    let found = match named.parse::<AccountId>() {
        Ok(account) => accounts::find(on, account).await?,
        Err(_) => match accounts::find_by_number(on, named).await? {
            Some(found) => Some(found),
            None => of_source(on, named).await?,
        },
    };
    found.ok_or_else(|| {
        CommandError::failed(
            "unknown_account",
            format!("unknown account: {:?}", shortened(named)),
        )
    })
}

/// Finds an imported account by a text with its source and its identifier there.
async fn of_source(on: &impl Executor, named: &str) -> Result<Option<Account>, CommandError> {
    let Some((source, source_id)) = named.split_once('/') else {
        return Ok(None);
    };
    Ok(accounts::find(on, import::account_id(source, source_id)).await?)
}

/// Returns a message with each account's number beside its identifier.
pub(super) fn with_numbers(message: &str, accounts: &[Account]) -> String {
    accounts
        .iter()
        .fold(message.to_owned(), |message, account| {
            let identifier = account.account_id.to_string();
            let both = format!("{} ({identifier})", account.account_number);
            // Both accounts may be the same.
            if message.contains(&both) {
                message
            } else {
                message.replace(&identifier, &both)
            }
        })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Freeze,
    Unfreeze,
    Close,
    Reopen,
}

async fn change(
    on: &impl Executor,
    named: &Named,
    change: Change,
) -> Result<Account, CommandError> {
    let account = find(on, &named.account).await?;
    let changed = match change {
        Change::Freeze => accounts::freeze(on, account.account_id).await,
        Change::Unfreeze => accounts::unfreeze(on, account.account_id).await,
        Change::Close => accounts::close(on, account.account_id).await,
        Change::Reopen => accounts::reopen(on, account.account_id).await,
    };
    changed.map_err(|error| {
        let mut failure = CommandError::from(error);
        failure.message = with_numbers(&failure.message, &[account]);
        failure
    })
}

async fn set_overdraft(
    on: &impl Executor,
    named: &str,
    limit: &str,
) -> Result<Account, CommandError> {
    let account = find(on, named).await?;
    let limit = Money::parse(limit, account.current_balance.currency())?;
    let changed = accounts::set_overdraft_limit(on, account.account_id, limit).await;
    changed.map_err(|error| {
        let mut failure = CommandError::from(error);
        failure.message = with_numbers(&failure.message, &[account]);
        failure
    })
}

async fn open(on: &impl Executor, arguments: &OpenArguments) -> Result<Account, CommandError> {
    let limit = match &arguments.overdraft_limit {
        Some(number) => Money::parse(number, arguments.currency)?,
        None => Money::zero(arguments.currency),
    };
    let account_type = match arguments.account_type {
        Kind::Checking => AccountType::Checking,
        Kind::Savings => AccountType::Savings,
        Kind::Business => AccountType::Business,
    };
    let owner = customer::find(on, &arguments.customer).await?.customer_id;
    let mut new = NewAccount::new(owner, account_type, arguments.currency);
    new.overdraft_limit = limit;
    new.time_zone.clone_from(&arguments.time_zone);
    Ok(accounts::open(on, &new).await?)
}

async fn list(name: &'static str, on: &impl Executor, owner: &str) -> Result<Output, CommandError> {
    let owner = customer::find(on, owner).await?.customer_id;
    let found = accounts::list_by_customer(on, owner).await?;
    let mut table = Table::new(
        &[
            "Number",
            "Type",
            "Status",
            ">Balance",
            ">Available",
            ">Entries",
            "Identifier",
        ],
        "the customer has no accounts",
    );
    for account in &found {
        table.row([
            cell(&account.account_number),
            cell(account.account_type),
            cell(account.status).style(style(account.status)),
            cell(account.current_balance),
            optional(account.available_balance),
            cell(account.last_entry_number),
            cell(account.account_id),
        ]);
    }
    let views: Vec<_> = found.iter().map(AccountView::from).collect();
    Output::new(
        name,
        json!({ "accounts": views }),
        vec![Block::Table(table)],
    )
}

fn fields(account: &Account) -> Vec<(&'static str, crate::output::Cell)> {
    vec![
        ("identifier", cell(account.account_id)),
        ("number", cell(&account.account_number)),
        ("customer", optional(account.customer_id)),
        ("type", cell(account.account_type)),
        ("status", cell(account.status).style(style(account.status))),
        ("balance", cell(account.current_balance)),
        ("available", optional(account.available_balance)),
        ("held", cell(account.held_balance)),
        ("overdraft limit", optional(account.overdraft_limit)),
        ("time zone", cell(&account.time_zone)),
        ("entries", cell(account.last_entry_number)),
        ("version", cell(account.version)),
        ("opened", cell(account.opened_at)),
        ("closed", optional(account.closed_at)),
    ]
}

const fn style(status: AccountStatus) -> Style {
    match status {
        AccountStatus::Active => Style::Good,
        AccountStatus::Frozen | AccountStatus::Blocked => Style::Warning,
        _ => Style::Plain,
    }
}
