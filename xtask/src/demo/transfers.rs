//! Many concurrent transfers between customers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use neobank_db::{Database, Executor, statement};
use neobank_domain::{AccountId, Currency, Ledger, LedgerError, Money, Rejection, TransferRequest};
use rust_decimal::Decimal;
use tokio::task::JoinSet;

use super::heading;
use super::replay::{Replayed, per_second, thousands};
use crate::progress;

#[derive(Debug, Default)]
struct Counts {
    done: AtomicUsize,
    without_funds: AtomicUsize,
    started: AtomicUsize,
}

pub(super) async fn run(
    database: &Database,
    replayed: &Replayed,
    tasks: usize,
    transfers: usize,
) -> anyhow::Result<()> {
    heading(&format!(
        "{} transfers between customers, from {tasks} tasks at once, each a durable commit of its own",
        thousands(transfers)
    ));
    let before = customers_money(database).await?;
    let (accounts, counts) = (
        Arc::new(replayed.accounts.clone()),
        Arc::new(Counts::default()),
    );
    let bar = progress::bar(transfers, "transfers");
    let started = Instant::now();
    let mut running = JoinSet::new();
    for task in 0..tasks.max(1) {
        let (ledger, accounts, counts, bar) = (
            Ledger::new(database.clone()),
            Arc::clone(&accounts),
            Arc::clone(&counts),
            bar.clone(),
        );
        running.spawn(async move {
            transfer_until(&ledger, &accounts, &counts, transfers, task, &bar).await
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let (done, without_funds) = (
        counts.done.load(Ordering::SeqCst),
        counts.without_funds.load(Ordering::SeqCst),
    );
    println!(
        "  {} posted and {} rejected for insufficient funds in {seconds:.1} s: {:.0} a second",
        thousands(done),
        thousands(without_funds),
        per_second(transfers, seconds)
    );
    let after = customers_money(database).await?;
    println!(
        "  customers' money before {before} CZK, after {after} CZK: {}",
        if before == after {
            "the sum held"
        } else {
            "THE SUM CHANGED"
        }
    );
    anyhow::ensure!(before == after, "the sum changed");
    Ok(())
}

async fn transfer_until(
    ledger: &Ledger,
    accounts: &[AccountId],
    counts: &Counts,
    transfers: usize,
    task: usize,
    bar: &indicatif::ProgressBar,
) -> anyhow::Result<()> {
    let currency = Currency::from_code("CZK")?;
    loop {
        let number = counts.started.fetch_add(1, Ordering::SeqCst);
        if number >= transfers {
            return Ok(());
        }
        let (from, to, minor) = choose(accounts, number);
        let amount = Money::new(Decimal::new(minor, 2), currency)?;
        let request = TransferRequest::new(from, to, amount)
            .with_description(format!("Demo by task {task}"))
            .with_idempotency_key(format!("demo/{number}"));
        match ledger.transfer(request).await {
            Ok(_) => counts.done.fetch_add(1, Ordering::SeqCst),
            Err(LedgerError::Rejected(Rejection::InsufficientFunds { .. })) => {
                counts.without_funds.fetch_add(1, Ordering::SeqCst)
            }
            Err(other) => return Err(other.into()),
        };
        bar.inc(1);
    }
}

/// Returns two different accounts and an amount, different for each number and the same in every
/// run.
fn choose(accounts: &[AccountId], number: usize) -> (AccountId, AccountId, i64) {
    let mut state = u64::try_from(number).unwrap_or_default().wrapping_add(1);
    let mut next = |below: usize| {
        // SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap_or_default() % below.max(1)
    };
    let from = next(accounts.len());
    let to = (from + 1 + next(accounts.len().saturating_sub(1))) % accounts.len().max(1);
    let minor = 1 + i64::try_from(next(500_000)).unwrap_or_default();
    (accounts[from], accounts[to], minor)
}

async fn customers_money(database: &Database) -> anyhow::Result<Decimal> {
    let sql = "SELECT sum(current_balance) FROM banking.accounts WHERE account_type <> 'system'";
    Ok(database.fetch_value(statement(sql, [])).await?)
}
