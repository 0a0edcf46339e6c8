//! Several workers, and writers outside of them, on the same few accounts.

use std::sync::Arc;
use std::time::Duration;

use neobank_db::{Executor, statement};
use neobank_domain::ledger::group_commit::GroupCommitOptions;
use neobank_domain::{AccountId, Ledger, LedgerError, TransferRequest};

use super::super::concurrency::random::Random;
use super::{Gate, first_group, patient, until};
use crate::harness::{TestBank, czk};

on_both_versions!(
    lanes_never_wait_in_a_circle,
    a_lane_leaves_to_another_what_is_its,
    a_key_asked_for_in_every_lane_moves_money_once,
    limits_that_cannot_be_are_refused,
);

fn workers(bank: &TestBank, workers: usize, group_size_max: usize) -> Ledger {
    let mut options = GroupCommitOptions::default();
    options.workers = workers;
    options.group_size_max = group_size_max;
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

async fn lanes_never_wait_in_a_circle(bank: TestBank) {
    let mut accounts = Vec::new();
    for _ in 0..6 {
        accounts.push(bank.account(czk("300")).await);
    }
    let accounts: Arc<[AccountId]> = accounts.into();
    let gathered = workers(&bank, 4, 8);
    let tasks: Vec<_> = (0..48)
        .map(|task| {
            let (gathered, ledger) = (gathered.clone(), bank.ledger.clone());
            let accounts = Arc::clone(&accounts);
            tokio::spawn(async move {
                let mut random = Random::new(task);
                for _ in 0..25 {
                    let (from, to) = random.pair(&accounts);
                    let request = TransferRequest::new(from, to, czk("1"));
                    // Every fourth writer is outside of the workers.
                    match task % 4 {
                        0 => ledger.transfer(request).await,
                        _ => gathered.transfer(request).await,
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
    // One that had to wait for a writer outside of the workers may have been set apart, and is counted again when it comes back.
    let metrics = gathered.group_commit_metrics();
    let again = metrics.requests.checked_sub(900).unwrap();
    assert!(again <= metrics.apart, "{metrics:?}");
    bank.assert_sound().await;
}

/// While one worker waits for a lock, another carries out what has nothing to do with it; and what has waits behind it, so
/// that an account's requests keep their order.
async fn a_lane_leaves_to_another_what_is_its(bank: TestBank) {
    let (between, last) = (bank.account(czk("0")).await, bank.account(czk("0")).await);
    let (from, to) = (bank.account(czk("9")).await, bank.account(czk("0")).await);
    let gathered = bank.ledger.with_group_commit(patient()).unwrap();
    let gate = Gate::close(&bank).await;
    let paid = gate.to;
    let first = first_group(&gathered, &gate).await;
    let move_on = |from, to| gathered.transfer(TransferRequest::new(from, to, czk("1")));
    // Each of these has money only when the one before it was carried out.
    let chain = async { tokio::join!(move_on(paid, between), move_on(between, last)) };
    let free = async {
        for number in 1..=5 {
            let receipt = move_on(from, to).await.unwrap();
            assert_eq!(receipt.debit.entry_number, number + 1);
        }
        until(|| gathered.group_commit_metrics().workers == 1).await;
        assert_eq!(gathered.group_commit_metrics().waiting, 2);
        gate.open().await;
    };
    let ((one, two), ()) = tokio::join!(chain, free);
    first.await.unwrap().unwrap();
    assert_eq!(one.unwrap().credit.entry_number, 1);
    assert_eq!(two.unwrap().debit.entry_number, 2);
    assert_eq!(bank.balance(last).await, czk("1"));
    assert_eq!(gathered.group_commit_metrics().groups, 7);
    bank.assert_sound().await;
}

async fn a_key_asked_for_in_every_lane_moves_money_once(bank: TestBank) {
    let (from, to) = (bank.account(czk("500")).await, bank.account(czk("0")).await);
    let others: Vec<(AccountId, AccountId)> = {
        let mut pairs = vec![(from, to)];
        for _ in 0..3 {
            pairs.push((bank.account(czk("500")).await, bank.account(czk("0")).await));
        }
        pairs
    };
    let gathered = workers(&bank, 4, 16);
    // The same keys on different accounts, so that no lock keeps the workers apart: one of them wins each key.
    let callers: Vec<_> = (0..400_usize)
        .map(|number| {
            let (from, to) = others[number % 4];
            let key = format!("key {}", (number * 7) / 4 % 50);
            let request = TransferRequest::new(from, to, czk("1")).with_idempotency_key(key);
            let gathered = gathered.clone();
            tokio::spawn(async move { gathered.transfer(request).await })
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

async fn limits_that_cannot_be_are_refused(bank: TestBank) {
    for (limit, change) in [
        (
            "group_size_max",
            (|options| options.group_size_max = 0) as fn(&mut GroupCommitOptions),
        ),
        ("group_size_max", |options| options.group_size_max = 50_001),
        ("waiting_max", |options| options.waiting_max = 0),
        ("workers", |options| options.workers = 65),
        ("lock_patience", |options| {
            options.lock_patience = Duration::ZERO;
        }),
        ("silence_patience", |options| {
            options.silence_patience = Duration::MAX;
        }),
    ] {
        let mut options = GroupCommitOptions::default();
        change(&mut options);
        let error = bank.ledger.with_group_commit(options).unwrap_err();
        assert_eq!(error.limit, limit);
    }
}
