//! The end of a hold's time, which is exact whether or not it has been recorded.

use std::time::Duration;

use neobank_db::{Executor, statement};
use neobank_domain::accounts::{self, AccountError, AccountStatus};
use neobank_domain::ledger::{
    AdjustmentRequest, CaptureRequest, Comparison, Condition, GroupRequest, HoldEventType,
    HoldFilter, HoldRequest, HoldStatus, ReleaseRequest, holds,
};
use neobank_domain::{AccountId, PostingRequest, Rejection, TransferRequest};
use rust_decimal::Decimal;

use super::{balances, fingerprint, hold, over, rejection};
use crate::harness::{TestBank, czk, grouped, single_with_cache};

on_both_versions!(
    capture_after_the_end_is_rejected_and_writes_nothing,
    readers_agree_with_the_next_decision,
    request_that_needs_the_room_ends_what_is_due,
    request_that_is_rejected_all_the_same_ends_nothing,
    group_sees_what_is_due_as_available,
    transfer_of_as_much_as_is_available_takes_what_is_due,
    holds_are_ended_in_the_order_of_their_ends,
    hold_that_was_ended_by_another_session_is_left_out,
    change_of_an_account_ends_what_is_due,
    adjustment_of_an_account_with_a_due_hold_is_not_stale,
);

async fn capture_after_the_end_is_rejected_and_writes_nothing(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let hold = over(&bank, from, czk("70")).await;
    let before = fingerprint(&bank).await;
    let capture = CaptureRequest::new(hold).with_destination(to);
    let rejected = rejection(bank.ledger.capture(capture).await);
    assert!(matches!(rejected, Rejection::HoldExpired { hold: named, .. } if named == hold));
    let release = rejection(bank.ledger.release(ReleaseRequest::new(hold)).await);
    assert!(
        matches!(release, Rejection::HoldExpired { .. }),
        "{release:?}"
    );
    assert_eq!(fingerprint(&bank).await, before);
    bank.assert_sound().await;
}

async fn readers_agree_with_the_next_decision(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    hold(&bank, account, czk("10")).await;
    let due = over(&bank, account, czk("70")).await;
    assert_eq!(balances(&bank, account).await, (czk("10"), czk("90")));
    let sql = "SELECT banking.available_balance($1)";
    let available: Decimal = bank
        .database
        .fetch_value(statement(sql, [account.as_uuid().into()]))
        .await
        .unwrap();
    assert_eq!(available, czk("90").amount());
    let found = holds::find(&bank.database, due).await.unwrap().unwrap();
    assert_eq!(
        (found.status, found.remaining),
        (HoldStatus::Expired, czk("0"))
    );
    assert_eq!(found.ended_at, found.expires_at);
    let with = |status| HoldFilter::new().of_account(account).with_status(status);
    let open = holds::list(&bank.database, &with(HoldStatus::Open), 10)
        .await
        .unwrap();
    assert_eq!(open.len(), 1);
    let expired = holds::list(&bank.database, &with(HoldStatus::Expired), 10)
        .await
        .unwrap();
    assert_eq!(expired.len(), 1);
    // The next decision says the same.
    let to = bank.account(czk("0")).await;
    let more = bank
        .ledger
        .transfer(TransferRequest::new(account, to, czk("90.01")))
        .await;
    assert!(matches!(
        rejection(more),
        Rejection::InsufficientFunds { available, .. } if available == czk("90")
    ));
    bank.ledger
        .transfer(TransferRequest::new(account, to, czk("90")))
        .await
        .unwrap();
    bank.assert_sound().await;
}

