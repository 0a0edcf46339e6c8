//! A file for each command: its arguments, and its answer.

pub(crate) mod account;
mod amount;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod customer;
pub(crate) mod man;
pub(crate) mod migrate;
pub(crate) mod ops;
pub(crate) mod serve_metrics;
pub(crate) mod statement;
pub(crate) mod transfer;
mod views;

use std::io::ErrorKind;

use crate::arguments::Command;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::Answer;
use crate::top::{self, TopError, TopOptions};

/// Does what a command asks for.
pub(crate) async fn run(
    command: &Command,
    connection: &Connection,
) -> Result<Answer, CommandError> {
    match command {
        Command::Customer(command) => customer::run(command, connection).await,
        Command::Account(command) => account::run(command, connection).await,
        Command::Transfer(arguments) => transfer::transfer(arguments, connection).await,
        Command::Deposit(arguments) => transfer::deposit(arguments, connection).await,
        Command::Withdraw(arguments) => transfer::withdraw(arguments, connection).await,
        Command::Statement(arguments) => statement::run(arguments, connection).await,
        Command::Audit(_) => audit::run(connection).await,
        Command::Migrate(arguments) => migrate::run(arguments, connection).await,
        Command::Ops(command) => ops::run(command, connection).await,
        Command::Top(options) => live(options, connection).await,
        Command::ServeMetrics(arguments) => serve_metrics::run(arguments, connection).await,
        Command::Bench(options) => bench::run(options, connection).await,
        Command::Completions(arguments) => completions::run(arguments),
        Command::Man(arguments) => man::run(arguments),
    }
}

/// The live view draws by itself.
async fn live(options: &TopOptions, connection: &Connection) -> Result<Answer, CommandError> {
    match top::run(options.clone(), connection.config("top")?).await {
        Ok(()) => Ok(Answer::script("top", String::new())),
        Err(TopError::Ops(error)) => Err(error.into()),
        Err(TopError::NoTerminal) => Err(CommandError::usage(TopError::NoTerminal.to_string())),
        // Who reads `--once` through a pager may leave early.
        Err(TopError::Terminal(error)) if error.kind() == ErrorKind::BrokenPipe => {
            Ok(Answer::script("top", String::new()))
        }
        Err(error) => Err(CommandError::failed("terminal", error)),
    }
}
