//! What moving money costs on a server: see the library.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command talks to its user"
)]

use std::process::ExitCode;

use clap::Parser;
use neobank_bench::{Options, run};

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let json = options.json;
    match run(options).await {
        Ok(report) if json => println!("{}", report.to_json()),
        Ok(report) => println!("{report}"),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