/// With cached accounts, without them, and by group commit.
async fn request_that_needs_the_room_ends_what_is_due(bank: TestBank) {
    let ledgers = [
        bank.ledger.clone(),
        single_with_cache(bank.database.clone(), 0),
        grouped(&bank.ledger),
    ];
    for ledger in ledgers {
        let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
        let pay = |amount| ledger.transfer(TransferRequest::new(from, to, czk(amount)));
        pay("1").await.unwrap();
        let due = over(&bank, from, czk("70")).await;
        pay("1").await.unwrap();
        pay("98").await.unwrap();
        let events = holds::events(&bank.database, due).await.unwrap();
        assert_eq!(events.len(), 2);
        assert_eq!(events[1].event_type, HoldEventType::Expired);
        assert_eq!(events[1].actor, None);
        assert_eq!(balances(&bank, from).await, (czk("0"), czk("0")));
        let new = bank
            .ledger
            .hold(HoldRequest::new(to, czk("100")))
            .await
            .unwrap();
        assert_eq!(new.held_balance, czk("100"));
    }
    bank.assert_sound().await;
}

async fn request_that_is_rejected_all_the_same_ends_nothing(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    over(&bank, from, czk("70")).await;
    let before = fingerprint(&bank).await;
    let more = bank
        .ledger
        .transfer(TransferRequest::new(from, to, czk("100.01")))
        .await;
    assert!(matches!(
        rejection(more),
        Rejection::InsufficientFunds { available, .. } if available == czk("100")
    ));
    let group = GroupRequest::new()
        .with_step(TransferRequest::new(from, to, czk("60")))
        .with_step(TransferRequest::new(from, to, czk("60")));
    rejection(bank.ledger.submit_group(group).await);
    assert_eq!(fingerprint(&bank).await, before);
    // Beside one that is accepted, and that needs the room.
    let requests =
        ["100.01", "100"].map(|amount| TransferRequest::new(from, to, czk(amount)).into());
    let outcomes = bank.ledger.submit_all(&requests).await.unwrap();
    assert!(outcomes[0].clone().into_receipt().is_err());
    assert!(outcomes[1].clone().into_receipt().is_ok());
    bank.assert_sound().await;
}

async fn group_sees_what_is_due_as_available(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    over(&bank, from, czk("70")).await;
    let condition = Condition::available(from, Comparison::Equal, czk("50"));
    let group = GroupRequest::new()
        .with_step(TransferRequest::new(from, to, czk("20")))
        .with_step(TransferRequest::new(from, to, czk("30")))
        .with_condition(condition);
    bank.ledger.submit_group(group).await.unwrap();
    bank.assert_sound().await;
}

async fn transfer_of_as_much_as_is_available_takes_what_is_due(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    hold(&bank, from, czk("10")).await;
    over(&bank, from, czk("70")).await;
    let request = TransferRequest::new(from, to, czk("1000")).up_to();
    let receipt = bank.ledger.transfer(request).await.unwrap();
    assert_eq!(receipt.amount, czk("90"));
    bank.assert_sound().await;
}

async fn holds_are_ended_in_the_order_of_their_ends(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let start = chrono::Utc::now() + Duration::from_millis(1_500);
    let mut holds = Vec::new();
    for number in [3_u64, 1, 2] {
        let end = start + Duration::from_millis(number * 10);
        let request = HoldRequest::new(account, czk("1")).with_expiry(end);
        let receipt = bank.ledger.hold(request).await.unwrap();
        holds.push((number, receipt.hold_id));
    }
    super::until_over(&bank, holds[0].1).await;
    holds.sort_by_key(|(number, _)| *number);
    let first = bank.ledger.expire_holds(2).await.unwrap();
    let ended: Vec<_> = first.iter().map(|receipt| receipt.hold_id).collect();
    assert_eq!(ended, [holds[0].1, holds[1].1]);
    assert_eq!(first[1].held_balance, czk("1"));
    assert_eq!(bank.ledger.expire_holds(2).await.unwrap().len(), 1);
    assert_eq!(bank.ledger.expire_holds(2).await.unwrap(), []);
    bank.assert_sound().await;
}

