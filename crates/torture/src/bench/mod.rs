//! The bench: the processes of the load, the faults, and the rounds.
#![allow(
    clippy::doc_markdown,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::float_arithmetic,
    reason = "a command talks to its user"
)]

mod bank;
mod broken;
mod clock;
mod faults;
mod fleet;
mod judge;
mod leaks;
mod node;
mod pgbouncer;
mod proxy;
mod report;
mod round;
mod run;
mod stage;
mod timeline;
mod worker;
mod workplace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask torture", bin_name = "cargo xtask torture")]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    BrokenLedgers(broken::BrokenArguments),
    #[command(hide = true)]
    Worker(worker::WorkerArguments),
}

/// Runs the bench as its command line asks for.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // More threads than processors: ending a server's processes blocks the thread that does it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(8)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let outcome = runtime.block_on(async {
        match arguments.command {
            Some(Command::Worker(worker)) => worker::run(worker).await.map(|()| ExitCode::SUCCESS),
            Some(Command::BrokenLedgers(ledgers)) => Ok(broken::run(&ledgers)),
            None => run::run(arguments.run).await,
        }
    });
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}
