//! A hold from its beginning to its end.

use neobank_db::{Executor, statement};
use neobank_domain::TransferRequest;
use neobank_domain::accounts::{self, AccountError};
use neobank_domain::ledger::{
    Actor, CaptureRequest, HoldEventType, HoldFilter, HoldRequest, HoldStatus, Metadata,
    ReleaseRequest, ReversalRequest, holds,
};

use super::{balances, hold, rejection};
use crate::harness::{TestBank, czk};

on_both_versions!(
    hold_lowers_what_is_available_and_leaves_the_balance,
    capture_of_all_ends_the_hold,
    capture_of_a_part_releases_the_rest,
    several_captures_take_the_hold_until_nothing_remains,
    release_gives_back_what_the_hold_took_of_the_overdraft,
    sixth_hold_of_a_fifth_of_the_balance_is_rejected,
    capture_can_be_reversed_once,
    events_record_actor_and_metadata,
    account_with_holds_is_not_closed_and_the_error_names_them,
    lists_filter_by_account_state_and_key,
);

async fn hold_lowers_what_is_available_and_leaves_the_balance(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let entries = bank.count("banking.transactions").await;
    let receipt = hold(&bank, account, czk("60.25")).await;
    assert_eq!(receipt.event_type, HoldEventType::Authorised);
    assert_eq!(receipt.remaining, czk("60.25"));
    assert_eq!(receipt.held_balance, czk("60.25"));
    assert_eq!(bank.balance(account).await, czk("100"));
    assert_eq!(balances(&bank, account).await, (czk("60.25"), czk("39.75")));
    assert_eq!(bank.count("banking.transactions").await, entries);
    let to = bank.account(czk("0")).await;
    let transfer = bank
        .ledger
        .transfer(TransferRequest::new(account, to, czk("39.76")))
        .await;
    let said = rejection(transfer).to_string();
    assert!(said.contains("39.75 CZK available"), "{said}");
    bank.ledger
        .transfer(TransferRequest::new(account, to, czk("39.75")))
        .await
        .unwrap();
    bank.assert_sound().await;
}

async fn capture_of_all_ends_the_hold(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let request = HoldRequest::new(from, czk("100")).with_destination(to);
    let hold = bank.ledger.hold(request).await.unwrap().hold_id;
    let receipt = bank
        .ledger
        .capture(CaptureRequest::new(hold))
        .await
        .unwrap();
    assert_eq!(receipt.hold, Some(hold));
    assert_eq!(receipt.amount, czk("100"));
    assert_eq!(receipt.debit.running_balance, czk("0"));
    assert_eq!(balances(&bank, from).await, (czk("0"), czk("0")));
    assert_eq!(bank.balance(to).await, czk("100"));
    let found = holds::find(&bank.database, hold).await.unwrap().unwrap();
    assert_eq!(
        (found.status, found.remaining),
        (HoldStatus::Captured, czk("0"))
    );
    assert!(found.ended_at.is_some());
    bank.assert_sound().await;
}

async fn capture_of_a_part_releases_the_rest(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let hold = hold(&bank, from, czk("80")).await.hold_id;
    let capture = CaptureRequest::new(hold)
        .with_amount(czk("30"))
        .with_destination(to);
    let transfer = bank.ledger.capture(capture).await.unwrap().transfer_id;
    assert_eq!(balances(&bank, from).await, (czk("0"), czk("70")));
    let events = holds::events(&bank.database, hold).await.unwrap();
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.event_type,
                event.amount,
                event.remaining,
                event.held_balance,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (HoldEventType::Authorised, czk("80"), czk("80"), czk("80")),
            (HoldEventType::Captured, czk("30"), czk("50"), czk("50")),
            (HoldEventType::Released, czk("50"), czk("0"), czk("0")),
        ]
    );
    assert!(
        events[1..]
            .iter()
            .all(|event| event.transfer_id == Some(transfer))
    );
    let found = holds::find(&bank.database, hold).await.unwrap().unwrap();
    assert_eq!(found.status, HoldStatus::Captured);
    bank.assert_sound().await;
}

async fn several_captures_take_the_hold_until_nothing_remains(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let hold = hold(&bank, from, czk("90")).await.hold_id;
    let part = || {
        CaptureRequest::new(hold)
            .with_destination(to)
            .with_amount(czk("30"))
    };
    for (left, available) in [("60", "10"), ("30", "10")] {
        bank.ledger.capture(part().more_to_come()).await.unwrap();
        assert_eq!(balances(&bank, from).await, (czk(left), czk(available)));
    }
    bank.ledger.capture(part().more_to_come()).await.unwrap();
    assert_eq!(balances(&bank, from).await, (czk("0"), czk("10")));
    let found = holds::find(&bank.database, hold).await.unwrap().unwrap();
    assert_eq!(found.status, HoldStatus::Captured);
    assert_eq!(bank.balance(to).await, czk("90"));
    bank.assert_sound().await;
}

