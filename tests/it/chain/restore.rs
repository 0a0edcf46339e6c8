//! A server whose transaction numbers do not continue the sealed ones.

use neobank_domain::TransferRequest;
use neobank_domain::chain;

use super::history::mixed_history;
use super::{SEAL_GUARDS_OFF, SEAL_GUARDS_ON, assert_sealed_in_order, number, run, seal_all};
use crate::harness::{GUARDS_OFF, GUARDS_ON, TestBank, czk};

on_both_versions!(
    restored_numbers_are_rejected_until_the_owner_resumes,
    other_server_is_rejected_until_the_owner_resumes,
    numbers_that_come_again_are_told_apart,
);

/// Gives every record a later number, as on a server that has given more of them.
async fn raise_numbers(bank: &TestBank, by: i64) {
    let superuser = bank.superuser().await;
    for sql in [
        GUARDS_OFF,
        SEAL_GUARDS_OFF,
        &format!("UPDATE banking.transfers SET transaction_number = transaction_number + {by}"),
        &format!("UPDATE banking.hold_events SET transaction_number = transaction_number + {by}"),
        GUARDS_ON,
        SEAL_GUARDS_ON,
    ] {
        run(&superuser, sql).await;
    }
}

async fn assert_rejected(bank: &TestBank) {
    let seals = bank.count("banking.seals").await;
    let error = chain::seal(&bank.database, 10).await.unwrap_err();
    assert_eq!(
        error.server().unwrap().sqlstate,
        neobank_db::sqlstates::NUMBERING_CHANGED
    );
    assert_eq!(bank.count("banking.seals").await, seals);
}

async fn restored_numbers_are_rejected_until_the_owner_resumes(bank: TestBank) {
    mixed_history(&bank).await;
    raise_numbers(&bank, 1_000_000_000).await;
    assert_rejected(&bank).await;
    let superuser = bank.superuser().await;
    let resumed = number(&superuser, "SELECT banking.resume_sealing()").await;
    let journal = bank.count("banking.transfers").await + bank.count("banking.hold_events").await;
    assert_eq!(resumed, journal);
    assert_sealed_in_order(&bank).await;
    mixed_history(&bank).await;
    seal_all(&bank.database).await;
    assert_sealed_in_order(&bank).await;
}

async fn other_server_is_rejected_until_the_owner_resumes(bank: TestBank) {
    mixed_history(&bank).await;
    seal_all(&bank.database).await;
    mixed_history(&bank).await;
    let superuser = bank.superuser().await;
    let transaction = superuser.begin().await.unwrap();
    for sql in [
        SEAL_GUARDS_OFF,
        "UPDATE banking.seals SET server_identifier = server_identifier + 1",
        "UPDATE banking.seals AS seal SET head = banking.seal_head(seal)",
        SEAL_GUARDS_ON,
    ] {
        run(&transaction, sql).await;
    }
    transaction.commit().await.unwrap();
    assert_rejected(&bank).await;
    assert!(number(&superuser, "SELECT banking.resume_sealing()").await > 0);
    mixed_history(&bank).await;
    seal_all(&bank.database).await;
    assert_sealed_in_order(&bank).await;
}

/// The server gives the numbers of sealed records again, to others.
async fn numbers_that_come_again_are_told_apart(bank: TestBank) {
    let (a, b) = (bank.account(czk("500")).await, bank.account(czk("0")).await);
    let pay = async || {
        let request = TransferRequest::new(a, b, czk("1"));
        bank.ledger.transfer(request).await.unwrap();
    };
    for _ in 0..20 {
        pay().await;
    }
    raise_numbers(&bank, 400).await;
    assert_rejected(&bank).await;
    let superuser = bank.superuser().await;
    number(&superuser, "SELECT banking.resume_sealing()").await;
    let newest = "SELECT max(transaction_number) FROM banking.transfers";
    let highest = number(&superuser, newest).await;
    for round in 0.. {
        pay().await;
        if round % 10 == 0 {
            seal_all(&bank.database).await;
        }
        // Numbers of the whole server are used up by other tests too.
        let transaction = superuser.begin().await.unwrap();
        if number(&transaction, "SELECT pg_current_xact_id()::text::bigint").await > highest {
            break;
        }
        transaction.commit().await.unwrap();
    }
    pay().await;
    seal_all(&bank.database).await;
    assert_sealed_in_order(&bank).await;
}
