//! A process of the load: callers that send every kind of request, and write down each call.

mod attempt;
mod caller;
mod choice;
mod convert;
mod protocol;
mod record;
mod shared;

use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use neobank_db::{Database, DatabaseConfig};
use neobank_domain::Ledger;
use neobank_domain::ledger::group_commit::GroupCommitOptions;
use tokio::sync::mpsc;

pub(crate) use convert::CURRENCY;
pub(crate) use protocol::{Command, Status};
use shared::Shared;

/// Runs a process of the load; the bench starts it. The environment names the database.
#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {
    /// The number of the process
    #[arg(long)]
    process: u32,
    /// The number of callers
    #[arg(long)]
    callers: u32,
    /// The seed of the requests
    #[arg(long)]
    seed: u64,
    /// The folder of the histories
    #[arg(long)]
    history: PathBuf,
}

/// The interval of the reports to the bench.
const REPORT: Duration = Duration::from_millis(50);

pub(crate) async fn run(arguments: WorkerArguments) -> anyhow::Result<()> {
    end_with_the_owner();
    let mut config = DatabaseConfig::from_environment()?;
    config.recovery_timeout = Duration::from_secs(1);
    let database = connect(config).await?;
    let ledger = Ledger::builder(database.clone())
        .group_commit(GroupCommitOptions::default())
        .build()?;
    let shared = Arc::new(Shared::new(
        ledger,
        database,
        arguments.process,
        arguments.history,
    ));
    for caller in 0..arguments.callers {
        let seed = arguments
            .seed
            .wrapping_mul(1_000_003)
            .wrapping_add(u64::from(arguments.process) * 1_000 + u64::from(caller));
        tokio::spawn(caller::run(Arc::clone(&shared), seed));
    }
    let mut commands = commands();
    loop {
        match tokio::time::timeout(REPORT, commands.recv()).await {
            Ok(Some(command)) => shared.obey(command)?,
            // The bench has ended.
            Ok(None) => return Ok(()),
            Err(_) => {}
        }
        let line = serde_json::to_string(&shared.status())?;
        println!("{line}");
    }
}

/// Connects, for as long as the server may still be busy with an earlier fault.
async fn connect(config: DatabaseConfig) -> anyhow::Result<Database> {
    let mut attempt = 0;
    loop {
        match Database::connect(config.clone()).await {
            Ok(database) => return Ok(database),
            Err(error) if attempt >= 100 => return Err(error).context("cannot connect"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
        attempt += 1;
    }
}

/// Ends this process with its parent, also while it is stopped.
fn end_with_the_owner() {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
}

/// Reads commands from the standard input, on a thread of its own.
fn commands() -> mpsc::UnboundedReceiver<Command> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            let Ok(command) = serde_json::from_str(&line) else {
                return;
            };
            if sender.send(command).is_err() {
                return;
            }
        }
    });
    receiver
}
