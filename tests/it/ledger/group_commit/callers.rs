//! Callers: thousands at once, dropped futures, deadlines and a full queue.

use std::time::{Duration, Instant};

use neobank_db::{Executor, statement};
use neobank_domain::{AccountId, LedgerError, TransferRequest};

use super::super::assert_exceeded;
use super::{
    Gate, ask, first_batch, one_worker, queued_callers, until, with_idempotency_key,
    without_timeouts,
};
use crate::harness::{Random, TestBank, czk, single};

on_both_versions!(
    two_thousand_concurrent_callers_are_answered,
    dropped_caller_disturbs_no_other,
    caller_dropped_at_any_moment_leaves_a_sound_journal,
    full_queue_rejects_at_once,
    deadline_ends_the_call_while_the_batch_waits,
    deadline_of_the_database_applies_to_callers,
    runtime_shutdown_answers_every_caller,
);

async fn two_thousand_concurrent_callers_are_answered(bank: TestBank) {
    let mut accounts = Vec::new();
    for _ in 0..20 {
        accounts.push(bank.account(czk("1000")).await);
    }
    let grouped = one_worker(&bank.ledger);
    let mut random = Random::new(2_000);
    let callers: Vec<_> = (0..2_000)
        .map(|number| {
            let (from, to) = random.pair(&accounts);
            let request =
                TransferRequest::new(from, to, czk("1")).with_idempotency_key(format!("k{number}"));
            ask(&grouped, request)
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    let metrics = grouped.group_commit_metrics();
    assert_eq!((metrics.requests, metrics.overloaded), (2_000, 0));
    assert!(
        metrics.batches < 200 && metrics.largest <= 1_000,
        "{metrics:?}"
    );
    assert_eq!(
        bank.count("banking.transfers WHERE transfer_type = 'transfer'")
            .await,
        2_000
    );
    bank.assert_sound().await;
}

async fn dropped_caller_disturbs_no_other(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let grouped = one_worker(&bank.ledger);
    let gate = Gate::close(&bank).await;
    // The caller whose batch waits for its lock is dropped too.
    let first = first_batch(&grouped, &gate).await;
    let callers = queued_callers(&grouped, (from, to), "1", 40).await;
    first.abort();
    for caller in callers.iter().step_by(2) {
        caller.abort();
    }
    until(|| grouped.group_commit_metrics().withdrawn == 21).await;
    let untouched = gate.to;
    gate.open().await;
    for (number, caller) in callers.into_iter().enumerate() {
        let gone = number % 2 == 0;
        match caller.await {
            Ok(outcome) => assert!(!gone && outcome.is_ok(), "{number}: {outcome:?}"),
            Err(error) => assert!(gone && error.is_cancelled()),
        }
        assert_eq!(
            with_idempotency_key(&bank, &number.to_string()).await,
            i64::from(!gone)
        );
    }
    assert_eq!(bank.balance(to).await, czk("20"));
    assert_eq!(bank.balance(untouched).await, czk("0"));
    assert_eq!(grouped.group_commit_metrics().requests, 21);
    bank.assert_sound().await;
}

async fn caller_dropped_at_any_moment_leaves_a_sound_journal(bank: TestBank) {
    let accounts: Vec<AccountId> = {
        let mut accounts = Vec::new();
        for _ in 0..4 {
            accounts.push(bank.account(czk("500")).await);
        }
        accounts
    };
    let grouped = one_worker(&bank.ledger);
    let callers: Vec<_> = (0..600)
        .map(|number| {
            let mut random = Random::new(number);
            let (from, to) = random.pair(&accounts);
            let request =
                TransferRequest::new(from, to, czk("1")).with_idempotency_key(format!("d{number}"));
            let limit = Duration::from_micros(random.below(150_000));
            let grouped = grouped.clone();
            tokio::spawn(async move {
                let transfer = grouped.transfer(request);
                tokio::time::timeout(limit, transfer).await.ok()
            })
        })
        .collect();
    let mut gone = 0;
    for (number, caller) in callers.into_iter().enumerate() {
        match caller.await.unwrap() {
            Some(outcome) => {
                outcome.unwrap();
                assert_eq!(with_idempotency_key(&bank, &format!("d{number}")).await, 1);
            }
            None => gone += 1,
        }
    }
    until(|| grouped.group_commit_metrics().workers == 0).await;
    let metrics = grouped.group_commit_metrics();
    assert!(metrics.withdrawn <= gone, "{metrics:?}");
    let there = bank
        .count("banking.transfers WHERE transfer_type = 'transfer'")
        .await;
    assert_eq!(
        there as u64,
        600 - metrics.withdrawn,
        "the others ran fully"
    );
    bank.assert_sound().await;
}

async fn full_queue_rejects_at_once(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let mut options = without_timeouts();
    options.workers = 1;
    options.waiting_max = 10;
    let grouped = bank.ledger.with_group_commit(options).unwrap();
    let gate = Gate::close(&bank).await;
    let first = first_batch(&grouped, &gate).await;
    let request = || TransferRequest::new(from, to, czk("1"));
    let mut callers: Vec<_> = (0..10).map(|_| ask(&grouped, request())).collect();
    until(|| grouped.group_commit_metrics().waiting == 10).await;
    for _ in 0..3 {
        match grouped.transfer(request()).await {
            Err(LedgerError::Overloaded { waiting, limit }) => {
                assert_eq!((waiting, limit), (10, 10));
            }
            other => panic!("{other:?}"),
        }
    }
    // A dropped caller makes room.
    callers.remove(4).abort();
    until(|| grouped.group_commit_metrics().withdrawn == 1).await;
    callers.push(ask(&grouped, request()));
    until(|| grouped.group_commit_metrics().waiting == 10).await;
    assert_eq!(grouped.group_commit_metrics().overloaded, 3);
    gate.open().await;
    first.await.unwrap().unwrap();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(bank.balance(to).await, czk("10"));
    bank.assert_sound().await;
}

async fn deadline_ends_the_call_while_the_batch_waits(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let grouped = one_worker(&bank.ledger);
    let gate = Gate::close(&bank).await;
    let started = Instant::now();
    let hurried = grouped.with_deadline(started + Duration::from_millis(200));
    // One request in the batch that waits for its lock, one in the queue behind it.
    let in_group = hurried.transfer(gate.request());
    let in_queue = async {
        until(|| grouped.group_commit_metrics().batches == 1).await;
        hurried
            .transfer(TransferRequest::new(from, to, czk("1")))
            .await
    };
    let unhurried = async {
        until(|| grouped.group_commit_metrics().batches == 1).await;
        grouped
            .transfer(TransferRequest::new(from, to, czk("2")))
            .await
    };
    let (gate_to, both) = (gate.to, async {
        let both = tokio::join!(in_group, in_queue);
        assert!(started.elapsed() >= Duration::from_millis(200));
        gate.open().await;
        both
    });
    let ((first, second), third) = tokio::join!(both, unhurried);
    assert_exceeded(&first);
    assert_exceeded(&second);
    third.unwrap();
    assert_eq!(bank.balance(gate_to).await, czk("0"));
    assert_eq!(bank.balance(to).await, czk("2"));
    bank.assert_sound().await;
}

async fn deadline_of_the_database_applies_to_callers(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let passed = bank.database.with_deadline(Instant::now());
    let grouped = one_worker(&single(passed));
    assert_exceeded(
        &grouped
            .transfer(TransferRequest::new(from, to, czk("1")))
            .await,
    );
    let later = Instant::now() + Duration::from_secs(60);
    assert_exceeded(
        &grouped
            .with_deadline(later)
            .transfer(TransferRequest::new(from, to, czk("1")))
            .await,
    );
    assert_eq!(bank.balance(to).await, czk("0"));
}

/// The worker is a task in the runtime of the first caller.
async fn runtime_shutdown_answers_every_caller(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let grouped = one_worker(&bank.ledger);
    let gate = Gate::close(&bank).await;
    let other = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (ledger, request) = (grouped.clone(), gate.request());
    drop(other.spawn(async move { ledger.transfer(request).await }));
    until(|| grouped.group_commit_metrics().batches == 1).await;
    let waiting = async {
        let outcome = grouped
            .transfer(TransferRequest::new(from, to, czk("1")))
            .await;
        assert!(matches!(outcome, Err(LedgerError::Stopped)), "{outcome:?}");
    };
    tokio::join!(waiting, async {
        until(|| grouped.group_commit_metrics().waiting == 1).await;
        other.shutdown_background();
    });
    gate.open().await;
    // Nothing was changed, and the next caller starts a worker in its own runtime.
    assert_eq!(bank.balance(to).await, czk("0"));
    grouped
        .transfer(TransferRequest::new(from, to, czk("3")))
        .await
        .unwrap();
    assert_eq!(bank.balance(to).await, czk("3"));
    let open: i64 = bank
        .database
        .fetch_value(statement(
            "SELECT count(*) FROM banking.transfers WHERE amount = 3",
            [],
        ))
        .await
        .unwrap();
    assert_eq!(open, 1);
    bank.assert_sound().await;
}