async fn release_gives_back_what_the_hold_took_of_the_overdraft(bank: TestBank) {
    let account = bank.account(czk("10")).await;
    accounts::set_overdraft_limit(&bank.database, account, czk("50"))
        .await
        .unwrap();
    let receipt = hold(&bank, account, czk("60")).await;
    assert_eq!(balances(&bank, account).await, (czk("60"), czk("0")));
    let released = bank
        .ledger
        .release(ReleaseRequest::new(receipt.hold_id))
        .await
        .unwrap();
    assert_eq!(released.amount, czk("60"));
    assert_eq!(released.event_type, HoldEventType::Released);
    assert_eq!(balances(&bank, account).await, (czk("0"), czk("60")));
    bank.assert_sound().await;
}

async fn sixth_hold_of_a_fifth_of_the_balance_is_rejected(bank: TestBank) {
    let account = bank.account(czk("5000")).await;
    for _ in 0..5 {
        hold(&bank, account, czk("1000")).await;
    }
    let sixth = bank
        .ledger
        .hold(HoldRequest::new(account, czk("1000")))
        .await;
    let said = rejection(sixth).to_string();
    assert!(said.contains("0.00 CZK available"), "{said}");
    assert_eq!(balances(&bank, account).await, (czk("5000"), czk("0")));
    assert_eq!(bank.count("banking.holds").await, 5);
    bank.assert_sound().await;
}

async fn capture_can_be_reversed_once(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let hold = hold(&bank, from, czk("40")).await.hold_id;
    let capture = CaptureRequest::new(hold).with_destination(to);
    let transfer = bank.ledger.capture(capture).await.unwrap().transfer_id;
    bank.ledger
        .reverse(ReversalRequest::new(transfer))
        .await
        .unwrap();
    assert_eq!(balances(&bank, from).await, (czk("0"), czk("100")));
    let again = bank.ledger.reverse(ReversalRequest::new(transfer)).await;
    let said = rejection(again).to_string();
    assert!(said.contains("reversed completely"), "{said}");
    bank.assert_sound().await;
}

async fn events_record_actor_and_metadata(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let teller = |name: &str| bank.ledger.acting_as(name.parse::<Actor>().unwrap());
    let metadata: Metadata = r#"{"order": 7}"#.parse().unwrap();
    let request = HoldRequest::new(from, czk("40")).with_metadata(metadata);
    let hold = teller("teller:1").hold(request).await.unwrap().hold_id;
    let capture = CaptureRequest::new(hold)
        .with_destination(to)
        .with_amount(czk("1"));
    teller("teller:2")
        .capture(capture.more_to_come())
        .await
        .unwrap();
    teller("teller:3")
        .release(ReleaseRequest::new(hold))
        .await
        .unwrap();
    let events = holds::events(&bank.database, hold).await.unwrap();
    let actors: Vec<_> = events
        .iter()
        .map(|event| event.actor.as_deref().unwrap())
        .collect();
    assert_eq!(actors, ["teller:1", "teller:2", "teller:3"]);
    let found = holds::find(&bank.database, hold).await.unwrap().unwrap();
    assert_eq!(found.actor.as_deref(), Some("teller:1"));
    assert_eq!(found.metadata, Some(serde_json::json!({"order": 7})));
    assert_eq!(found.status, HoldStatus::Released);
    bank.assert_sound().await;
}

async fn account_with_holds_is_not_closed_and_the_error_names_them(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    accounts::set_overdraft_limit(&bank.database, from, czk("10"))
        .await
        .unwrap();
    let hold = hold(&bank, from, czk("10")).await.hold_id;
    bank.ledger
        .transfer(TransferRequest::new(from, to, czk("100")))
        .await
        .unwrap();
    match accounts::close(&bank.database, from).await {
        Err(AccountError::OpenHolds { holds, held, .. }) => {
            assert_eq!((holds, held), (vec![hold], czk("10")));
        }
        other => panic!("{other:?}"),
    }
    bank.ledger
        .release(ReleaseRequest::new(hold))
        .await
        .unwrap();
    accounts::close(&bank.database, from).await.unwrap();
    bank.assert_sound().await;
}

async fn lists_filter_by_account_state_and_key(bank: TestBank) {
    let (account, other) = (
        bank.account(czk("100")).await,
        bank.account(czk("100")).await,
    );
    let open = hold(&bank, account, czk("1")).await.hold_id;
    let request = HoldRequest::new(account, czk("2")).with_idempotency_key("second");
    let released = bank.ledger.hold(request).await.unwrap().hold_id;
    bank.ledger
        .release(ReleaseRequest::new(released))
        .await
        .unwrap();
    hold(&bank, other, czk("3")).await;
    let list = async |filter: HoldFilter| -> Vec<_> {
        let listed = holds::list(&bank.database, &filter, 10).await.unwrap();
        listed.into_iter().map(|hold| hold.hold_id).collect()
    };
    let of_account = || HoldFilter::new().of_account(account);
    assert_eq!(list(of_account()).await, [released, open]);
    assert_eq!(
        list(of_account().with_status(HoldStatus::Open)).await,
        [open]
    );
    assert_eq!(
        list(of_account().with_status(HoldStatus::Released)).await,
        [released]
    );
    assert_eq!(
        list(HoldFilter::new().with_idempotency_key("second")).await,
        [released]
    );
    assert_eq!(list(HoldFilter::new()).await.len(), 3);
    let available: rust_decimal::Decimal = bank
        .database
        .fetch_value(statement(
            "SELECT banking.available_balance($1)",
            [account.as_uuid().into()],
        ))
        .await
        .unwrap();
    assert_eq!(available, czk("99").amount());
}
