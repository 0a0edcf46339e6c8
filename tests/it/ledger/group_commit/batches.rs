//! Batches: their contents, their cost and the outcomes of their callers.

use neobank_db::Database;
use neobank_domain::{AccountId, LedgerError, Rejection, TransferRequest};

use super::{Gate, as_one_batch, first_batch, one_worker, queued_callers, until, without_timeouts};
use crate::harness::{CountingProxy, TestBank, czk, single};

on_both_versions!(
    lone_caller_has_a_batch_of_its_own,
    callers_share_a_batch_in_the_order_of_arrival,
    batch_costs_one_round_trip,
    caller_gets_its_own_outcome,
    repeated_key_in_a_batch_moves_money_once,
    batch_keeps_to_the_largest_size,
    batches_work_behind_a_transaction_pooler,
);

async fn lone_caller_has_a_batch_of_its_own(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let grouped = one_worker(&bank.ledger);
    for number in 1..=10 {
        let receipt = grouped
            .transfer(TransferRequest::new(from, to, czk("2")))
            .await
            .unwrap();
        assert_eq!(receipt.credit.entry_number, number);
    }
    let metrics = grouped.group_commit_metrics();
    assert_eq!(
        (metrics.batches, metrics.requests, metrics.largest),
        (10, 10, 1)
    );
    assert_eq!(metrics.sizes, [(1, 10)]);
    // Without waiting requests there is no worker.
    until(|| grouped.group_commit_metrics().workers == 0).await;
    assert_eq!(bank.balance(to).await, czk("20"));
    bank.assert_sound().await;
}

async fn callers_share_a_batch_in_the_order_of_arrival(bank: TestBank) {
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let grouped = one_worker(&bank.ledger);
    let requests = (1..=200)
        .map(|number| TransferRequest::new(from, to, czk(&number.to_string())))
        .collect();
    let outcomes = as_one_batch(&bank, &grouped, requests).await;
    let metrics = grouped.group_commit_metrics();
    assert_eq!((metrics.batches, metrics.largest), (2, 200), "{metrics:?}");
    // 1 + 2 + … + 44 = 990: the 45th request is the first to exceed the balance, and so do all
    // later ones.
    for (number, outcome) in (1..).zip(outcomes) {
        match outcome {
            Ok(receipt) if number <= 44 => {
                assert_eq!(receipt.credit.entry_number, number);
                assert_eq!(receipt.amount, czk(&number.to_string()));
            }
            Err(LedgerError::Rejected(Rejection::InsufficientFunds { available, .. }))
                if number > 44 =>
            {
                assert_eq!(available, czk("10"));
            }
            other => panic!("{number}: {other:?}"),
        }
    }
    assert_eq!(bank.balance(to).await, czk("990"));
    bank.assert_sound().await;
}

