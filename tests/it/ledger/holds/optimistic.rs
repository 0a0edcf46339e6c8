//! Holds, captures and releases that are decided on cached state, without locks.

use std::time::Duration;

use neobank_domain::ledger::{CaptureRequest, HoldRequest, ReleaseRequest};
use neobank_domain::{AccountId, Ledger, Rejection, TransferRequest, accounts};

use super::{balances, fingerprint, hold, rejection, until_over};
use crate::harness::{TestBank, czk};

on_both_versions!(
    holds_captures_and_releases_take_no_locks,
    receipts_have_the_times_of_the_database,
    hold_of_another_process_is_known_after_its_look_up,
    change_by_another_process_is_seen,
    destination_frozen_by_another_process_rejects_the_hold,
    hold_that_is_over_cannot_be_captured,
    key_of_a_transfer_rejects_a_hold_and_the_other_way_round,
);

/// Returns a ledger of another process, which has an account cache of its own.
fn other(bank: &TestBank) -> Ledger {
    Ledger::new(bank.database.clone())
}

/// Fills a ledger's account cache with accounts.
async fn warm(ledger: &Ledger, from: AccountId, to: AccountId) {
    for (from, to) in [(from, to), (to, from)] {
        let request = TransferRequest::new(from, to, czk("1"));
        ledger.transfer(request).await.unwrap();
    }
}

/// Runs a request, and asserts that its only batch was decided without locks.
async fn without_locks<T>(ledger: &Ledger, request: impl Future<Output = T>) -> T {
    let before = ledger.account_cache_metrics();
    let answer = request.await;
    let after = ledger.account_cache_metrics();
    assert_eq!(after.committed, before.committed + 1, "{after:?}");
    assert_eq!(
        (after.conflicts, after.not_attempted),
        (before.conflicts, before.not_attempted)
    );
    answer
}

async fn holds_captures_and_releases_take_no_locks(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("9")).await);
    let ledger = other(&bank);
    warm(&ledger, from, to).await;
    let request = HoldRequest::new(from, czk("60")).with_idempotency_key("hold");
    let held = without_locks(&ledger, ledger.hold(request)).await.unwrap();
    assert_eq!(balances(&bank, from).await, (czk("60"), czk("40")));
    let part = CaptureRequest::new(held.hold_id)
        .with_destination(to)
        .with_amount(czk("20"))
        .more_to_come()
        .with_idempotency_key("part");
    let part = without_locks(&ledger, ledger.capture(part)).await.unwrap();
    assert_eq!(part.amount, czk("20"));
    // What is held is not available to a transfer that is decided without locks.
    let request = TransferRequest::new(from, to, czk("40.01"));
    let rejected = rejection(ledger.transfer(request).await);
    assert!(
        matches!(rejected, Rejection::InsufficientFunds { available, .. }
        if available == czk("40"))
    );
    let last = CaptureRequest::new(held.hold_id)
        .with_destination(to)
        .with_amount(czk("15"));
    without_locks(&ledger, ledger.capture(last)).await.unwrap();
    assert_eq!(balances(&bank, from).await, (czk("0"), czk("65")));
    let other = HoldRequest::new(from, czk("65"));
    let other = without_locks(&ledger, ledger.hold(other)).await.unwrap();
    let release = ReleaseRequest::new(other.hold_id).with_idempotency_key("release");
    without_locks(&ledger, ledger.release(release))
        .await
        .unwrap();
    assert_eq!(balances(&bank, from).await, (czk("0"), czk("65")));
    let request = TransferRequest::new(from, to, czk("65"));
    without_locks(&ledger, ledger.transfer(request))
        .await
        .unwrap();
    bank.assert_sound().await;
}

async fn receipts_have_the_times_of_the_database(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("9")).await);
    let ledger = other(&bank);
    warm(&ledger, from, to).await;
    let request = HoldRequest::new(from, czk("60")).with_idempotency_key("hold");
    let first = without_locks(&ledger, ledger.hold(request.clone()));
    let first = first.await.unwrap();
    // The retry reads its receipt from the database.
    let replayed = other(&bank).hold(request).await.unwrap();
    assert_eq!(replayed, first);
    bank.assert_sound().await;
}

async fn hold_of_another_process_is_known_after_its_look_up(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("9")).await);
    let held = hold(&bank, from, czk("60")).await;
    let ledger = other(&bank);
    warm(&ledger, from, to).await;
    let capture = CaptureRequest::new(held.hold_id).with_destination(to);
    let captured = without_locks(&ledger, ledger.capture(capture));
    assert_eq!(captured.await.unwrap().amount, czk("60"));
    bank.assert_sound().await;
}

