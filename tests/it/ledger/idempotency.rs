//! Idempotency: a transfer with a key happens once.

use futures_util::future::join_all;
use neobank_db::{Database, ErrorClass, Executor, IsolationLevel, TransactionOptions};
use neobank_domain::accounts;
use neobank_domain::ledger::{Outcome, Request};
use neobank_domain::{
    AccountId, AccountStatus, LedgerError, PostingRequest, Receipt, Rejection, TransferRequest,
};

use crate::harness::{TestBank, czk, grouped, single, single_with_cache};

on_both_versions!(
    same_key_and_request_return_the_first_receipt,
    same_key_with_another_request_is_rejected,
    repeated_key_within_a_batch_happens_once,
    repeated_key_within_a_transaction_happens_once,
    sixty_four_concurrent_repetitions_happen_once,
    same_key_on_different_accounts_happens_once,
    rejected_request_leaves_its_key_unused,
    key_outside_the_snapshot_fails_the_transaction,
    used_key_comes_before_any_rejection,
    leap_second_is_rejected,
);

async fn same_key_and_request_return_the_first_receipt(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let request = TransferRequest::new(from, to, czk("60"))
        .with_description("Rent")
        .with_idempotency_key("rent");
    let first = bank.ledger.transfer(request.clone()).await.unwrap();
    bank.ledger
        .transfer(TransferRequest::new(from, to, czk("40")))
        .await
        .unwrap();
    let before = bank.fingerprint().await;
    // The balances have changed since; the receipt is the first one.
    for _ in 0..3 {
        assert_eq!(bank.ledger.transfer(request.clone()).await.unwrap(), first);
    }
    // Another process gets the same receipt.
    let other = single(Database::connect(bank.config()).await.unwrap());
    assert_eq!(other.transfer(request.clone()).await.unwrap(), first);
    // The same number in another notation is the same request.
    assert_eq!(
        bank.ledger
            .transfer(
                TransferRequest::new(from, to, czk("60.00"))
                    .with_description("Rent")
                    .with_idempotency_key("rent")
            )
            .await
            .unwrap(),
        first
    );
    assert_eq!(bank.fingerprint().await, before);
}

async fn same_key_with_another_request_is_rejected(bank: TestBank) {
    let (from, to) = (
        bank.account(czk("100")).await,
        bank.account(czk("100")).await,
    );
    let other = bank.account(czk("100")).await;
    let first = bank
        .ledger
        .transfer(TransferRequest::new(from, to, czk("1")).with_idempotency_key("k"))
        .await
        .unwrap();
    let before = bank.fingerprint().await;
    let others: Vec<Request> = vec![
        TransferRequest::new(from, to, czk("2"))
            .with_idempotency_key("k")
            .into(),
        TransferRequest::new(to, from, czk("1"))
            .with_idempotency_key("k")
            .into(),
        TransferRequest::new(from, other, czk("1"))
            .with_idempotency_key("k")
            .into(),
        TransferRequest::new(other, to, czk("1"))
            .with_idempotency_key("k")
            .into(),
        TransferRequest::new(from, to, czk("1"))
            .with_description("x")
            .with_idempotency_key("k")
            .into(),
        PostingRequest::deposit(to, czk("1"))
            .with_idempotency_key("k")
            .into(),
    ];
    for request in others {
        let rejected = bank.ledger.submit(request.clone()).await.unwrap_err();
        let LedgerError::Rejected(Rejection::KeyReused {
            key,
            first: used_for,
        }) = rejected
        else {
            panic!("{request:?}: {rejected:?}")
        };
        assert_eq!((key.as_str(), used_for), ("k", first.transfer_id));
    }
    assert_eq!(bank.fingerprint().await, before);
}

async fn repeated_key_within_a_batch_happens_once(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let request = Request::from(TransferRequest::new(from, to, czk("1")).with_idempotency_key("a"));
    let another = Request::from(TransferRequest::new(from, to, czk("2")).with_idempotency_key("a"));
    let outcomes = bank
        .ledger
        .submit_all(&[request.clone(), request.clone(), another])
        .await
        .unwrap();
    let [
        Outcome::Posted(first),
        Outcome::Replayed(second),
        Outcome::Rejected(Rejection::KeyReused { .. }),
    ] = outcomes.as_slice()
    else {
        panic!("{outcomes:?}")
    };
    assert_eq!(first, second);
    assert_eq!(bank.balance(to).await, czk("1"));
    bank.assert_sound().await;
}

