//! What is sealed, and in which order.

use neobank_db::Executor;
use neobank_domain::chain::{self, Head};
use neobank_domain::events::EventRecord;
use neobank_domain::ledger::{
    CaptureRequest, GroupRequest, HoldRequest, ReleaseRequest, ReversalRequest,
};
use neobank_domain::{PostingRequest, TransferRequest};

use super::{assert_sealed_in_order, findings, run, seal_all};
use crate::harness::{GUARDS_OFF, GUARDS_ON, TestBank, czk};

on_both_versions!(
    mixed_history_is_sealed_once_and_in_order,
    small_limits_seal_everything,
    records_without_a_number_are_sealed_first,
    clock_that_went_back_does_not_change_the_order,
    nothing_to_seal_writes_no_seal,
    application_cannot_change_the_chain,
);

/// Posts one of everything.
pub(super) async fn mixed_history(bank: &TestBank) {
    let (a, b) = (
        bank.account(czk("500")).await,
        bank.account(czk("100")).await,
    );
    let first = bank
        .ledger
        .transfer(TransferRequest::new(a, b, czk("30")).with_description("Nájem čp. 5 — ‚říjen‘"))
        .await
        .unwrap();
    let group = GroupRequest::new()
        .with_step(TransferRequest::new(a, b, czk("5")))
        .with_step(TransferRequest::new(b, a, czk("7")))
        .with_step(PostingRequest::fee(a, czk("1")));
    bank.ledger.submit_group(group).await.unwrap();
    bank.ledger
        .reverse(ReversalRequest::new(first.transfer_id))
        .await
        .unwrap();
    let hold = |amount| HoldRequest::new(a, czk(amount)).with_description("Hotel");
    let captured = bank.ledger.hold(hold("40")).await.unwrap().hold_id;
    let capture = CaptureRequest::new(captured)
        .with_amount(czk("25"))
        .with_destination(b);
    bank.ledger.capture(capture).await.unwrap();
    let released = bank.ledger.hold(hold("10")).await.unwrap().hold_id;
    bank.ledger
        .release(ReleaseRequest::new(released))
        .await
        .unwrap();
}

async fn mixed_history_is_sealed_once_and_in_order(bank: TestBank) {
    mixed_history(&bank).await;
    assert_eq!(chain::head(&bank.database).await.unwrap(), None);
    let waiting = chain::lag(&bank.database).await.unwrap();
    let journal = bank.count("banking.transfers").await + bank.count("banking.hold_events").await;
    assert_eq!(waiting.waiting_records, journal);
    assert!(waiting.waiting_seconds > 0.0);

    assert_eq!(seal_all(&bank.database).await, journal);
    let events = assert_sealed_in_order(&bank).await;
    let holds = events
        .iter()
        .filter(|event| matches!(event.record, EventRecord::HoldEvent(_)));
    assert_eq!(
        holds.count(),
        5,
        "authorised twice, captured, released twice"
    );
    let head = chain::head(&bank.database).await.unwrap().unwrap();
    assert_eq!(head.position, journal);
    assert_eq!(chain::lag(&bank.database).await.unwrap().waiting_records, 0);

    // The chain goes on, and contains the head that was kept.
    mixed_history(&bank).await;
    seal_all(&bank.database).await;
    assert_sealed_in_order(&bank).await;
    let kept = chain::verify(&bank.database, std::slice::from_ref(&head))
        .await
        .unwrap();
    assert_eq!(kept.findings, []);
    let wrong = Head {
        position: head.position + 1,
        ..head
    };
    let kept = chain::verify(&bank.database, &[wrong]).await.unwrap();
    assert_eq!(kept.findings.len(), 1);
}

/// Each call seals as many records as it may, and those of the same time with the last.
async fn small_limits_seal_everything(bank: TestBank) {
    mixed_history(&bank).await;
    mixed_history(&bank).await;
    let mut calls = 0;
    loop {
        let report = chain::seal(&bank.database, 1).await.unwrap();
        calls += 1;
        if calls == 3 {
            // Later records wait until the snapshot of the first call is sealed.
            mixed_history(&bank).await;
        }
        if report.sealed_records == 0 {
            break;
        }
        assert_eq!(findings(&bank.database).await, []);
    }
    assert!(calls > 15, "{calls} calls");
    assert_sealed_in_order(&bank).await;
}

