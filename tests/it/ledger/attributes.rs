//! Actors, metadata and value dates.

use chrono::{Days, NaiveDate, Utc};
use neobank_db::{Executor, statement};
use neobank_domain::ledger::{Actor, GroupRequest, Metadata, ReversalRequest};
use neobank_domain::{
    AccountId, Ledger, LedgerError, PostingRequest, Receipt, Rejection, TransferRequest,
};

use crate::harness::{TestBank, czk};

on_both_versions!(
    attributes_are_stored_with_each_transfer,
    metadata_is_part_of_the_request,
    actors_of_one_batch_are_kept_apart,
    actor_of_the_session_is_recorded,
    ledger_that_requires_an_actor_rejects_requests_without,
    value_date_outside_the_window_is_rejected,
    value_date_of_unknown_accounts_is_held_against_the_servers_day,
    group_gives_its_attributes_to_its_steps,
);

fn actor(name: &str) -> Actor {
    name.parse().unwrap()
}

fn metadata(text: &str) -> Metadata {
    text.parse().unwrap()
}

/// The stored attributes of a transfer.
async fn stored(bank: &TestBank, receipt: &Receipt) -> String {
    let sql = "SELECT concat_ws(' | ', actor, metadata, value_date) FROM banking.transfers
               WHERE transfer_id = $1";
    let id = receipt.transfer_id.as_uuid().into();
    bank.database
        .fetch_value(statement(sql, [id]))
        .await
        .unwrap()
}

