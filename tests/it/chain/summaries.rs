//! The summaries of the indexes by which the sealer finds new records.

use super::scale::fill;
use super::{number, run, seal_all};
use crate::harness::{TestBank, czk};

on_both_versions!(
    seal_summarises_the_pages_of_its_records,
    seal_does_not_wait_for_a_vacuum,
);

/// Summarises the ranges that are left, and returns their number.
const SUMMARISE: &str =
    "SELECT brin_summarize_new_values('banking.transfers_transaction_number_index')::bigint";

async fn seal_summarises_the_pages_of_its_records(bank: TestBank) {
    let (a, b) = (bank.account(czk("0")).await, bank.account(czk("0")).await);
    let superuser = bank.superuser().await;
    // Autovacuum would summarise them too.
    run(
        &superuser,
        "ALTER TABLE banking.transfers SET (autovacuum_enabled = off)",
    )
    .await;
    fill(&superuser, a, b, 1..=5_000).await;
    assert_eq!(seal_all(&bank.database).await, 5_000);
    assert_eq!(number(&superuser, SUMMARISE).await, 0);

    fill(&superuser, a, b, 5_001..=10_000).await;
    assert!(number(&superuser, SUMMARISE).await > 0);
}

async fn seal_does_not_wait_for_a_vacuum(bank: TestBank) {
    let (a, b) = (bank.account(czk("0")).await, bank.account(czk("0")).await);
    let superuser = bank.superuser().await;
    fill(&superuser, a, b, 1..=100).await;
    // VACUUM holds this lock.
    let vacuum = superuser.begin().await.unwrap();
    run(
        &vacuum,
        "LOCK TABLE banking.transfers IN SHARE UPDATE EXCLUSIVE MODE",
    )
    .await;
    assert_eq!(seal_all(&bank.database).await, 100);
    vacuum.rollback().await.unwrap();
}
