//! Limits of accounts: by transfer, day and hours, under load and against outdated caches.

use neobank_domain::accounts::limits::{self, AccountLimit, Window};
use neobank_domain::ledger::{
    CaptureRequest, GroupRequest, HoldRequest, LedgerError, Outcome, Rejection,
};
use neobank_domain::{AccountId, Ledger, PostingRequest, Request, TransferRequest};
use neobank_entity::enums::EntryType;

use crate::harness::{TestBank, czk, grouped, single};

on_both_versions!(
    limit_of_a_day_is_shared_by_64_callers,
    outdated_cache_does_not_pass_a_new_limit,
    group_above_a_limit_posts_nothing,
    capture_counts_and_hold_does_not,
    removed_limit_counts_no_more,
);

async fn limited(bank: &TestBank, window: Window, amount: &str) -> [AccountId; 2] {
    let accounts = [
        bank.account(czk("1000")).await,
        bank.account(czk("1000")).await,
    ];
    let limit = AccountLimit::new(EntryType::Debit, window, czk(amount));
    limits::set(&bank.database, accounts[0], &limit)
        .await
        .unwrap();
    accounts
}

async fn submit(ledger: &Ledger, request: Request) -> Outcome {
    ledger.submit_all(&[request]).await.unwrap().remove(0)
}

#[track_caller]
fn assert_posted(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Posted(_)), "{outcome:?}");
}

#[track_caller]
fn assert_exceeded(outcome: &Outcome) {
    let Outcome::Rejected(rejection) = outcome else {
        panic!("{outcome:?}")
    };
    let rejection = match rejection {
        Rejection::GroupStep { reason, .. } => reason,
        other => other,
    };
    assert!(
        matches!(rejection, Rejection::LimitExceeded { .. }),
        "{rejection:?}"
    );
}

async fn limit_of_a_day_is_shared_by_64_callers(bank: TestBank) {
    let [from, to] = limited(&bank, Window::Rolling(24), "100").await;
    let ledger = grouped(&bank.ledger);
    let other = grouped(&single(bank.database.clone()));
    let calls = (0..64_u8).map(|number| {
        let ledger = if number % 2 == 0 {
            ledger.clone()
        } else {
            other.clone()
        };
        tokio::spawn(async move {
            ledger
                .submit(TransferRequest::new(from, to, czk("7")))
                .await
        })
    });
    let mut posted = 0;
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(_) => posted += 1,
            Err(LedgerError::Rejected(Rejection::LimitExceeded { .. })) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(posted, 14);
    let uses = limits::list(&bank.database, from).await.unwrap();
    assert_eq!(uses[0].used, czk("98"));
    assert_eq!(uses[0].remaining, czk("2"));
    bank.assert_sound().await;
}

async fn outdated_cache_does_not_pass_a_new_limit(bank: TestBank) {
    let accounts = [
        bank.account(czk("100")).await,
        bank.account(czk("100")).await,
    ];
    let [from, to] = accounts;
    let transfer = || Request::from(TransferRequest::new(from, to, czk("10")));
    let ledgers = [bank.ledger.clone(), single(bank.database.clone())];
    for ledger in &ledgers {
        assert_posted(&submit(ledger, transfer()).await);
    }
    let limit = AccountLimit::new(EntryType::Debit, Window::Day, czk("25"));
    limits::set(&bank.database, from, &limit).await.unwrap();
    for ledger in &ledgers {
        assert_exceeded(&submit(ledger, transfer()).await);
    }
    bank.assert_sound().await;
}

async fn group_above_a_limit_posts_nothing(bank: TestBank) {
    let [from, to] = limited(&bank, Window::Day, "15").await;
    let step = || Request::from(TransferRequest::new(from, to, czk("10")));
    let outcomes = bank
        .ledger
        .submit_all(&[
            GroupRequest::new()
                .with_step(step())
                .with_step(step())
                .into(),
            step(),
            step(),
        ])
        .await
        .unwrap();
    assert_exceeded(&outcomes[0]);
    assert_posted(&outcomes[1]);
    assert_exceeded(&outcomes[2]);
    assert_eq!(bank.balance(from).await, czk("990"));
}

async fn capture_counts_and_hold_does_not(bank: TestBank) {
    let [from, to] = limited(&bank, Window::Day, "15").await;
    let mut holds = Vec::new();
    for _ in 0..2 {
        let hold = bank.ledger.hold(HoldRequest::new(from, czk("10"))).await;
        holds.push(hold.unwrap().hold_id);
    }
    let capture = |hold| Request::from(CaptureRequest::new(hold).with_destination(to));
    assert_posted(&submit(&bank.ledger, capture(holds[0])).await);
    assert_exceeded(&submit(&bank.ledger, capture(holds[1])).await);
    bank.assert_sound().await;
}

async fn removed_limit_counts_no_more(bank: TestBank) {
    let [from, _] = limited(&bank, Window::Transfer, "5").await;
    let withdrawal = || Request::from(PostingRequest::withdrawal(from, czk("6")));
    assert_exceeded(&submit(&bank.ledger, withdrawal()).await);
    let remove = || {
        limits::remove(
            &bank.database,
            from,
            EntryType::Debit,
            None,
            Window::Transfer,
        )
    };
    assert!(remove().await.unwrap());
    assert!(!remove().await.unwrap());
    assert_posted(&submit(&bank.ledger, withdrawal()).await);
    bank.assert_sound().await;
}