/// As after a rollout on a bank with a history.
async fn records_without_a_number_are_sealed_first(bank: TestBank) {
    mixed_history(&bank).await;
    let superuser = bank.superuser().await;
    for sql in [
        GUARDS_OFF,
        super::SEAL_GUARDS_OFF,
        "UPDATE banking.transfers SET transaction_number = NULL",
        "UPDATE banking.hold_events SET transaction_number = NULL",
        GUARDS_ON,
        super::SEAL_GUARDS_ON,
    ] {
        run(&superuser, sql).await;
    }
    let old = bank.count("banking.transfers").await + bank.count("banking.hold_events").await;
    mixed_history(&bank).await;
    let mut sealed = 0;
    while sealed < old {
        sealed += chain::seal(&bank.database, 3).await.unwrap().sealed_records;
        assert_eq!(findings(&bank.database).await, []);
    }
    assert_eq!(
        sealed, old,
        "a numbered record was sealed with those without a number"
    );
    seal_all(&bank.database).await;
    assert_sealed_in_order(&bank).await;
    bank.assert_sound().await;
}

/// The entries of an account then have one time, and were created in another order.
async fn clock_that_went_back_does_not_change_the_order(bank: TestBank) {
    let (a, b) = (bank.account(czk("500")).await, bank.account(czk("0")).await);
    for _ in 0..20 {
        bank.ledger
            .transfer(TransferRequest::new(a, b, czk("1")))
            .await
            .unwrap();
    }
    let hold = bank
        .ledger
        .hold(HoldRequest::new(a, czk("40")))
        .await
        .unwrap()
        .hold_id;
    let capture = CaptureRequest::new(hold).with_destination(b);
    bank.ledger.capture(capture).await.unwrap();
    let superuser = bank.superuser().await;
    for sql in [
        GUARDS_OFF,
        super::SEAL_GUARDS_OFF,
        "UPDATE banking.transfers SET posted_at = '2026-01-01', created_at = '2026-01-01'::timestamptz
             - from_entry_number * interval '1 second'",
        "UPDATE banking.transactions SET transaction_date = '2026-01-01'",
        "UPDATE banking.hold_events SET occurred_at = '2026-01-01', created_at = '2026-01-01'::timestamptz
             - event_number * interval '1 day'",
        GUARDS_ON,
        super::SEAL_GUARDS_ON,
    ] {
        run(&superuser, sql).await;
    }
    seal_all(&bank.database).await;
    assert_sealed_in_order(&bank).await;
}

async fn nothing_to_seal_writes_no_seal(bank: TestBank) {
    assert_eq!(seal_all(&bank.database).await, 0);
    assert_eq!(findings(&bank.database).await, []);
    bank.account(czk("1")).await;
    assert_eq!(seal_all(&bank.database).await, 1);
    assert_eq!(seal_all(&bank.database).await, 0);
    assert_eq!(bank.count("banking.seals").await, 1);
    assert!(chain::seal(&bank.database, 0).await.is_err());
}

async fn application_cannot_change_the_chain(bank: TestBank) {
    mixed_history(&bank).await;
    seal_all(&bank.database).await;
    let superuser = bank.superuser().await;
    for sql in [
        "UPDATE banking.seals SET head = previous_head",
        "DELETE FROM banking.seals",
        "TRUNCATE banking.seals",
        "INSERT INTO banking.seals SELECT * FROM banking.seals",
        "UPDATE banking.event_consumers SET last_position = 0",
        "INSERT INTO banking.event_consumers VALUES ('x', 1)",
        "UPDATE banking.transfers SET transaction_number = 1",
        "LOCK TABLE banking.seals IN SHARE ROW EXCLUSIVE MODE",
        "SELECT banking.resume_sealing()",
        "SELECT banking.write_seals('{}', '{}', 1, '', true, NULL, 1, 1, true)",
    ] {
        let transaction = bank.database.begin().await.unwrap();
        let error = transaction
            .execute(neobank_db::statement(sql, []))
            .await
            .unwrap_err();
        assert_eq!(error.server().unwrap().sqlstate, "42501", "{sql}");
    }
    for sql in [
        "UPDATE banking.seals SET head = previous_head",
        "DELETE FROM banking.seals",
        "TRUNCATE banking.seals",
    ] {
        let error = superuser
            .execute(neobank_db::statement(sql, []))
            .await
            .unwrap_err();
        assert_eq!(error.server().unwrap().sqlstate, "NB003", "{sql}");
    }
}
