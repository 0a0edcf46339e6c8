//! The workspace's own commands: `cargo xtask --help`.
#![allow(
    clippy::doc_markdown,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::float_arithmetic,
    reason = "a command talks to its user"
)]

mod demo;
mod files;
mod generate;
mod migrate;
mod pool;
mod progress;
mod test;
mod torture;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// NeoBank's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a server, replay a real bank's year through the ledger and compare every balance
    Demo(demo::DemoArguments),
    /// Write the entities and the schema reference from a migrated database
    Generate(generate::GenerateArguments),
    /// Apply, revert or inspect schema migrations
    Migrate(migrate::MigrateArguments),
    /// Compare the size that the pool finds by itself with fixed sizes, and plot it
    Pool(pool::PoolArguments),
    /// Install what the tests need and run all of them, on PostgreSQL 15 and 18
    Test(test::TestArguments),
    /// Inject faults into a server under load, and check that no money is lost, doubled or invented
    Torture(torture::TortureArguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Generate(arguments) => generate::run(arguments).await,
        Command::Migrate(arguments) => migrate::run(arguments).await,
        Command::Pool(arguments) => pool::run(arguments).await,
        Command::Test(arguments) => test::run(&arguments),
        Command::Torture(arguments) => torture::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}
