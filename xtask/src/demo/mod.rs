//! The command `cargo xtask demo`: a real bank's year through the ledger, on a server of its own.

mod ledger;
mod replay;
mod server;
mod statement;
mod transfers;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use clap::Args;

/// Starts a server, applies all migrations, replays a real bank's year and compares every balance,
/// then runs many transfers concurrently.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Leave the server running, and print its URL and the command that stops it
    #[arg(long)]
    keep: bool,
    /// Use this server instead of starting one; a database is created on it
    #[arg(long, env = "NEOBANK_DEMO_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// The major version of the server to start; the newest available by default
    #[arg(long)]
    postgres: Option<u32>,
    /// Tasks that transfer concurrently
    #[arg(long, default_value_t = 32)]
    tasks: usize,
    /// Transfers of all tasks together
    #[arg(long, default_value_t = 5_000)]
    transfers: usize,
}

pub(crate) async fn run(arguments: DemoArguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let server = server::start(arguments.database_url, arguments.postgres).await?;
    server::migrate(&server).await?;

    let importer = server::connect(&server, "neobank_import").await?;
    let replayed = replay::run(&importer).await?;
    importer.close();
    let database = server::connect(&server, "neobank_app").await?;
    ledger::show(&database).await?;
    statement::show(&database, &replayed).await?;
    transfers::run(&database, &replayed, arguments.tasks, arguments.transfers).await?;
    let violations = ledger::audit(&database).await?;

    println!("\nDone in {:.1} s.", started.elapsed().as_secs_f64());
    if !replayed.all_equal || violations > 0 {
        bail!("the audit found violations");
    }
    server::end(server, arguments.keep)?;
    Ok(ExitCode::SUCCESS)
}

fn heading(text: &str) {
    println!("\n{text}");
}
