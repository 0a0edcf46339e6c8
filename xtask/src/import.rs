//! `cargo xtask import`: a bank's history from CSV files.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use neobank_db::{Database, DatabaseConfig};
use neobank_domain::{Currency, import};

use crate::files::Files;
use crate::progress;

/// Imports customers, accounts and transactions from CSV files (plain or .gz), all or nothing.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The database, as postgresql://user@host:port/name
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Columns: customer_id, date_of_birth
    #[arg(long)]
    customers: PathBuf,
    /// Columns: account_id, customer_id, opened_on
    #[arg(long)]
    accounts: PathBuf,
    /// Columns: transaction_id, account_id, date, movement, balance, operation, purpose; in the order of the balances
    #[arg(long)]
    transactions: PathBuf,
    /// A name that keeps the identifiers of different sources apart; the same files under the same name change nothing
    #[arg(long)]
    source: String,
    /// The currency of every amount
    #[arg(long, default_value = "CZK")]
    currency: String,
    /// The longest time one statement may take, in seconds
    #[arg(long, default_value_t = 300)]
    statement_timeout: u64,
}

pub(crate) async fn run(arguments: ImportArguments) -> anyhow::Result<ExitCode> {
    let currency = Currency::from_code(&arguments.currency)?;
    let files = Files {
        customers: arguments.customers,
        accounts: arguments.accounts,
        transactions: arguments.transactions,
    };
    let history = files.read(&arguments.source, currency)?;
    let url = arguments
        .database_url
        .context("no database is given: use --database-url or set DATABASE_URL")?;
    let mut config = DatabaseConfig::from_url(&url)?;
    config.application_name = "neobank import".to_owned();
    config.statement_timeout = std::time::Duration::from_secs(arguments.statement_timeout.max(1));
    let database = Database::connect(config).await?;

    let started = Instant::now();
    let bar = progress::bar(history.transactions.len(), "transactions");
    let report = import::run(&database, &history, |done| {
        bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    })
    .await?;
    bar.finish_and_clear();
    println!(
        "{} customers created, {} accounts opened, {} transactions posted, {} imported before; {:.1} s",
        report.customers,
        report.accounts,
        report.posted,
        report.replayed,
        started.elapsed().as_secs_f64()
    );
    let comparison = import::compare(&database, &history).await?;
    println!(
        "{} of {} balances equal to the recorded ones",
        comparison.equal,
        history.transactions.len()
    );
    Ok(if comparison.different.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}