async fn change_by_another_process_is_seen(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("9")).await);
    let (first, second) = (other(&bank), other(&bank));
    warm(&first, from, to).await;
    let held = first.hold(HoldRequest::new(from, czk("60"))).await.unwrap();
    let capture = |amount| {
        CaptureRequest::new(held.hold_id)
            .with_destination(to)
            .with_amount(czk(amount))
            .more_to_come()
    };
    // Each ledger has cached a state that the other one has changed.
    second.capture(capture("20")).await.unwrap();
    first.capture(capture("30")).await.unwrap();
    let rejected = rejection(second.capture(capture("10.01")).await);
    assert!(
        matches!(rejected, Rejection::MoreThanHeld { remaining, .. } if remaining == czk("10"))
    );
    first
        .release(ReleaseRequest::new(held.hold_id))
        .await
        .unwrap();
    let rejected = rejection(second.capture(capture("10")).await);
    assert!(
        matches!(rejected, Rejection::HoldReleased { .. }),
        "{rejected:?}"
    );
    assert_eq!(balances(&bank, from).await, (czk("0"), czk("50")));
    bank.assert_sound().await;
}

async fn destination_frozen_by_another_process_rejects_the_hold(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("9")).await);
    let ledger = other(&bank);
    warm(&ledger, from, to).await;
    accounts::freeze(&bank.database, to).await.unwrap();
    let before = fingerprint(&bank).await;
    let request = HoldRequest::new(from, czk("1")).with_destination(to);
    let rejected = rejection(ledger.hold(request).await);
    assert!(
        matches!(rejected, Rejection::NotActive { account, .. } if account == to),
        "{rejected:?}"
    );
    assert_eq!(fingerprint(&bank).await, before);
    bank.assert_sound().await;
}

async fn hold_that_is_over_cannot_be_captured(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("9")).await);
    let ledger = other(&bank);
    warm(&ledger, from, to).await;
    let soon = chrono::Utc::now() + Duration::from_millis(1_500);
    let request = HoldRequest::new(from, czk("60")).with_expiry(soon);
    let held = without_locks(&ledger, ledger.hold(request)).await.unwrap();
    until_over(&bank, held.hold_id).await;
    let capture = CaptureRequest::new(held.hold_id).with_destination(to);
    let rejected = rejection(ledger.capture(capture).await);
    assert!(
        matches!(rejected, Rejection::HoldExpired { .. }),
        "{rejected:?}"
    );
    // All of it is available again, to a decision that began without locks.
    let request = TransferRequest::new(from, to, czk("100"));
    ledger.transfer(request).await.unwrap();
    let past = HoldRequest::new(to, czk("1")).with_expiry(soon);
    let rejected = rejection(ledger.hold(past).await);
    assert!(
        matches!(rejected, Rejection::HoldEndsInThePast { .. }),
        "{rejected:?}"
    );
    bank.assert_sound().await;
}

async fn key_of_a_transfer_rejects_a_hold_and_the_other_way_round(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("9")).await);
    let ledger = other(&bank);
    warm(&ledger, from, to).await;
    let paid = TransferRequest::new(from, to, czk("1")).with_idempotency_key("paid");
    ledger.transfer(paid).await.unwrap();
    let request = HoldRequest::new(from, czk("5")).with_idempotency_key("paid");
    let rejected = rejection(ledger.hold(request).await);
    assert!(
        matches!(rejected, Rejection::KeyReused { .. }),
        "{rejected:?}"
    );
    let request = HoldRequest::new(from, czk("5")).with_idempotency_key("held");
    let held = ledger.hold(request).await.unwrap().hold_id;
    let capture = CaptureRequest::new(held)
        .with_destination(to)
        .with_idempotency_key("held");
    let rejected = rejection(ledger.capture(capture).await);
    assert!(
        matches!(rejected, Rejection::KeyOfHold { .. }),
        "{rejected:?}"
    );
    let release = ReleaseRequest::new(held).with_idempotency_key("paid");
    let rejected = rejection(ledger.release(release).await);
    assert!(
        matches!(rejected, Rejection::KeyReused { .. }),
        "{rejected:?}"
    );
    assert_eq!(balances(&bank, from).await, (czk("5"), czk("94")));
    bank.assert_sound().await;
}
