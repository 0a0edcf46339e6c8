//! The commands: a file for each, with its arguments and its output.

pub(crate) mod account;
#[cfg(feature = "serve")]
pub(crate) mod api_key;
mod attributes;
pub(crate) mod audit;
pub(crate) mod balances;
#[cfg(feature = "bench")]
pub(crate) mod bench;
pub(crate) mod changes;
pub(crate) mod completions;
pub(crate) mod customer;
pub(crate) mod daily_summary;
mod days;
pub(crate) mod events;
pub(crate) mod exchange;
pub(crate) mod hold;
pub(crate) mod import;
mod limits;
pub(crate) mod man;
pub(crate) mod migrate;
mod moment;
mod numbers;
pub(crate) mod ops;
pub(crate) mod period;
pub(crate) mod preferences;
pub(crate) mod reverse;
pub(crate) mod seal;
#[cfg(feature = "serve")]
pub(crate) mod serve;
pub(crate) mod serve_metrics;
pub(crate) mod statement;
mod statement_by_value_date;
pub(crate) mod submit;
pub(crate) mod transfer;
pub(crate) mod transfers;
mod views;
#[cfg(feature = "serve")]
pub(crate) mod webhook;

use crate::arguments::Command;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::Output;
use crate::top::{self, TopError, TopOptions};

/// Runs a command.
pub(crate) async fn run(
    command: &Command,
    connection: &Connection,
    wants_json: bool,
) -> Result<Output, CommandError> {
    match command {
        Command::Customer(command) => customer::run(command, connection).await,
        Command::Account(command) => account::run(command, connection).await,
        Command::Preferences(command) => preferences::run(command, connection).await,
        Command::Changes(command) => changes::run(command, connection).await,
        Command::Transfer(arguments) => transfer::transfer(arguments, connection).await,
        Command::Deposit(arguments) => transfer::deposit(arguments, connection).await,
        Command::Withdraw(arguments) => transfer::withdraw(arguments, connection).await,
        Command::Interest(arguments) => transfer::interest(arguments, connection).await,
        Command::Fee(arguments) => transfer::fee(arguments, connection).await,
        Command::Adjust(arguments) => transfer::adjust(arguments, connection).await,
        Command::Exchange(arguments) => exchange::run(arguments, connection).await,
        Command::Submit(arguments) => submit::run(arguments, connection, wants_json).await,
        Command::Reverse(arguments) => reverse::run(arguments, connection).await,
        Command::Hold(command) => hold::run(command, connection).await,
        Command::Transfers(command) => transfers::run(command, connection).await,
        Command::Statement(arguments) => statement::run(arguments, connection).await,
        Command::DailySummary(arguments) => daily_summary::run(arguments, connection).await,
        Command::Balances(arguments) => balances::balances(arguments, connection).await,
        Command::TrialBalance(arguments) => balances::trial_balance(arguments, connection).await,
        Command::Period(command) => period::run(command, connection).await,
        Command::Import(arguments) => import::run(arguments, connection, wants_json).await,
        Command::Seal(arguments) => seal::run(arguments, connection).await,
        Command::Events(arguments) => events::run(arguments, connection, wants_json).await,
        Command::Audit(arguments) => audit::run(arguments, connection).await,
        Command::Migrate(arguments) => migrate::run(arguments, connection).await,
        Command::Ops(command) => ops::run(command, connection).await,
        Command::Top(options) => live(options, connection, wants_json).await,
        Command::ServeMetrics(arguments) => serve_metrics::run(arguments, connection).await,
        #[cfg(feature = "serve")]
        Command::ApiKey(command) => api_key::run(command, connection).await,
        #[cfg(feature = "serve")]
        Command::Webhook(command) => webhook::run(command, connection).await,
        #[cfg(feature = "serve")]
        Command::Serve(arguments) => serve::run(arguments, connection).await,
        #[cfg(feature = "bench")]
        Command::Bench(options) => bench::run(options, connection).await,
        Command::Completions(arguments) => completions::run(arguments),
        Command::Man(arguments) => man::run(arguments),
    }
}

/// The live view draws its own screen.
async fn live(
    options: &TopOptions,
    connection: &Connection,
    wants_json: bool,
) -> Result<Output, CommandError> {
    if wants_json && !options.once {
        return Err(CommandError::usage(
            "a live view is no JSON: --json needs --once",
        ));
    }
    let config = connection.config("top")?;
    if options.once {
        let once = top::once(options, config).await?;
        let mut output = Output::script("top", once.text);
        output.data = Output::new("top", once.sample, Vec::new())?.data;
        return Ok(output);
    }
    match top::run(options.clone(), config).await {
        Ok(()) => Ok(Output::script("top", String::new())),
        Err(TopError::Ops(error)) => Err(error.into()),
        Err(TopError::NoTerminal) => Err(CommandError::usage(TopError::NoTerminal.to_string())),
        Err(error) => Err(CommandError::failed("terminal", error)),
    }
}

impl From<TopError> for CommandError {
    fn from(error: TopError) -> Self {
        match error {
            TopError::Ops(error) => error.into(),
            other => Self::failed("terminal", other),
        }
    }
}
