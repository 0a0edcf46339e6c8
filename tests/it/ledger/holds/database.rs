//! What the database itself rejects, and what the auditor finds.

use neobank_db::{Database, Executor, statement};
use neobank_domain::audit;

use super::hold;
use crate::harness::{TestBank, czk};

on_both_versions!(
    tables_of_holds_change_only_by_posting,
    posting_rejects_events_that_do_not_fit,
    auditor_finds_every_altered_hold,
);

async fn error(on: &Database, sql: &str) -> String {
    match on.execute(statement(sql, [])).await {
        Err(error) => error.to_string(),
        Ok(rows) => panic!("{rows} rows: {sql}"),
    }
}

async fn tables_of_holds_change_only_by_posting(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    hold(&bank, account, czk("10")).await;
    let owner = bank.superuser().await;
    for sql in [
        "UPDATE banking.holds SET remaining = 1",
        "DELETE FROM banking.holds",
        "TRUNCATE banking.holds",
        "INSERT INTO banking.holds SELECT * FROM banking.holds",
        "UPDATE banking.hold_events SET amount = 1",
        "DELETE FROM banking.hold_events",
        "TRUNCATE banking.hold_events",
        "INSERT INTO banking.hold_events SELECT * FROM banking.hold_events",
    ] {
        let said = error(&owner, sql).await;
        assert!(said.contains("append-only"), "{sql}: {said}");
        let said = error(&bank.database, sql).await;
        assert!(said.contains("permission denied"), "{sql}: {said}");
    }
    bank.assert_sound().await;
}

/// Returns a call of the posting function with hold events alone.
fn post(events: &serde_json::Value) -> String {
    format!(
        "SELECT banking.post_transfers('{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}',
             '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}',
             p_hold_events => '{events}')"
    )
}

async fn posting_rejects_events_that_do_not_fit(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let receipt = hold(&bank, account, czk("10")).await;
    let later = chrono::Utc::now() + std::time::Duration::from_secs(3_600);
    let release = |field: &str, value: serde_json::Value| {
        let mut event = serde_json::json!({
            "event_id": "01942f3e-6a7b-7c00-8000-0000000000aa",
            "hold_id": receipt.hold_id, "event_type": "released", "account_id": account,
            "entry_number": 1, "amount": "10", "currency_code": "CZK", "remaining": "0",
            "held_balance": "0", "occurred_at": receipt.occurred_at,
        });
        event[field] = value;
        post(&serde_json::Value::Array(vec![event]))
    };
    for (field, value) in [
        ("amount", serde_json::json!("9")),
        ("remaining", serde_json::json!("1")),
        ("held_balance", serde_json::json!("1")),
        ("entry_number", serde_json::json!(0)),
        ("entry_number", serde_json::json!(2)),
        ("currency_code", serde_json::json!("EUR")),
        ("event_type", serde_json::json!("expired")),
        ("event_type", serde_json::json!("captured")),
        ("event_type", serde_json::json!("authorised")),
        (
            "hold_id",
            serde_json::json!("01942f3e-6a7b-7c00-8000-0000000000ab"),
        ),
        (
            "account_id",
            serde_json::json!("01942f3e-6a7b-7c00-8000-0000000000ab"),
        ),
        ("occurred_at", serde_json::json!(later)),
        (
            "transfer_id",
            serde_json::json!("01942f3e-6a7b-7c00-8000-0000000000ab"),
        ),
    ] {
        let before = super::fingerprint(&bank).await;
        error(&bank.database, &release(field, value)).await;
        assert_eq!(super::fingerprint(&bank).await, before, "{field}");
    }
    bank.database
        .execute(statement(
            &release("description", serde_json::json!("")),
            [],
        ))
        .await
        .unwrap();
    // Nothing follows the end.
    error(
        &bank.database,
        &release("description", serde_json::json!("")),
    )
    .await;
    bank.assert_sound().await;
}

async fn auditor_finds_every_altered_hold(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    hold(&bank, account, czk("10")).await;
    let owner = bank.superuser().await;
    for (sql, check) in [
        (
            "UPDATE banking.holds SET remaining = 9",
            "held balance is the sum of the open holds",
        ),
        (
            "UPDATE banking.holds SET remaining = 9",
            "hold is as its last event left it",
        ),
        (
            "UPDATE banking.hold_events SET remaining = 9",
            "hold events continue their hold",
        ),
        (
            "UPDATE banking.hold_events SET event_number = 2",
            "hold events continue their hold",
        ),
        ("DELETE FROM banking.holds", "hold event has its hold"),
        (
            "DELETE FROM banking.hold_events",
            "hold is as its last event left it",
        ),
    ] {
        let transaction = owner.begin().await.unwrap();
        for change in [
            "ALTER TABLE banking.holds DISABLE TRIGGER USER",
            "ALTER TABLE banking.hold_events DISABLE TRIGGER USER",
            sql,
        ] {
            transaction.execute(statement(change, [])).await.unwrap();
        }
        let found = audit::violations(&transaction).await.unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|violation| format!("{violation:?}"))
            .collect();
        assert!(
            found.iter().any(|one| one.contains(check)),
            "{sql}: {found:?}"
        );
        transaction.rollback().await.unwrap();
    }
    bank.assert_sound().await;
}