async fn batch_costs_one_round_trip(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let proxy = CountingProxy::before(bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    config.pool_max = 1;
    let ledger = single(Database::connect(config).await.unwrap());
    let grouped = one_worker(&ledger);
    let keyed = |number: usize| {
        TransferRequest::new(from, to, czk("1")).with_idempotency_key(format!("trip {number}"))
    };
    // The first call prepares the statements.
    grouped.transfer(keyed(0)).await.unwrap();
    let before = proxy.round_trips();
    let outcomes = as_one_batch(&bank, &grouped, (1..=40).map(keyed).collect()).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    // Two round trips for the first request, whose accounts must be read; one for the forty behind
    // it.
    assert_eq!(proxy.round_trips() - before, 3);
    assert_eq!(grouped.group_commit_metrics().batches, 3);
}

async fn caller_gets_its_own_outcome(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let holder = AccountId::new();
    let grouped = one_worker(&bank.ledger);
    let completed = grouped
        .transfer(TransferRequest::new(from, to, czk("5")).with_idempotency_key("completed"))
        .await
        .unwrap();
    let outcomes = as_one_batch(
        &bank,
        &grouped,
        vec![
            TransferRequest::new(from, to, czk("60")),
            TransferRequest::new(from, to, czk("60")),
            TransferRequest::new(from, holder, czk("1")),
            TransferRequest::new(from, from, czk("1")),
            TransferRequest::new(from, to, czk("5")).with_idempotency_key("completed"),
            TransferRequest::new(to, from, czk("65")),
            TransferRequest::new(from, to, czk("6")).with_idempotency_key("completed"),
            TransferRequest::new(from, to, czk("1")).with_idempotency_key("with a \0 inside"),
            TransferRequest::new(from, to, czk("1")).with_description("x".repeat(501)),
        ],
    )
    .await;
    let expected = |number: usize| match &outcomes[number] {
        Ok(receipt) => {
            let left = receipt.debit.running_balance.amount().normalize();
            format!("{} {left}", receipt.amount.amount().normalize())
        }
        Err(LedgerError::Rejected(rejection)) => {
            let name = format!("{rejection:?}");
            name.split([' ', '{']).next().unwrap().to_owned()
        }
        Err(other) => panic!("{number}: {other:?}"),
    };
    let answers: Vec<_> = (0..outcomes.len()).map(expected).collect();
    assert_eq!(
        answers[..7],
        [
            "60 35",
            "InsufficientFunds",
            "UnknownAccount",
            "SameAccount",
            "5 95",
            "65 0",
            "KeyReused",
        ]
    );
    assert_eq!(outcomes[4].as_ref().unwrap(), &completed);
    assert!(outcomes[7..].iter().all(Result::is_err));
    assert_eq!(bank.balance(from).await, czk("100"));
    bank.assert_sound().await;
}

async fn repeated_key_in_a_batch_moves_money_once(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let grouped = one_worker(&bank.ledger);
    let keyed =
        |amount: &str| TransferRequest::new(from, to, czk(amount)).with_idempotency_key("rent");
    let requests = vec![keyed("10"), keyed("10"), keyed("11"), keyed("10")];
    let outcomes = as_one_batch(&bank, &grouped, requests).await;
    let first = outcomes[0].as_ref().unwrap();
    assert_eq!(outcomes[1].as_ref().unwrap(), first);
    assert_eq!(outcomes[3].as_ref().unwrap(), first);
    assert!(matches!(
        &outcomes[2],
        Err(LedgerError::Rejected(Rejection::KeyReused { first: transfer, .. }))
            if *transfer == first.transfer_id
    ));
    assert_eq!(bank.balance(to).await, czk("10"));
    bank.assert_sound().await;
}

async fn batch_keeps_to_the_largest_size(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let mut options = without_timeouts();
    options.workers = 1;
    options.batch_size_max = 10;
    let grouped = bank.ledger.with_group_commit(options).unwrap();
    let requests = vec![TransferRequest::new(from, to, czk("1")); 35];
    let outcomes = as_one_batch(&bank, &grouped, requests).await;
    for (number, outcome) in (1..).zip(outcomes) {
        assert_eq!(outcome.unwrap().credit.entry_number, number);
    }
    let metrics = grouped.group_commit_metrics();
    assert_eq!((metrics.batches, metrics.largest), (5, 10));
    assert_eq!(metrics.sizes, [(1, 1), (4, 1), (8, 3)]);
}

async fn batches_work_behind_a_transaction_pooler(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let mut config = bank.config();
    config.pooler = neobank_db::Pooler::Transaction;
    let ledger = single(Database::connect(config).await.unwrap());
    let grouped = one_worker(&ledger);
    let gate = Gate::close(&bank).await;
    let first = first_batch(&grouped, &gate).await;
    let callers = queued_callers(&grouped, (from, to), "4", 30).await;
    gate.open().await;
    first.await.unwrap().unwrap();
    let mut done = 0;
    for caller in callers {
        done += usize::from(caller.await.unwrap().is_ok());
    }
    assert_eq!((done, grouped.group_commit_metrics().batches), (25, 2));
    assert_eq!(bank.balance(from).await, czk("0"));
    bank.assert_sound().await;
}