async fn hold_that_was_ended_by_another_session_is_left_out(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let end = chrono::Utc::now() + Duration::from_millis(600);
    let holds = (0..5).map(|_| HoldRequest::new(account, czk("1")).with_expiry(end));
    let requests: Vec<_> = holds.map(Into::into).collect();
    let outcomes = bank.ledger.submit_all(&requests).await.unwrap();
    let last = outcomes
        .into_iter()
        .last()
        .unwrap()
        .into_hold_receipt()
        .unwrap();
    super::until_over(&bank, last.hold_id).await;
    let sweeps = futures_util::future::join_all((0..4).map(|_| bank.ledger.expire_holds(10))).await;
    let ended: usize = sweeps.into_iter().map(|sweep| sweep.unwrap().len()).sum();
    assert_eq!(ended, 5);
    assert_eq!(
        bank.count("banking.hold_events WHERE event_type = 'expired'")
            .await,
        5
    );
    bank.assert_sound().await;
}

/// An account's row still has a hold whose time is over. Closing and a lower limit do not.
async fn change_of_an_account_ends_what_is_due(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let limit = |amount| accounts::set_overdraft_limit(&bank.database, account, czk(amount));
    limit("100").await.unwrap();
    let open = hold(&bank, account, czk("10")).await.hold_id;
    for amount in ["20", "30"] {
        over(&bank, account, czk(amount)).await;
    }
    // Nothing is recorded where the change fails for another reason.
    let before = fingerprint(&bank).await;
    let error = accounts::unfreeze(&bank.database, account)
        .await
        .unwrap_err();
    assert!(matches!(error, AccountError::Status { .. }), "{error:?}");
    assert_eq!(fingerprint(&bank).await, before);

    let error = limit("9").await.unwrap_err();
    assert!(
        matches!(error, AccountError::BelowLimit { balance, limit, .. }
            if balance == czk("-10") && limit == czk("9")),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("-10.00 CZK after its holds"),
        "{error}"
    );
    assert_eq!(
        bank.count("banking.hold_events WHERE event_type = 'expired'")
            .await,
        2
    );
    limit("10").await.unwrap();

    over_with_limit(&bank, account).await;
    let error = accounts::close(&bank.database, account).await.unwrap_err();
    assert!(
        matches!(&error, AccountError::OpenHolds { held, holds, .. }
            if *held == czk("10") && *holds == [open]),
        "{error:?}"
    );
    bank.ledger
        .release(ReleaseRequest::new(open))
        .await
        .unwrap();
    over_with_limit(&bank, account).await;
    let closed = accounts::close(&bank.database, account).await.unwrap();
    assert_eq!(closed.status, AccountStatus::Closed);
    bank.assert_sound().await;
}

async fn over_with_limit(bank: &TestBank, account: AccountId) {
    accounts::set_overdraft_limit(&bank.database, account, czk("50"))
        .await
        .unwrap();
    over(bank, account, czk("5")).await;
}

/// The ledger increments the account's version when it records the end of a hold. The caller has not
/// seen that change, so its version is not stale.
async fn adjustment_of_an_account_with_a_due_hold_is_not_stale(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    over(&bank, account, czk("70")).await;
    let seen = bank.find(account).await.version;
    let stale = AdjustmentRequest::new(account, czk("60"), seen + 1);
    let rejected = rejection(bank.ledger.submit(stale).await);
    assert!(matches!(rejected, Rejection::StaleVersion { .. }));
    let adjustment = AdjustmentRequest::new(account, czk("60"), seen);
    bank.ledger.submit(adjustment).await.unwrap();
    assert_eq!(balances(&bank, account).await, (czk("0"), czk("60")));
    assert_eq!(bank.find(account).await.version, seen + 2);

    over(&bank, account, czk("50")).await;
    let seen = bank.find(account).await.version;
    // The version after the step, which the caller computes from the one that it has seen.
    let group = GroupRequest::new()
        .with_step(PostingRequest::deposit(account, czk("1")))
        .with_condition(Condition::version(account, seen + 1));
    bank.ledger.submit_group(group).await.unwrap();
    assert_eq!(balances(&bank, account).await, (czk("0"), czk("61")));
    bank.assert_sound().await;
}
