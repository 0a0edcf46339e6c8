//! Batches whose commit or backend was lost: each caller gets the true outcome of its request.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use neobank_db::{Database, DatabaseError, ErrorClass, Executor, statement};
use neobank_domain::ledger::{HoldRequest, Outcome};
use neobank_domain::{Ledger, LedgerError, Rejection, TransferId, TransferRequest};

use super::{ask, one_worker, until, with_idempotency_key};
use crate::harness::{CuttingProxy, Random, TestBank, czk, single_with_cache};

on_both_versions!(
    batch_with_a_lost_commit_happens_once,
    pessimistic_batch_with_a_lost_commit_happens_once,
    replay_with_a_lost_commit_returns_the_receipt,
    unreachable_server_leaves_each_outcome_unknown,
    unreachable_server_leaves_each_optimistic_outcome_unknown,
    answers_are_true_when_backends_are_killed,
);

async fn behind(bank: &TestBank, proxy: &CuttingProxy, capacity: usize) -> Ledger {
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    config.idle_in_transaction_timeout = Duration::from_secs(2);
    config.lock_timeout = Duration::from_secs(2);
    config.connect_timeout = Duration::from_millis(500);
    let database = Database::connect(config).await.unwrap();
    one_worker(&single_with_cache(database, capacity))
}

async fn there(bank: &TestBank) -> HashMap<String, TransferId> {
    let sql = "SELECT idempotency_key, transfer_id FROM banking.transfers WHERE idempotency_key IS NOT NULL";
    let rows = bank.database.query(statement(sql, [])).await.unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get::<_, uuid::Uuid>(1).into()))
        .collect()
}

async fn batch_with_a_lost_commit_happens_once(bank: TestBank) {
    lose_commits(bank, Ledger::ACCOUNT_CACHE_CAPACITY).await;
}

async fn pessimistic_batch_with_a_lost_commit_happens_once(bank: TestBank) {
    lose_commits(bank, 0).await;
}

async fn lose_commits(bank: TestBank, capacity: usize) {
    let (from, to) = (
        bank.account(czk("10000")).await,
        bank.account(czk("0")).await,
    );
    let proxy = CuttingProxy::before(&bank.config()).await;
    let grouped = behind(&bank, &proxy, capacity).await;
    let rounds = 24;
    for round in 0..rounds {
        match round % 4 {
            0 => proxy.cut_before_commit(),
            1 => proxy.cut_after_commit(),
            2 => proxy.cut_during_commit(),
            _ => proxy.cut_and_commit_late(),
        }
        // Without keys, only the in-doubt resolution keeps the requests from happening twice.
        let callers = (0..8).map(|_| grouped.transfer(TransferRequest::new(from, to, czk("1"))));
        let receipts: Vec<_> = join_all(callers)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            receipts.last().unwrap().credit.entry_number,
            (round + 1) * 8
        );
    }
    let moved = czk(&(rounds * 8).to_string());
    assert_eq!(bank.balance(to).await, moved);
    bank.assert_sound().await;
}

/// The server waits for no standby, so nothing is missing when the session of a replay ends.
async fn replay_with_a_lost_commit_returns_the_receipt(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let proxy = CuttingProxy::before(&bank.config()).await;
    for capacity in [0, Ledger::ACCOUNT_CACHE_CAPACITY] {
        let ledger = behind(&bank, &proxy, capacity).await;
        let transfer = TransferRequest::new(from, to, czk("1"))
            .with_idempotency_key(format!("transfer {capacity}"));
        let hold =
            HoldRequest::new(from, czk("1")).with_idempotency_key(format!("hold {capacity}"));
        let moved = ledger.submit(transfer.clone()).await.unwrap();
        let held = ledger.hold(hold.clone()).await.unwrap();
        for cut in [
            CuttingProxy::cut_before_commit,
            CuttingProxy::cut_after_commit,
            CuttingProxy::cut_during_commit,
        ] {
            cut(&proxy);
            let again = ledger.submit(transfer.clone()).await;
            assert_eq!(again.unwrap(), moved);
            cut(&proxy);
            let again = ledger.hold(hold.clone()).await;
            assert_eq!(again.unwrap().hold_id, held.hold_id);
        }
    }
    bank.assert_sound().await;
}

async fn unreachable_server_leaves_each_outcome_unknown(bank: TestBank) {
    lose_the_server(bank, 0).await;
}

async fn unreachable_server_leaves_each_optimistic_outcome_unknown(bank: TestBank) {
    lose_the_server(bank, Ledger::ACCOUNT_CACHE_CAPACITY).await;
}

