//! What moving money costs on a server: see the library.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command talks to its user"
)]

use std::process::ExitCode;

use clap::Parser;
use neobank_bench::{BenchError, Options, costs, run};

#[tokio::main]
async fn main() -> ExitCode {
    match report(Options::parse()).await {
        Ok(report) => println!("{report}"),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn report(options: Options) -> Result<String, BenchError> {
    if let Some(rounds) = options.costs {
        return Ok(costs(options, rounds).await?.to_string());
    }
    let json = options.json;
    let report = run(options).await?;
    Ok(if json {
        report.to_json()
    } else {
        report.to_string()
    })
}
