//! The operator's command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use neobank_cli::top;
use neobank_db::DatabaseConfig;

#[derive(Parser)]
#[command(name = "neobank", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A live view of sessions, of who blocks whom, of pools and rates.
    Top(top::TopOptions),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "neobank: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    let config = DatabaseConfig::from_environment()?;
    match command {
        Command::Top(options) => Ok(top::run(options, config).await?),
    }
}