async fn repeated_key_within_a_transaction_happens_once(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let request = TransferRequest::new(from, to, czk("1")).with_idempotency_key("a");
    let mut transaction = bank.database.begin().await.unwrap();
    let first = bank
        .ledger
        .transfer_in(&mut transaction, request.clone())
        .await
        .unwrap();
    let second = bank
        .ledger
        .transfer_in(&mut transaction, request)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(first, second);
    assert_eq!(bank.balance(to).await, czk("1"));
}

async fn sixty_four_concurrent_repetitions_happen_once(bank: TestBank) {
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    for key in 0..20 {
        let request =
            TransferRequest::new(from, to, czk("1")).with_idempotency_key(format!("key {key}"));
        let receipts = join_all((0..64).map(|_| bank.ledger.transfer(request.clone()))).await;
        let first = receipts[0].as_ref().unwrap();
        assert!(
            receipts
                .iter()
                .all(|receipt| receipt.as_ref().unwrap() == first)
        );
    }
    assert_eq!(bank.balance(to).await, czk("20"));
    bank.assert_sound().await;
}

/// The requests share no account, so only the unique index orders them.
async fn same_key_on_different_accounts_happens_once(bank: TestBank) {
    let mut pairs = Vec::new();
    for _ in 0..16 {
        pairs.push((bank.account(czk("100")).await, bank.account(czk("0")).await));
    }
    for round in 0..10 {
        let attempts = pairs.iter().map(|(from, to)| {
            bank.ledger.transfer(
                TransferRequest::new(*from, *to, czk("1"))
                    .with_idempotency_key(format!("round {round}")),
            )
        });
        let outcomes = join_all(attempts).await;
        let posted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(posted, 1, "{outcomes:?}");
        for outcome in outcomes {
            assert!(
                matches!(
                    outcome,
                    Ok(_) | Err(LedgerError::Rejected(Rejection::KeyReused { .. }))
                ),
                "{outcome:?}"
            );
        }
    }
    bank.assert_sound().await;
}

async fn rejected_request_leaves_its_key_unused(bank: TestBank) {
    let (from, to) = (bank.account(czk("0")).await, bank.account(czk("0")).await);
    let request = TransferRequest::new(from, to, czk("5")).with_idempotency_key("later");
    assert!(bank.ledger.transfer(request.clone()).await.is_err());
    bank.ledger
        .submit(PostingRequest::deposit(from, czk("5")))
        .await
        .unwrap();
    assert!(bank.ledger.transfer(request).await.is_ok());
    assert_eq!(bank.balance(to).await, czk("5"));
}