async fn lose_the_server(bank: TestBank, capacity: usize) {
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let proxy = CuttingProxy::before(&bank.config()).await;
    let grouped = behind(&bank, &proxy, capacity).await;
    let keyed =
        |key: &str, amount| TransferRequest::new(from, to, czk(amount)).with_idempotency_key(key);
    let completed = grouped.transfer(keyed("completed", "1")).await.unwrap();
    // The answer to the first batch comes late, so that the others make up one batch behind it.
    proxy.delay_answer_to_commit(Duration::from_millis(1_500));
    let first = ask(&grouped, keyed("first", "1"));
    while with_idempotency_key(&bank, "first").await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut requests = vec![
        keyed("a", "2"),
        keyed("b", "3"),
        keyed("too much", "50"),
        keyed("a", "2"),
    ];
    // A pessimistic attempt finds the used key; an optimistic one would fail on it, with a certain
    // outcome.
    requests.extend((capacity == 0).then(|| keyed("completed", "1")));
    let waiting = requests.len();
    let callers = requests
        .into_iter()
        .map(|request| grouped.transfer(request));
    let (outcomes, ()) = tokio::join!(join_all(callers), async {
        until(|| grouped.group_commit_metrics().waiting == waiting).await;
        proxy.cut_after_commit_for_good();
    });
    first.await.unwrap().unwrap();
    let there = there(&bank).await;
    let doubt = |number: usize| match &outcomes[number] {
        Err(LedgerError::Unknown { transfers, .. }) => transfers.clone(),
        other => panic!("{number}: {other:?}"),
    };
    // The transfers happened, and each caller gets the identifier of its own.
    assert_eq!(doubt(0), [there["a"]]);
    assert_eq!(doubt(1), [there["b"]]);
    assert_eq!(doubt(3), [there["a"]]);
    assert!(matches!(
        outcomes[2],
        Err(LedgerError::Rejected(Rejection::InsufficientFunds { .. }))
    ));
    if let Some(outcome) = outcomes.get(4) {
        // The transfer exists, and the commit that was to wait for a standby has no answer.
        let Err(LedgerError::NotReplicated { outcomes }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(*outcomes, [Outcome::Replayed(completed)]);
    }
    bank.assert_sound().await;
}

async fn answers_are_true_when_backends_are_killed(bank: TestBank) {
    let mut accounts = Vec::new();
    for _ in 0..4 {
        accounts.push(bank.account(czk("50000")).await);
    }
    let grouped = one_worker(&bank.ledger);
    let (over, kills) = (
        Arc::new(AtomicBool::new(false)),
        Arc::<AtomicI64>::default(),
    );
    let killer = kill(
        bank.superuser().await,
        Arc::clone(&over),
        Arc::clone(&kills),
    );
    let killer = tokio::spawn(killer);
    let tasks: Vec<_> = (0..24_u64)
        .map(|task| {
            let (grouped, accounts) = (grouped.clone(), accounts.clone());
            let kills = Arc::clone(&kills);
            tokio::spawn(async move {
                let mut random = Random::new(task);
                let mut answers = Vec::new();
                for number in 0..2_000 {
                    if number >= 60 && kills.load(Ordering::Relaxed) >= 5 {
                        break;
                    }
                    let (from, to) = random.pair(&accounts);
                    let key = format!("{task} {number}");
                    let request =
                        TransferRequest::new(from, to, czk("1")).with_idempotency_key(&key);
                    answers.push((key, grouped.transfer(request).await));
                }
                answers
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.extend(task.await.unwrap());
    }
    over.store(true, Ordering::Relaxed);
    killer.await.unwrap();
    let kills = kills.load(Ordering::Relaxed);
    let there = there(&bank).await;
    let (mut done, mut failed) = (0, 0);
    for (key, outcome) in answers {
        match outcome {
            Ok(receipt) => {
                assert_eq!(there.get(&key), Some(&receipt.transfer_id), "{key}");
                done += 1;
            }
            Err(LedgerError::Database(error)) => {
                assert!(
                    matches!(error, DatabaseError::TransactionAborted)
                        || matches!(
                            error.class(),
                            ErrorClass::ConnectionLost | ErrorClass::ServerUnavailable
                        ),
                    "{error:?}"
                );
                assert!(!there.contains_key(&key), "{key} was said to have failed");
                failed += 1;
            }
            Err(other) => panic!("{key}: {other:?}"),
        }
    }
    assert_eq!(there.len(), done);
    assert!(
        kills > 0 && done > 0,
        "{kills} kills, {done} done, {failed} failed"
    );
    bank.assert_sound().await;
}

/// Terminates a busy backend up to forty times a second; an in-doubt resolution needs several
/// statements in a row.
async fn kill(superuser: Database, over: Arc<AtomicBool>, kills: Arc<AtomicI64>) {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM (
                   SELECT pid FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle' LIMIT 1
               ) AS victim";
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(25)).await;
        let killed = superuser.fetch_value(statement(sql, [])).await.unwrap();
        kills.fetch_add(killed, Ordering::Relaxed);
    }
}
