//! The operator's command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use neobank_cli::{metrics, report, top};
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
    /// Everything that can be asked of the server, as one HTML page.
    Report(report::ReportOptions),
    /// Metrics of the server, for Prometheus.
    ServeMetrics(metrics::MetricsOptions),
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
        Command::ServeMetrics(options) => Ok(metrics::run(options, config).await?),
        Command::Report(options) => Ok(report::run(options, config).await?),
    }
}