/// A repeatable-read transaction with an older snapshot cannot see the key: it fails, and neither
/// loops nor posts.
async fn key_outside_the_snapshot_fails_the_transaction(bank: TestBank) {
    use neobank_db::statement;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let (other_from, other_to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let options = TransactionOptions::default().with_isolation(IsolationLevel::RepeatableRead);
    let mut transaction = bank.database.begin_with(options).await.unwrap();
    transaction
        .fetch_value::<i32>(statement("SELECT 1", []))
        .await
        .unwrap();
    bank.ledger
        .transfer(TransferRequest::new(other_from, other_to, czk("1")).with_idempotency_key("k"))
        .await
        .unwrap();
    let failed = bank
        .ledger
        .transfer_in(
            &mut transaction,
            TransferRequest::new(from, to, czk("1")).with_idempotency_key("k"),
        )
        .await;
    let Err(LedgerError::Database(error)) = failed else {
        panic!("{failed:?}")
    };
    assert!(
        matches!(
            error.class(),
            ErrorClass::UniqueViolation | ErrorClass::SerializationFailure
        ),
        "{error:?}"
    );
    transaction.commit().await.unwrap();
    assert_eq!(bank.balance(to).await, czk("0"));
    bank.assert_sound().await;
}

/// Sends the request in every way that the ledger has; in each, another request posts before it.
async fn every_way(bank: &TestBank, other: &Request, request: &Request) -> Vec<Outcome> {
    let both = [other.clone(), request.clone()];
    let outcome = |answer: Result<Receipt, LedgerError>, first: &Receipt| match answer {
        Ok(receipt) if receipt == *first => Outcome::Replayed(receipt),
        Ok(receipt) => Outcome::Posted(receipt),
        Err(LedgerError::Rejected(rejection)) => Outcome::Rejected(rejection),
        Err(error) => panic!("{error:?}"),
    };
    let first = bank.ledger.submit(other.clone()).await.unwrap();
    let direct = bank.ledger.submit(request.clone()).await;
    let mut outcomes = Vec::new();
    match direct {
        Ok(receipt) => outcomes.push(Outcome::Replayed(receipt)),
        answer => outcomes.push(outcome(answer, &first)),
    }
    // The first call caches the accounts for an optimistic attempt.
    for ledger in [
        bank.ledger.clone(),
        single_with_cache(bank.database.clone(), 0),
    ] {
        let mut list = ledger.submit_all(&both).await.unwrap();
        assert!(matches!(list[0], Outcome::Posted(_)), "{list:?}");
        outcomes.push(list.remove(1));
    }
    let grouped = grouped(&bank.ledger);
    for _ in 0..3 {
        let (posted, answer) = tokio::join!(
            grouped.submit(other.clone()),
            grouped.submit(request.clone())
        );
        posted.unwrap();
        match answer {
            Ok(receipt) => outcomes.push(Outcome::Replayed(receipt)),
            answer => outcomes.push(outcome(answer, &first)),
        }
    }
    let mut transaction = bank.database.begin().await.unwrap();
    let mut list = bank
        .ledger
        .submit_all_in(&mut transaction, &both)
        .await
        .unwrap();
    outcomes.push(list.remove(1));
    transaction.commit().await.unwrap();
    outcomes
}

async fn used_key_comes_before_any_rejection(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let (payer, payee) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let other = Request::from(TransferRequest::new(payer, payee, czk("1")));
    let rent = |from: AccountId, to: AccountId, amount: &str| {
        Request::from(TransferRequest::new(from, to, czk(amount)).with_idempotency_key("rent"))
    };
    let first = bank.ledger.submit(rent(from, to, "100")).await.unwrap();
    let bad_text = TransferRequest::new(from, to, czk("100")).with_description("\0");
    let mut others = vec![
        rent(from, to, "99"),
        rent(from, to, "101"),
        rent(from, from, "100"),
        rent(from, to, "0"),
        rent(from, to, "-1"),
        rent(from, AccountId::new(), "100"),
        Request::from(bad_text.with_idempotency_key("rent")),
    ];
    for status in [
        AccountStatus::Active,
        AccountStatus::Frozen,
        AccountStatus::Closed,
    ] {
        match status {
            AccountStatus::Frozen => {
                accounts::freeze(&bank.database, from).await.unwrap();
            }
            AccountStatus::Closed => {
                accounts::unfreeze(&bank.database, from).await.unwrap();
                accounts::close(&bank.database, from).await.unwrap();
            }
            _ => {}
        }
        for outcome in every_way(&bank, &other, &rent(from, to, "100")).await {
            assert_eq!(outcome, Outcome::Replayed(first.clone()), "payer {status}");
        }
        for request in &mut others {
            for outcome in every_way(&bank, &other, request).await {
                assert!(
                    matches!(&outcome, Outcome::Rejected(Rejection::KeyReused { first: used, .. })
                             if *used == first.transfer_id),
                    "payer {status}, {request:?}: {outcome:?}"
                );
            }
        }
        bank.ledger
            .submit(PostingRequest::deposit(payer, czk("100")))
            .await
            .unwrap();
    }
    // Without a completed transfer, the same requests are rejected for their own reasons.
    let free =
        Request::from(TransferRequest::new(payee, payee, czk("1")).with_idempotency_key("free"));
    for outcome in every_way(&bank, &other, &free).await {
        assert!(
            matches!(outcome, Outcome::Rejected(Rejection::SameAccount { .. })),
            "{outcome:?}"
        );
    }
    bank.assert_sound().await;
}

/// The database would store the next second, and a replay would return another time.
async fn leap_second_is_rejected(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let time = "2016-12-31T23:59:60.5Z".parse().unwrap();
    let request = PostingRequest::deposit(account, czk("1")).effective_at(time);
    for request in [request.clone(), request.with_idempotency_key("leap")] {
        let rejected = bank.ledger.submit(request).await.unwrap_err();
        assert!(
            matches!(rejected, LedgerError::Rejected(Rejection::LeapSecond { event_time }) if event_time == time),
            "{rejected:?}"
        );
    }
}