async fn attributes_are_stored_with_each_transfer(bank: TestBank) {
    let today = Utc::now().date_naive();
    for ledger in [bank.ledger.clone(), Ledger::new(bank.database.clone())] {
        let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
        let ledger = ledger.acting_as(actor("teller:42"));
        let plain = TransferRequest::new(payer, shop, czk("1"));
        let receipt = ledger.transfer(plain.clone()).await.unwrap();
        assert_eq!(stored(&bank, &receipt).await, "teller:42");
        let full = plain
            .clone()
            .with_metadata(metadata(r#"{"order": 4711, "lines": [1.5, "ž"]}"#))
            .with_value_date(today);
        let receipt = ledger.transfer(full).await.unwrap();
        assert_eq!(
            stored(&bank, &receipt).await,
            format!(r#"teller:42 | {{"lines": [1.5, "ž"], "order": 4711}} | {today}"#)
        );
        let reversal = ReversalRequest::new(receipt.transfer_id).with_metadata(metadata("{}"));
        let receipt = ledger.reverse(reversal).await.unwrap();
        assert_eq!(stored(&bank, &receipt).await, "teller:42 | {}");
        let fee = PostingRequest::fee(payer, czk("1")).with_value_date(today);
        let receipt = ledger.submit(fee).await.unwrap();
        assert_eq!(
            stored(&bank, &receipt).await,
            format!("teller:42 | {today}")
        );
    }
    bank.assert_sound().await;
}

async fn metadata_is_part_of_the_request(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let request = |text: &str| {
        TransferRequest::new(payer, shop, czk("1"))
            .with_metadata(metadata(text))
            .with_idempotency_key("k")
    };
    let first = bank
        .ledger
        .transfer(request(r#"{"a": 1, "b": 2}"#))
        .await
        .unwrap();
    // Another order of the members, and another actor, are the same request.
    let teller = bank.ledger.acting_as(actor("teller:1"));
    assert_eq!(
        teller.transfer(request(r#"{"b":2,"a":1}"#)).await.unwrap(),
        first
    );
    let other = bank.ledger.transfer(request(r#"{"a": 1, "b": 3}"#)).await;
    assert!(
        matches!(
            other,
            Err(LedgerError::Rejected(Rejection::KeyReused { .. }))
        ),
        "{other:?}"
    );
}

async fn actors_of_one_batch_are_kept_apart(bank: TestBank) {
    let ledger = Ledger::new(bank.database.clone());
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let calls = (0..50).map(|number| {
        let ledger = if number % 5 == 0 {
            ledger.clone()
        } else {
            ledger.acting_as(actor(&format!("teller:{number}")))
        };
        let description = number.to_string();
        let request = TransferRequest::new(payer, shop, czk("1")).with_description(description);
        async move { ledger.transfer(request).await.unwrap() }
    });
    futures_util::future::join_all(calls).await;
    let wrong = bank
        .database
        .fetch_value::<i64>(statement(
            "SELECT count(*) FROM banking.transfers
             WHERE transfer_type = 'transfer' AND actor IS DISTINCT FROM
                 CASE WHEN description::integer % 5 <> 0 THEN 'teller:' || description END",
            [],
        ))
        .await
        .unwrap();
    assert_eq!(wrong, 0);
}

async fn actor_of_the_session_is_recorded(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let transfer = || TransferRequest::new(payer, shop, czk("1"));
    let mut transaction = bank.database.begin().await.unwrap();
    transaction
        .execute(statement("SET LOCAL neobank.actor = 'job:night'", []))
        .await
        .unwrap();
    let by_session = bank
        .ledger
        .transfer_in(&mut transaction, transfer())
        .await
        .unwrap();
    let teller = bank.ledger.acting_as(actor("teller:1"));
    let by_ledger = teller
        .transfer_in(&mut transaction, transfer())
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(stored(&bank, &by_session).await, "job:night");
    assert_eq!(stored(&bank, &by_ledger).await, "teller:1");
    let later = bank.ledger.transfer(transfer()).await.unwrap();
    assert_eq!(stored(&bank, &later).await, "");
}

async fn ledger_that_requires_an_actor_rejects_requests_without(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let ledger = Ledger::builder(bank.database.clone())
        .require_actor()
        .build()
        .unwrap();
    let transfer = || TransferRequest::new(payer, shop, czk("1"));
    for ledger in [ledger.clone(), ledger.without_group_commit()] {
        let rejected = ledger.transfer(transfer()).await;
        assert!(
            matches!(
                rejected,
                Err(LedgerError::Rejected(Rejection::ActorRequired))
            ),
            "{rejected:?}"
        );
        let group = ledger
            .submit_group(GroupRequest::new().with_step(transfer()))
            .await;
        assert!(
            matches!(group, Err(LedgerError::Rejected(Rejection::ActorRequired))),
            "{group:?}"
        );
        ledger
            .acting_as(actor("teller:1"))
            .transfer(transfer())
            .await
            .unwrap();
    }
    assert_eq!(bank.balance(shop).await, czk("2"));
}

async fn value_date_outside_the_window_is_rejected(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let today = Utc::now().date_naive();
    let ledger = Ledger::builder(bank.database.clone())
        .value_date_window(2, 1)
        .build()
        .unwrap();
    for ledger in [ledger.clone(), ledger.without_group_commit()] {
        let on =
            |value_date| TransferRequest::new(payer, shop, czk("1")).with_value_date(value_date);
        let back = |days| today.checked_sub_days(Days::new(days)).unwrap();
        let ahead = |days| today.checked_add_days(Days::new(days)).unwrap();
        for day in [back(1), today] {
            ledger.transfer(on(day)).await.unwrap();
        }
        // Three days leave room for a test that runs over midnight.
        for day in [back(4), ahead(3)] {
            let rejected = ledger.transfer(on(day)).await;
            match rejected {
                Err(LedgerError::Rejected(Rejection::ValueDate { value_date, .. })) => {
                    assert_eq!(value_date, day);
                }
                other => panic!("{other:?}"),
            }
            let group = GroupRequest::new()
                .with_step(TransferRequest::new(payer, shop, czk("1")))
                .with_value_date(day);
            let rejected = ledger.submit_group(group).await;
            assert!(
                matches!(
                    rejected,
                    Err(LedgerError::Rejected(Rejection::ValueDate { .. }))
                ),
                "{rejected:?}"
            );
        }
    }
    assert_eq!(bank.balance(shop).await, czk("4"));
}

async fn value_date_of_unknown_accounts_is_held_against_the_servers_day(bank: TestBank) {
    let today = Utc::now().date_naive();
    let unknown = || TransferRequest::new(AccountId::new(), AccountId::new(), czk("1"));
    let dated = unknown().with_value_date(today);
    let rejected = bank.ledger.transfer(dated).await;
    assert!(
        matches!(
            rejected,
            Err(LedgerError::Rejected(Rejection::UnknownAccount { .. }))
        ),
        "{rejected:?}"
    );
    let far = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap();
    match bank.ledger.transfer(unknown().with_value_date(far)).await {
        Err(LedgerError::Rejected(Rejection::ValueDate {
            earliest, latest, ..
        })) => {
            assert!(earliest < today && today < latest, "{earliest} to {latest}");
        }
        other => panic!("{other:?}"),
    }
}

async fn group_gives_its_attributes_to_its_steps(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let group = GroupRequest::new()
        .with_step(TransferRequest::new(payer, shop, czk("1")))
        .with_step(
            TransferRequest::new(payer, shop, czk("2")).with_metadata(metadata(r#"{"own": true}"#)),
        )
        .with_metadata(metadata(r#"{"order": 1}"#));
    let receipt = bank
        .ledger
        .acting_as(actor("web"))
        .submit_group(group)
        .await
        .unwrap();
    let transfers: Vec<_> = receipt.transfers().collect();
    assert_eq!(stored(&bank, transfers[0]).await, r#"web | {"order": 1}"#);
    assert_eq!(stored(&bank, transfers[1]).await, r#"web | {"own": true}"#);
}
