//! What a group is, what it costs, and what each of its callers gets.

use neobank_db::Database;
use neobank_domain::{AccountId, LedgerError, Rejection, TransferRequest};

use super::{Gate, as_one_group, first_group, one_lane, patient, until};
use crate::harness::{CountingProxy, TestBank, czk, single};

on_both_versions!(
    a_lone_caller_has_a_group_of_its_own,
    callers_share_a_group_in_the_order_of_their_arrival,
    a_group_costs_one_round_trip,
    each_caller_has_its_own_outcome,
    a_key_that_repeats_in_a_group_moves_money_once,
    groups_have_a_largest_size,
    the_same_promises_hold_behind_a_transaction_pooler,
);

async fn a_lone_caller_has_a_group_of_its_own(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let gathered = one_lane(&bank.ledger);
    for number in 1..=10 {
        let receipt = gathered
            .transfer(TransferRequest::new(from, to, czk("2")))
            .await
            .unwrap();
        assert_eq!(receipt.credit.entry_number, number);
    }
    let metrics = gathered.group_commit_metrics();
    assert_eq!(
        (metrics.groups, metrics.requests, metrics.largest),
        (10, 10, 1)
    );
    assert_eq!(metrics.sizes, [(1, 10)]);
    // Nothing goes on when nobody waits.
    until(|| gathered.group_commit_metrics().workers == 0).await;
    assert_eq!(bank.balance(to).await, czk("20"));
    bank.assert_sound().await;
}

async fn callers_share_a_group_in_the_order_of_their_arrival(bank: TestBank) {
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let gathered = one_lane(&bank.ledger);
    let requests = (1..=200)
        .map(|number| TransferRequest::new(from, to, czk(&number.to_string())))
        .collect();
    let outcomes = as_one_group(&bank, &gathered, requests).await;
    let metrics = gathered.group_commit_metrics();
    assert_eq!((metrics.groups, metrics.largest), (2, 200), "{metrics:?}");
    // 1 + 2 + … + 44 = 990: the 45th is the first that is too much, and nothing fits any more.
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

async fn a_group_costs_one_round_trip(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let proxy = CountingProxy::before(bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    config.pool_max = 1;
    let ledger = single(Database::connect(config).await.unwrap());
    let gathered = one_lane(&ledger);
    let keyed = |number: usize| {
        TransferRequest::new(from, to, czk("1")).with_idempotency_key(format!("trip {number}"))
    };
    // Prepares the statements.
    gathered.transfer(keyed(0)).await.unwrap();
    let before = proxy.round_trips();
    let outcomes = as_one_group(&bank, &gathered, (1..=40).map(keyed).collect()).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    // Two for the request in front, whose accounts are new and have to be read; one for the forty behind it.
    assert_eq!(proxy.round_trips() - before, 3);
    assert_eq!(gathered.group_commit_metrics().groups, 3);
}

async fn each_caller_has_its_own_outcome(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let stranger = AccountId::new();
    let gathered = one_lane(&bank.ledger);
    let known = gathered
        .transfer(TransferRequest::new(from, to, czk("5")).with_idempotency_key("known"))
        .await
        .unwrap();
    let outcomes = as_one_group(
        &bank,
        &gathered,
        vec![
            TransferRequest::new(from, to, czk("60")),
            TransferRequest::new(from, to, czk("60")),
            TransferRequest::new(from, stranger, czk("1")),
            TransferRequest::new(from, from, czk("1")),
            TransferRequest::new(from, to, czk("5")).with_idempotency_key("known"),
            TransferRequest::new(to, from, czk("65")),
            TransferRequest::new(from, to, czk("6")).with_idempotency_key("known"),
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
    let told: Vec<_> = (0..outcomes.len()).map(expected).collect();
    assert_eq!(
        told[..7],
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
    assert_eq!(outcomes[4].as_ref().unwrap(), &known);
    assert!(outcomes[7..].iter().all(Result::is_err));
    assert_eq!(bank.balance(from).await, czk("100"));
    bank.assert_sound().await;
}

async fn a_key_that_repeats_in_a_group_moves_money_once(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let gathered = one_lane(&bank.ledger);
    let keyed =
        |amount: &str| TransferRequest::new(from, to, czk(amount)).with_idempotency_key("rent");
    let requests = vec![keyed("10"), keyed("10"), keyed("11"), keyed("10")];
    let outcomes = as_one_group(&bank, &gathered, requests).await;
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

async fn groups_have_a_largest_size(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let mut options = patient();
    options.workers = 1;
    options.group_size_max = 10;
    let gathered = bank.ledger.with_group_commit(options).unwrap();
    let requests = vec![TransferRequest::new(from, to, czk("1")); 35];
    let outcomes = as_one_group(&bank, &gathered, requests).await;
    for (number, outcome) in (1..).zip(outcomes) {
        assert_eq!(outcome.unwrap().credit.entry_number, number);
    }
    let metrics = gathered.group_commit_metrics();
    assert_eq!((metrics.groups, metrics.largest), (5, 10));
    assert_eq!(metrics.sizes, [(1, 1), (4, 1), (8, 3)]);
}

async fn the_same_promises_hold_behind_a_transaction_pooler(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let mut config = bank.config();
    config.pooler = neobank_db::Pooler::Transaction;
    let ledger = single(Database::connect(config).await.unwrap());
    let gathered = one_lane(&ledger);
    let gate = Gate::close(&bank).await;
    let first = first_group(&gathered, &gate).await;
    let callers: Vec<_> = (0..30)
        .map(|number| {
            let request =
                TransferRequest::new(from, to, czk("4")).with_idempotency_key(format!("{number}"));
            let gathered = gathered.clone();
            tokio::spawn(async move { gathered.transfer(request).await })
        })
        .collect();
    until(|| gathered.group_commit_metrics().waiting == 30).await;
    gate.open().await;
    first.await.unwrap().unwrap();
    let mut done = 0;
    for caller in callers {
        done += usize::from(caller.await.unwrap().is_ok());
    }
    assert_eq!((done, gathered.group_commit_metrics().groups), (25, 2));
    assert_eq!(bank.balance(from).await, czk("0"));
    bank.assert_sound().await;
}
