//! A network that cuts, delays and drops: every answer is true and comes within the stated limits.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use neobank_db::{Database, DatabaseConfig, Executor, statement};
use neobank_domain::{AccountId, Ledger, LedgerError, Receipt, TransferId, TransferRequest};

use crate::harness::{FaultyProxy, Random, TestBank, czk, grouped, single};

on_both_versions!(calls_end_in_time_with_true_answers);

/// The deadline of a call with group commit, which ends a second later at most.
const DEADLINE: Duration = Duration::from_secs(2);
const CALLERS: u64 = 64;

/// Limits whose sum is short enough for a test.
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
    Grouped(Ledger),
}

impl Way {
    async fn transfer(&self, request: TransferRequest) -> Result<Receipt, LedgerError> {
        match self {
            Self::Autocommit(ledger) => ledger.transfer(request).await,
            Self::Grouped(grouped) => {
                let hurried = grouped.with_deadline(Instant::now() + DEADLINE);
                hurried.transfer(request).await
            }
        }
    }
}

struct Answered {
    key: String,
    outcome: Result<Receipt, LedgerError>,
    is_autocommit: bool,
    took: Duration,
}

async fn calls_end_in_time_with_true_answers(bank: TestBank) {
    let mut accounts = Vec::new();
    for _ in 0..12 {
        accounts.push(bank.account(czk("1000000")).await);
    }
    let proxy = FaultyProxy::before(&bank.config()).await;
    // Two pools and caches, as two processes have them.
    let mut ways = Vec::new();
    for _ in 0..2 {
        let database = loop {
            if let Ok(database) = Database::connect(config(&bank, &proxy)).await {
                break database;
            }
        };
        let ledger = single(database);
        ways.push(Way::Grouped(grouped(&ledger)));
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
    let mut answers = Vec::new();
    for caller in callers {
        answers.extend(caller.await.unwrap());
    }
    proxy.get_well();
    let faults = proxy.faults();
    assert!(faults.iter().all(|count| *count > 0), "{faults:?}");
    assert_in_time(&answers, &bank, &proxy);
    // The locks show that no statement is in flight any more.
    let waits = bank.database.begin().await.unwrap();
    let lock = "SELECT FROM banking.accounts ORDER BY account_id FOR UPDATE";
    waits.execute(statement(lock, [])).await.unwrap();
    waits.rollback().await.unwrap();
    assert_true(answers, &bank).await;
    bank.assert_sound().await;
}

async fn call(
    caller: u64,
    way: Way,
    accounts: Vec<AccountId>,
    over: Arc<AtomicBool>,
) -> Vec<Answered> {
    let mut random = Random::new(caller);
    let mut answers = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let (from, to) = random.pair(&accounts);
        let key = format!("{caller} {}", answers.len());
        let request = TransferRequest::new(from, to, czk("1")).with_idempotency_key(&key);
        let asked = Instant::now();
        let outcome = way.transfer(request).await;
        answers.push(Answered {
            key,
            outcome,
            is_autocommit: matches!(way, Way::Autocommit(_)),
            took: asked.elapsed(),
        });
    }
    answers
}

fn assert_in_time(answers: &[Answered], bank: &TestBank, proxy: &FaultyProxy) {
    let config = config(bank, proxy);
    let limit = config.silence_limit() + config.in_doubt_limit();
    let longest = |autocommit: bool| {
        let all = answers
            .iter()
            .filter(|answered| answered.is_autocommit == autocommit);
        all.map(|answered| answered.took).max().unwrap_or_default()
    };
    let (autocommit, grouped) = (longest(true), longest(false));
    assert!(autocommit < limit * 2, "{autocommit:?}");
    assert!(
        grouped < (DEADLINE + Duration::from_secs(1)) * 2,
        "{grouped:?}"
    );
}

async fn assert_true(answers: Vec<Answered>, bank: &TestBank) {
    let sql = "SELECT idempotency_key, transfer_id FROM banking.transfers WHERE idempotency_key IS NOT NULL";
    let rows = bank.database.query(statement(sql, [])).await.unwrap();
    let there: HashMap<String, TransferId> = rows
        .iter()
        .map(|row| (row.get(0), row.get::<_, uuid::Uuid>(1).into()))
        .collect();
    assert_eq!(rows.len(), there.len(), "none twice");
    let (mut done, mut failed, mut unknown) = (0, 0, 0);
    for Answered { key, outcome, .. } in answers {
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
            // The transfer is committed, and no standby confirmed it in time.
            Err(LedgerError::NotReplicated { .. }) => {
                assert!(there.contains_key(&key), "{key} was said to be committed");
                unknown += 1;
            }
            Err(other) => panic!("{key}: {other:?}"),
        }
    }
    // The number of failures depends on the proxy and the machine.
    assert!(
        done > 100,
        "{done} done, {failed} failed, {unknown} unknown"
    );
}
