//! Several workers, and other writers, on the same few accounts.

use std::sync::Arc;
use std::time::Duration;

use neobank_db::{Executor, statement};
use neobank_domain::ledger::group_commit::GroupCommitOptions;
use neobank_domain::{AccountId, Ledger, LedgerError, TransferRequest};

use super::{Gate, ask, first_batch, until, without_timeouts};
use crate::harness::{Random, TestBank, czk};

on_both_versions!(
    workers_never_deadlock,
    worker_leaves_busy_accounts_to_their_worker,
    same_key_in_every_worker_moves_money_once,
    limit_out_of_range_is_rejected,
);

fn workers(bank: &TestBank, workers: usize, batch_size_max: usize) -> Ledger {
    let mut options = GroupCommitOptions::default();
    options.workers = workers;
    options.batch_size_max = batch_size_max;
    bank.ledger.with_group_commit(options).unwrap()
}

async fn deadlocks(bank: &TestBank) -> i64 {
    let sql = "SELECT count(*) FROM concurrency.deadlock_log";
    bank.superuser()
        .await
        .fetch_value(statement(sql, []))
        .await
        .unwrap()
}

async fn workers_never_deadlock(bank: TestBank) {
    let mut accounts = Vec::new();
    for _ in 0..6 {
        accounts.push(bank.account(czk("300")).await);
    }
    let accounts: Arc<[AccountId]> = accounts.into();
    let grouped = workers(&bank, 4, 8);
    let tasks: Vec<_> = (0..48)
        .map(|task| {
            let (grouped, ledger) = (grouped.clone(), bank.ledger.clone());
            let accounts = Arc::clone(&accounts);
            tokio::spawn(async move {
                let mut random = Random::new(task);
                for _ in 0..25 {
                    let (from, to) = random.pair(&accounts);
                    let request = TransferRequest::new(from, to, czk("1"));
                    // Every fourth writer uses no group commit.
                    match task % 4 {
                        0 => ledger.transfer(request).await,
                        _ => grouped.transfer(request).await,
                    }
                    .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(
        bank.count("banking.transfers WHERE transfer_type = 'transfer'")
            .await,
        1_200
    );
    assert_eq!(deadlocks(&bank).await, 0);
    // A request that waited for another writer may have been set aside, and is counted again when
    // it returns.
    let metrics = grouped.group_commit_metrics();
    let again = metrics.requests.checked_sub(900).unwrap();
    assert!(again <= metrics.set_aside, "{metrics:?}");
    bank.assert_sound().await;
}

/// While one worker waits for a lock, another executes requests for other accounts. Requests that
/// share an account wait, so each account keeps the order of its requests.
async fn worker_leaves_busy_accounts_to_their_worker(bank: TestBank) {
    let (between, last) = (bank.account(czk("0")).await, bank.account(czk("0")).await);
    let (from, to) = (bank.account(czk("9")).await, bank.account(czk("0")).await);
    let grouped = bank.ledger.with_group_commit(without_timeouts()).unwrap();
    let gate = Gate::close(&bank).await;
    let paid = gate.to;
    let first = first_batch(&grouped, &gate).await;
    let move_on = |from, to| grouped.transfer(TransferRequest::new(from, to, czk("1")));
    // Each payer has money only after the request before it.
    let chain = async { tokio::join!(move_on(paid, between), move_on(between, last)) };
    let free = async {
        for number in 1..=5 {
            let receipt = move_on(from, to).await.unwrap();
            assert_eq!(receipt.debit.entry_number, number + 1);
        }
        until(|| grouped.group_commit_metrics().workers == 1).await;
        assert_eq!(grouped.group_commit_metrics().waiting, 2);
        gate.open().await;
    };
    let ((one, two), ()) = tokio::join!(chain, free);
    first.await.unwrap().unwrap();
    assert_eq!(one.unwrap().credit.entry_number, 1);
    assert_eq!(two.unwrap().debit.entry_number, 2);
    assert_eq!(bank.balance(last).await, czk("1"));
    assert_eq!(grouped.group_commit_metrics().batches, 7);
    bank.assert_sound().await;
}

async fn same_key_in_every_worker_moves_money_once(bank: TestBank) {
    let (from, to) = (bank.account(czk("500")).await, bank.account(czk("0")).await);
    let others: Vec<(AccountId, AccountId)> = {
        let mut pairs = vec![(from, to)];
        for _ in 0..3 {
            pairs.push((bank.account(czk("500")).await, bank.account(czk("0")).await));
        }
        pairs
    };
    let grouped = workers(&bank, 4, 16);
    // The same keys on different accounts, so that no lock orders the workers: one of them wins
    // each key.
    let callers: Vec<_> = (0..400_usize)
        .map(|number| {
            let (from, to) = others[number % 4];
            let key = format!("key {}", (number * 7) / 4 % 50);
            let request = TransferRequest::new(from, to, czk("1")).with_idempotency_key(key);
            ask(&grouped, request)
        })
        .collect();
    let (mut receipts, mut reused) = (std::collections::HashSet::new(), 0);
    for caller in callers {
        match caller.await.unwrap() {
            Ok(receipt) => {
                receipts.insert(receipt.transfer_id);
            }
            Err(LedgerError::Rejected(neobank_domain::Rejection::KeyReused { .. })) => reused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(receipts.len(), 50);
    assert!(reused > 0);
    assert_eq!(
        bank.count("banking.transfers WHERE idempotency_key LIKE 'key %'")
            .await,
        50
    );
    bank.assert_sound().await;
}

async fn limit_out_of_range_is_rejected(bank: TestBank) {
    for (limit, change) in [
        (
            "batch_size_max",
            (|options| options.batch_size_max = 0) as fn(&mut GroupCommitOptions),
        ),
        ("batch_size_max", |options| options.batch_size_max = 50_001),
        ("waiting_max", |options| options.waiting_max = 0),
        ("workers", |options| options.workers = 65),
        ("lock_timeout", |options| {
            options.lock_timeout = Duration::ZERO;
        }),
        ("detach_after", |options| {
            options.detach_after = Duration::MAX;
        }),
    ] {
        let mut options = GroupCommitOptions::default();
        change(&mut options);
        let error = bank.ledger.with_group_commit(options).unwrap_err();
        assert_eq!(error.limit, limit);
    }
}
