//! Retries of holds, captures and releases by their keys.

use neobank_domain::ledger::{CaptureRequest, HoldRequest, Outcome, ReleaseRequest};
use neobank_domain::{Rejection, TransferRequest};

use super::{fingerprint, hold, rejection};
use crate::harness::{TestBank, czk, grouped};

on_both_versions!(
    retries_get_the_first_receipt,
    retries_in_one_batch_get_the_first_receipt,
    concurrent_retries_hold_once,
    key_of_another_request_is_rejected,
    rejection_does_not_burn_its_key,
    transfer_with_a_holds_key_does_not_hide_the_hold,
);

async fn retries_get_the_first_receipt(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let end = chrono::Utc::now() + std::time::Duration::from_secs(3_600);
    let request = HoldRequest::new(from, czk("50"))
        .with_destination(to)
        .with_expiry(end)
        .with_description("Room")
        .with_idempotency_key("hold");
    let first = bank.ledger.hold(request.clone()).await.unwrap();
    let capture = CaptureRequest::new(first.hold_id)
        .with_amount(czk("20"))
        .more_to_come()
        .with_idempotency_key("capture");
    let captured = bank.ledger.capture(capture.clone()).await.unwrap();
    let release = ReleaseRequest::new(first.hold_id).with_idempotency_key("release");
    let released = bank.ledger.release(release.clone()).await.unwrap();
    let before = fingerprint(&bank).await;
    for ledger in [bank.ledger.clone(), grouped(&bank.ledger)] {
        assert_eq!(ledger.hold(request.clone()).await.unwrap(), first);
        assert_eq!(ledger.capture(capture.clone()).await.unwrap(), captured);
        assert_eq!(ledger.release(release.clone()).await.unwrap(), released);
    }
    assert_eq!(fingerprint(&bank).await, before);
    bank.assert_sound().await;
}

async fn retries_in_one_batch_get_the_first_receipt(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let request = || {
        HoldRequest::new(account, czk("60"))
            .with_idempotency_key("hold")
            .into()
    };
    let outcomes = bank
        .ledger
        .submit_all(&[request(), request()])
        .await
        .unwrap();
    match &outcomes[..] {
        [Outcome::Hold(first), Outcome::HoldReplayed(second)] => assert_eq!(first, second),
        other => panic!("{other:?}"),
    }
    assert_eq!(bank.count("banking.hold_events").await, 1);
    bank.assert_sound().await;
}

async fn concurrent_retries_hold_once(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let request = || HoldRequest::new(account, czk("60")).with_idempotency_key("hold");
    let calls = (0..8).map(|_| bank.ledger.hold(request()));
    let receipts = futures_util::future::join_all(calls).await;
    let first = receipts[0].as_ref().unwrap();
    for receipt in &receipts {
        assert_eq!(receipt.as_ref().unwrap(), first);
    }
    assert_eq!(bank.count("banking.holds").await, 1);
    bank.assert_sound().await;
}

async fn key_of_another_request_is_rejected(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let transfer = TransferRequest::new(from, to, czk("1")).with_idempotency_key("transfer");
    let transfer = bank.ledger.transfer(transfer).await.unwrap().transfer_id;
    let held = HoldRequest::new(from, czk("10")).with_idempotency_key("hold");
    let held = bank.ledger.hold(held).await.unwrap().hold_id;
    let before = fingerprint(&bank).await;
    let with_key = |key: &str| HoldRequest::new(from, czk("11")).with_idempotency_key(key);
    assert!(matches!(
        rejection(bank.ledger.hold(with_key("transfer")).await),
        Rejection::KeyReused { first, .. } if first == transfer
    ));
    assert!(matches!(
        rejection(bank.ledger.hold(with_key("hold")).await),
        Rejection::KeyOfHold { first, .. } if first == held
    ));
    let release = ReleaseRequest::new(held).with_idempotency_key("hold");
    assert!(matches!(
        rejection(bank.ledger.release(release).await),
        Rejection::KeyOfHold { first, .. } if first == held
    ));
    for key in ["hold", "transfer"] {
        let capture = CaptureRequest::new(held)
            .with_destination(to)
            .with_idempotency_key(key);
        let rejected = rejection(bank.ledger.capture(capture).await);
        assert!(
            matches!(
                rejected,
                Rejection::KeyOfHold { .. } | Rejection::KeyReused { .. }
            ),
            "{rejected:?}"
        );
    }
    assert_eq!(fingerprint(&bank).await, before);
    bank.assert_sound().await;
}

async fn rejection_does_not_burn_its_key(bank: TestBank) {
    let (from, to) = (
        bank.account(czk("10")).await,
        bank.account(czk("100")).await,
    );
    let request = HoldRequest::new(from, czk("60")).with_idempotency_key("late");
    rejection(bank.ledger.hold(request.clone()).await);
    bank.ledger
        .transfer(TransferRequest::new(to, from, czk("50")))
        .await
        .unwrap();
    let late = bank.ledger.hold(request.clone()).await.unwrap();
    assert_eq!(bank.ledger.hold(request).await.unwrap(), late);
    hold(&bank, to, czk("50")).await;
    bank.assert_sound().await;
}

async fn transfer_with_a_holds_key_does_not_hide_the_hold(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let transfer = TransferRequest::new(from, to, czk("1"));
    let held = HoldRequest::new(from, czk("10")).with_idempotency_key("hold");
    let first = bank.ledger.hold(held.clone()).await.unwrap();
    let released = ReleaseRequest::new(first.hold_id).with_idempotency_key("release");
    let end = bank.ledger.release(released.clone()).await.unwrap();
    for key in ["hold", "release"] {
        let moved = transfer.clone().with_idempotency_key(key);
        let receipt = bank.ledger.transfer(moved.clone()).await.unwrap();
        for ledger in [bank.ledger.clone(), grouped(&bank.ledger)] {
            assert_eq!(ledger.hold(held.clone()).await.unwrap(), first);
            assert_eq!(ledger.release(released.clone()).await.unwrap(), end);
            assert_eq!(ledger.transfer(moved.clone()).await.unwrap(), receipt);
            let outcomes = ledger
                .submit_all(&[
                    moved.clone().into(),
                    held.clone().into(),
                    released.clone().into(),
                ])
                .await
                .unwrap();
            let expected = [
                Outcome::Replayed(receipt.clone()),
                Outcome::HoldReplayed(first.clone()),
                Outcome::HoldReplayed(end.clone()),
            ];
            assert_eq!(outcomes, expected);
        }
    }
    bank.assert_sound().await;
}
