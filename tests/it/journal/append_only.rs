//! The journal is append-only: no role can change, delete or truncate it.

use neobank_domain::TransferRequest;

use super::assert_rejected;
use crate::harness::{TestBank, czk};

on_both_versions!(
    application_cannot_change_the_journal,
    owner_cannot_change_the_journal
);

const CHANGES: [&str; 12] = [
    "UPDATE banking.transactions SET amount = 1",
    "UPDATE banking.transactions SET description = ''",
    "UPDATE banking.transactions SET description = '' WHERE false",
    "DELETE FROM banking.transactions",
    "DELETE FROM banking.transactions WHERE entry_number = 1",
    "TRUNCATE banking.transactions",
    "UPDATE banking.transfers SET amount = 1",
    "UPDATE banking.transfers SET idempotency_key = NULL, request_hash = NULL",
    "DELETE FROM banking.transfers",
    "TRUNCATE banking.transfers CASCADE",
    "MERGE INTO banking.transactions AS t USING (SELECT 1) AS s ON true WHEN MATCHED THEN UPDATE SET description = 'x'",
    "MERGE INTO banking.transfers AS t USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE",
];

async fn filled(bank: &TestBank) {
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    bank.ledger
        .transfer(TransferRequest::new(from, to, czk("1")).with_idempotency_key("k"))
        .await
        .unwrap();
}

async fn application_cannot_change_the_journal(bank: TestBank) {
    filled(&bank).await;
    for sql in CHANGES {
        assert_rejected(&bank, &bank.database, sql, "42501").await;
    }
    let upsert = "INSERT INTO banking.transfers (transfer_id) SELECT transfer_id FROM banking.transfers LIMIT 1
                  ON CONFLICT (transfer_id) DO UPDATE SET description = 'x'";
    assert_rejected(&bank, &bank.database, upsert, "42501").await;
    for column in ["created_at", "reference_number"] {
        let sql = format!(
            "INSERT INTO banking.transactions (transaction_id, {column}) VALUES (gen_random_uuid(), DEFAULT)"
        );
        assert_rejected(&bank, &bank.database, &sql, "42501").await;
    }
}

async fn owner_cannot_change_the_journal(bank: TestBank) {
    filled(&bank).await;
    let superuser = bank.superuser().await;
    for sql in CHANGES {
        assert_rejected(&bank, &superuser, sql, "NB003").await;
    }
}
