//! A file for each command: its arguments, and its answer.

pub(crate) mod account;
mod amount;
pub(crate) mod audit;
pub(crate) mod completions;
pub(crate) mod customer;
pub(crate) mod man;
pub(crate) mod migrate;
pub(crate) mod ops;
pub(crate) mod serve_metrics;
pub(crate) mod statement;
pub(crate) mod transfer;
mod views;

use crate::arguments::Command;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::Answer;

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
        Command::ServeMetrics(arguments) => serve_metrics::run(arguments, connection).await,
        Command::Completions(arguments) => completions::run(arguments),
        Command::Man(arguments) => man::run(arguments),
    }
}
