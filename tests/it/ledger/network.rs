//! Behind a network that cuts, delays and swallows: what callers are told is true, and they are told within the stated limits.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use neobank_db::{Database, DatabaseConfig, Executor, statement};
use neobank_domain::{AccountId, Ledger, LedgerError, Receipt, TransferId, TransferRequest};

use super::concurrency::random::Random;
use crate::harness::{FaultyProxy, TestBank, czk, grouped, single};

on_both_versions!(calls_are_over_within_twice_the_stated_limit_and_tell_the_truth);

/// How long a gathered caller gives a call; that is over a second later.
const DEADLINE: Duration = Duration::from_secs(2);
const CALLERS: u64 = 64;

/// Limits of which the whole is small enough for a test.
fn config(bank: &TestBank, proxy: &FaultyProxy) -> DatabaseConfig {
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    config.acquire_timeout = Duration::from_secs(2);
    config.connect_timeout = Duration::from_secs(1);
    config.statement_timeout = Duration::from_secs(2);
    config.lock_timeout = Duration::from_secs(1);
    config.idle_in_transaction_timeout = Duration::from_secs(2);
    config.commit_timeout = Duration::from_secs(1);
    config.recovery_timeout = Duration::from_secs(1);
    config
}

#[derive(Clone)]
enum Way {
    Autocommit(Ledger),
    Gathered(Ledger),
}

impl Way {
    async fn transfer(&self, request: TransferRequest) -> Result<Receipt, LedgerError> {
        match self {
            Self::Autocommit(ledger) => ledger.transfer(request).await,
            Self::Gathered(gathered) => {
                let hurried = gathered.with_deadline(Instant::now() + DEADLINE);
                hurried.transfer(request).await
            }
        }
    }
}

struct Told {
    key: String,
    outcome: Result<Receipt, LedgerError>,
    is_alone: bool,
    took: Duration,
}

async fn calls_are_over_within_twice_the_stated_limit_and_tell_the_truth(bank: TestBank) {
    let mut accounts = Vec::new();
    for _ in 0..12 {
        accounts.push(bank.account(czk("1000000")).await);
    }
    let proxy = FaultyProxy::before(&bank.config()).await;
    // As two processes have them: neither knows what the other one does.
    let mut ways = Vec::new();
    for _ in 0..2 {
        let database = loop {
            if let Ok(database) = Database::connect(config(&bank, &proxy)).await {
                break database;
            }
        };
        let ledger = single(database);
        ways.push(Way::Gathered(grouped(&ledger)));
        ways.push(Way::Autocommit(ledger));
    }
    let over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let way = ways[caller as usize % ways.len()].clone();
            tokio::spawn(call(caller, way, accounts.clone(), Arc::clone(&over)))
        })
        .collect();
    let started = Instant::now();
    while proxy.faults()[2] < 12 && started.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    over.store(true, Ordering::SeqCst);
    let mut told = Vec::new();
    for caller in callers {
        told.extend(caller.await.unwrap());
    }
    proxy.get_well();
    let faults = proxy.faults();
    assert!(faults.iter().all(|count| *count > 0), "{faults:?}");
    assert_in_time(&told, &bank, &proxy);
    // Statements that were on their way have arrived, or never will: nobody holds an account any more.
    let waits = bank.database.begin().await.unwrap();
    let lock = "SELECT FROM banking.accounts ORDER BY account_id FOR UPDATE";
    waits.execute(statement(lock, [])).await.unwrap();
    waits.rollback().await.unwrap();
    assert_true(told, &bank).await;
    bank.assert_sound().await;
}

async fn call(caller: u64, way: Way, accounts: Vec<AccountId>, over: Arc<AtomicBool>) -> Vec<Told> {
    let mut random = Random::new(caller);
    let mut told = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let (from, to) = random.pair(&accounts);
        let key = format!("{caller} {}", told.len());
        let request = TransferRequest::new(from, to, czk("1")).with_idempotency_key(&key);
        let asked = Instant::now();
        let outcome = way.transfer(request).await;
        told.push(Told {
            key,
            outcome,
            is_alone: matches!(way, Way::Autocommit(_)),
            took: asked.elapsed(),
        });
    }
    told
}

fn assert_in_time(told: &[Told], bank: &TestBank, proxy: &FaultyProxy) {
    let config = config(bank, proxy);
    let limit = config.silence_limit() + config.in_doubt_limit();
    let longest = |alone: bool| {
        let all = told.iter().filter(|told| told.is_alone == alone);
        all.map(|told| told.took).max().unwrap_or_default()
    };
    let (alone, gathered) = (longest(true), longest(false));
    assert!(alone < limit * 2, "{alone:?}");
    assert!(
        gathered < (DEADLINE + Duration::from_secs(1)) * 2,
        "{gathered:?}"
    );
}

async fn assert_true(told: Vec<Told>, bank: &TestBank) {
    let sql = "SELECT idempotency_key, transfer_id FROM banking.transfers WHERE idempotency_key IS NOT NULL";
    let rows = bank.database.query(statement(sql, [])).await.unwrap();
    let there: HashMap<String, TransferId> = rows
        .iter()
        .map(|row| (row.get(0), row.get::<_, uuid::Uuid>(1).into()))
        .collect();
    assert_eq!(rows.len(), there.len(), "none twice");
    let (mut done, mut failed, mut unknown) = (0, 0, 0);
    for Told { key, outcome, .. } in told {
        match outcome {
            Ok(receipt) => {
                assert_eq!(there.get(&key), Some(&receipt.transfer_id), "{key}");
                done += 1;
            }
            Err(LedgerError::Database(error)) => {
                assert!(
                    !there.contains_key(&key),
                    "{key} was said to have failed: {error}"
                );
                failed += 1;
            }
            Err(LedgerError::Unknown { .. }) => unknown += 1,
            // The transfer is committed; no answer confirmed it in time.
            Err(LedgerError::NotReplicated { .. }) => {
                assert!(there.contains_key(&key), "{key} was said to be committed");
                unknown += 1;
            }
            Err(other) => panic!("{key}: {other:?}"),
        }
    }
    // How many fail is a matter of the proxy and the machine.
    assert!(
        done > 100,
        "{done} done, {failed} failed, {unknown} not known"
    );
}
