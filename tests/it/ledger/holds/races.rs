//! Simultaneous changes of one hold: exactly one wins, and the others are told why.
//!
//! `NEOBANK_HOLD_RACES` sets the number of rounds.

use std::time::Duration;

use chrono::{DateTime, Utc};
use neobank_domain::ledger::{
    CaptureRequest, GroupRequest, HoldRequest, HoldStatus, Outcome, ReleaseRequest, holds,
};
use neobank_domain::{AccountId, HoldId, Ledger, LedgerError, Rejection, Request, TransferRequest};

use super::balances;
use crate::harness::{TestBank, czk, grouped};

on_both_versions!(
    two_captures_race,
    capture_races_with_release,
    capture_races_with_the_end_of_its_time,
    capture_races_with_its_own_retry,
    group_races_with_single_changes_of_its_hold,
    group_races_with_the_end_of_its_hold,
);

const ROUNDS: u32 = 150;

fn rounds() -> u32 {
    std::env::var("NEOBANK_HOLD_RACES").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// Two accounts with enough money, and a ledger of each kind.
async fn field(bank: &TestBank) -> (AccountId, AccountId, [Ledger; 2]) {
    let (from, to) = (
        bank.account(czk("1000000")).await,
        bank.account(czk("0")).await,
    );
    (from, to, [bank.ledger.clone(), grouped(&bank.ledger)])
}

/// Returns the ledgers, the other one first in every second round.
fn in_turn([one, other]: &[Ledger; 2], round: u32) -> (&Ledger, &Ledger) {
    if round.is_multiple_of(2) {
        (one, other)
    } else {
        (other, one)
    }
}

/// Makes a hold that ends within milliseconds, and returns it with its end; `None` if the time was
/// over before.
async fn short_hold(
    bank: &TestBank,
    from: AccountId,
    round: u32,
) -> Option<(HoldId, DateTime<Utc>)> {
    let end = Utc::now() + Duration::from_micros(u64::from(5_000 + (round % 40) * 500));
    let request = HoldRequest::new(from, czk("10")).with_expiry(end);
    match bank.ledger.hold(request).await {
        Ok(hold) => Some((hold.hold_id, end)),
        Err(LedgerError::Rejected(Rejection::HoldEndsInThePast { .. })) => None,
        Err(other) => panic!("{other:?}"),
    }
}

async fn sleep_until(end: DateTime<Utc>) {
    let left = end.signed_duration_since(Utc::now()).to_std();
    tokio::time::sleep(left.unwrap_or_default()).await;
}

async fn two_captures_race(bank: TestBank) {
    let (from, to, ledgers) = field(&bank).await;
    for round in 0..rounds() {
        let hold = super::hold(&bank, from, czk("10")).await.hold_id;
        let [one, other] = &ledgers;
        let other = if round % 2 == 0 { one } else { other };
        let capture = || CaptureRequest::new(hold).with_destination(to);
        let (one, other) = tokio::join!(one.capture(capture()), other.capture(capture()));
        let loser = match (one, other) {
            (Ok(_), Err(loser)) | (Err(loser), Ok(_)) => loser,
            both => panic!("{both:?}"),
        };
        assert!(
            matches!(loser, LedgerError::Rejected(Rejection::HoldCaptured { hold: named }) if named == hold),
            "{loser:?}"
        );
    }
    let moved = czk(&(rounds() * 10).to_string());
    assert_eq!(bank.balance(to).await, moved);
    assert_eq!(balances(&bank, from).await.0, czk("0"));
    bank.assert_sound().await;
}

async fn capture_races_with_release(bank: TestBank) {
    let (from, to, ledgers) = field(&bank).await;
    let mut captures = 0_u32;
    for round in 0..rounds() {
        let hold = super::hold(&bank, from, czk("10")).await.hold_id;
        let (one, other) = in_turn(&ledgers, round);
        let capture = one.capture(CaptureRequest::new(hold).with_destination(to));
        let release = other.release(ReleaseRequest::new(hold));
        match tokio::join!(capture, release) {
            (Ok(_), Err(LedgerError::Rejected(Rejection::HoldCaptured { .. }))) => captures += 1,
            (Err(LedgerError::Rejected(Rejection::HoldReleased { .. })), Ok(_)) => {}
            both => panic!("{both:?}"),
        }
    }
    assert_eq!(bank.balance(to).await, czk(&(captures * 10).to_string()));
    assert_eq!(balances(&bank, from).await.0, czk("0"));
    bank.assert_sound().await;
}

async fn capture_races_with_the_end_of_its_time(bank: TestBank) {
    let (from, to, ledgers) = field(&bank).await;
    let mut captures = 0_u32;
    for round in 0..rounds() {
        let Some((hold, end)) = short_hold(&bank, from, round).await else {
            continue;
        };
        let (one, other) = in_turn(&ledgers, round);
        // Both arrive around the end.
        sleep_until(end).await;
        let capture = one.capture(CaptureRequest::new(hold).with_destination(to));
        let (capture, sweep) = tokio::join!(capture, other.expire_holds(10));
        let swept = sweep.unwrap();
        let found = holds::find(&bank.database, hold).await.unwrap().unwrap();
        match capture {
            Ok(_) => {
                captures += 1;
                assert!(swept.iter().all(|receipt| receipt.hold_id != hold));
                assert_eq!(found.status, HoldStatus::Captured);
            }
            Err(LedgerError::Rejected(Rejection::HoldExpired { .. })) => {
                assert_eq!(found.status, HoldStatus::Expired);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    bank.ledger.expire_holds(1_000).await.unwrap();
    assert_eq!(bank.balance(to).await, czk(&(captures * 10).to_string()));
    assert_eq!(balances(&bank, from).await.0, czk("0"));
    bank.assert_sound().await;
}

async fn capture_races_with_its_own_retry(bank: TestBank) {
    let (from, to, ledgers) = field(&bank).await;
    for round in 0..rounds() {
        let hold = super::hold(&bank, from, czk("10")).await.hold_id;
        let [one, other] = &ledgers;
        let capture = || {
            CaptureRequest::new(hold)
                .with_destination(to)
                .with_idempotency_key(format!("round {round}"))
        };
        let (one, other) = tokio::join!(one.capture(capture()), other.capture(capture()));
        assert_eq!(one.unwrap(), other.unwrap());
    }
    assert_eq!(bank.balance(to).await, czk(&(rounds() * 10).to_string()));
    bank.assert_sound().await;
}

/// Returns a group that captures a hold, and makes and releases another one.
fn capturing_group(from: AccountId, to: AccountId, hold: HoldId) -> GroupRequest {
    GroupRequest::new()
        .with_step(HoldRequest::new(from, czk("3")))
        .with_step(CaptureRequest::new(hold).with_destination(to))
        .with_step(ReleaseRequest::of_step(0))
}

/// Returns the reason of a rejection, or that of the step of a group.
fn reason(lost: LedgerError) -> Rejection {
    match lost {
        LedgerError::Rejected(Rejection::GroupStep { reason, .. }) => *reason,
        LedgerError::Rejected(reason) => reason,
        other => panic!("{other:?}"),
    }
}

async fn group_races_with_single_changes_of_its_hold(bank: TestBank) {
    let (from, to, ledgers) = field(&bank).await;
    let mut moved = 0_u32;
    for round in 0..rounds() {
        let hold = super::hold(&bank, from, czk("10")).await.hold_id;
        let (one, other) = in_turn(&ledgers, round);
        let rival: Request = match round % 3 {
            0 => CaptureRequest::new(hold).with_destination(to).into(),
            1 => ReleaseRequest::new(hold).into(),
            _ => GroupRequest::new()
                .with_step(TransferRequest::new(from, to, czk("10")))
                .with_step(ReleaseRequest::new(hold))
                .into(),
        };
        let group = one.outcome(capturing_group(from, to, hold));
        let (lost, moves) = match tokio::join!(group, other.outcome(rival)) {
            (Ok(Outcome::GroupPosted(_)), Err(lost)) => (lost, true),
            (Err(lost), Ok(won)) => (lost, won.receipts().next().is_some()),
            both => panic!("{both:?}"),
        };
        moved += if moves { 10 } else { 0 };
        let lost = reason(lost);
        assert!(
            matches!(lost, Rejection::HoldCaptured { hold: named }
                | Rejection::HoldReleased { hold: named } if named == hold),
            "{lost:?}"
        );
    }
    assert_eq!(bank.balance(to).await, czk(&moved.to_string()));
    assert_eq!(balances(&bank, from).await.0, czk("0"));
    bank.assert_sound().await;
}

async fn group_races_with_the_end_of_its_hold(bank: TestBank) {
    let (from, to, ledgers) = field(&bank).await;
    let mut captures = 0_u32;
    for round in 0..rounds() {
        let Some((hold, end)) = short_hold(&bank, from, round).await else {
            continue;
        };
        let [one, other] = &ledgers;
        sleep_until(end).await;
        let group = one.outcome(capturing_group(from, to, hold));
        let (group, swept) = tokio::join!(group, other.expire_holds(10));
        swept.unwrap();
        match group {
            Ok(_) => captures += 1,
            Err(lost) => {
                let lost = reason(lost);
                assert!(
                    matches!(lost, Rejection::HoldExpired { hold: named, .. } if named == hold),
                    "{lost:?}"
                );
            }
        }
    }
    assert_eq!(bank.balance(to).await, czk(&(captures * 10).to_string()));
    bank.ledger.expire_holds(1_000).await.unwrap();
    assert_eq!(balances(&bank, from).await.0, czk("0"));
    bank.assert_sound().await;
}
