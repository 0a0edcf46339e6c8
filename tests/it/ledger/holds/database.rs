//! What the database itself rejects, and what the auditor finds.

use neobank_db::{Database, Executor, statement};
use neobank_domain::audit;
use neobank_domain::ledger::SystemAccount;
use neobank_domain::{AccountId, Currency, Money};

use super::hold;
use crate::harness::{TestBank, czk};

on_both_versions!(
    tables_of_holds_change_only_by_posting,
    posting_rejects_events_that_do_not_fit,
    posting_checks_every_event_of_a_hold_in_one_call,
    posting_rejects_a_hold_for_an_account_that_captures_cannot_pay,
    posting_rejects_events_against_the_order_of_entries,
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

/// Returns a call of the posting function with hold events alone. The time `now` is the server's.
fn post(events: &serde_json::Value) -> String {
    format!(
        "SELECT banking.post_transfers('{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}',
             '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}',
             p_hold_events => replace('{events}', '\"now\"', to_json(clock_timestamp())::text)::jsonb)"
    )
}

/// Returns a metadata object whose innermost value lies so many levels deep.
fn nested(levels: usize) -> serde_json::Value {
    (0..levels).fold(
        serde_json::json!(1),
        |inner, _| serde_json::json!({"a": inner}),
    )
}

async fn posting_rejects_a_hold_for_an_account_that_captures_cannot_pay(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let other = bank.account(czk("0")).await;
    let begin = |to: serde_json::Value| {
        post(&serde_json::json!([{
            "event_id": "01942f3e-6a7b-7c00-8000-0000000000aa",
            "hold_id": "01942f3e-6a7b-7c00-8000-0000000000ab", "event_type": "authorised",
            "account_id": account, "entry_number": 1, "amount": "10", "currency_code": "CZK",
            "remaining": "10", "held_balance": "10", "occurred_at": "now", "to_account_id": to,
            "metadata": nested(32),
        }]))
    };
    let euro = bank
        .account(Money::zero(Currency::from_code("EUR").unwrap()))
        .await;
    let before = super::fingerprint(&bank).await;
    for to in [
        serde_json::json!("01942f3e-6a7b-7c00-8000-0000000000ac"),
        serde_json::json!(euro),
        serde_json::json!(SystemAccount::Fees.id(czk("0").currency())),
    ] {
        let said = error(&bank.database, &begin(to.clone())).await;
        assert!(said.contains("cannot begin so"), "{to}: {said}");
    }
    assert_eq!(super::fingerprint(&bank).await, before);
    bank.database
        .execute(statement(&begin(serde_json::json!(other)), []))
        .await
        .unwrap();
    bank.assert_sound().await;
}

async fn posting_rejects_events_against_the_order_of_entries(bank: TestBank) {
    let (account, other) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let event = |last: u8, entry: i64, held: &str| {
        serde_json::json!({
            "event_id": format!("01942f3e-6a7b-7c00-8000-0000000000a{last}"),
            "hold_id": format!("01942f3e-6a7b-7c00-8000-0000000000b{last}"),
            "event_type": "authorised", "account_id": account, "entry_number": entry,
            "amount": "10", "currency_code": "CZK", "remaining": "10", "held_balance": held,
            "occurred_at": "now",
        })
    };
    let posted = |events: serde_json::Value| {
        format!(
            "SELECT banking.post_transfers(
                 ARRAY[banking.uuid_v7()], ARRAY['transfer'], ARRAY[1.0], ARRAY['CZK'], ARRAY[''],
                 ARRAY[NULL]::text[], ARRAY[NULL]::bytea[], ARRAY[clock_timestamp()],
                 ARRAY['{account}'::uuid], ARRAY[2::bigint], ARRAY[99.0],
                 ARRAY[banking.uuid_v7()], ARRAY[''], ARRAY['{other}'::uuid], ARRAY[1::bigint],
                 ARRAY[1.0], ARRAY[banking.uuid_v7()], ARRAY[''],
                 p_hold_events => replace('{events}', '\"now\"', to_json(clock_timestamp())::text)::jsonb)"
        )
    };
    let contrary = serde_json::json!([event(1, 2, "20"), event(2, 1, "10")]);
    let said = error(&bank.database, &posted(contrary)).await;
    assert!(said.contains("order"), "{said}");
    let right = serde_json::json!([event(1, 1, "10"), event(2, 2, "20")]);
    bank.database
        .execute(statement(&posted(right), []))
        .await
        .unwrap();
    bank.assert_sound().await;
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
            "held_balance": "0", "occurred_at": "now",
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
        ("occurred_at", serde_json::json!(receipt.occurred_at)),
        ("occurred_at", serde_json::json!("1990-01-01T00:00:00Z")),
        ("occurred_at", serde_json::json!("-infinity")),
        ("metadata", nested(33)),
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

async fn posting_checks_every_event_of_a_hold_in_one_call(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let other = bank.account(czk("100")).await;
    // Enough is held on both accounts, so that only the events of the hold itself are wrong.
    for account in [account, other] {
        hold(&bank, account, czk("50")).await;
    }
    let event = |number: u32, of: AccountId, kind: &str, amount, remaining, held| {
        serde_json::json!({
            "event_id": format!("01942f3e-6a7b-7c00-8000-0000000000{number:02}"),
            "hold_id": "01942f3e-6a7b-7c00-8000-0000000000ab", "event_type": kind,
            "account_id": of, "entry_number": 1, "amount": amount, "currency_code": "CZK",
            "remaining": remaining, "held_balance": held, "occurred_at": "now",
        })
    };
    let begin = |number, held| event(number, account, "authorised", "10", "10", held);
    let release = |number, held| event(number, account, "released", "10", "0", held);
    for wrong in [
        vec![begin(1, "60"), release(2, "50"), release(3, "40")],
        vec![
            begin(1, "60"),
            event(2, account, "released", "7", "0", "53"),
        ],
        vec![
            begin(1, "60"),
            event(2, account, "released", "7", "3", "53"),
        ],
        vec![
            begin(1, "60"),
            event(2, account, "expired", "10", "0", "50"),
        ],
        vec![begin(1, "60"), begin(2, "70")],
        vec![release(1, "40"), begin(2, "50")],
        vec![begin(1, "60"), event(2, other, "released", "10", "0", "40")],
        vec![release(1, "40")],
    ] {
        let wrong = serde_json::Value::from(wrong);
        let said = error(&bank.database, &post(&wrong)).await;
        assert!(said.contains("NB002"), "{wrong}: {said}");
    }
    assert_eq!(bank.count("banking.hold_events").await, 2);
    let right = serde_json::Value::from(vec![begin(1, "60"), release(2, "50")]);
    let sql = post(&right);
    bank.database.execute(statement(&sql, [])).await.unwrap();
    let sql = "SELECT string_agg(hold.hold_status || ' ' || event.event_number || ' ' ||
                                 event.event_type, ', ' ORDER BY event.event_number)
               FROM banking.holds AS hold JOIN banking.hold_events AS event USING (hold_id)
               WHERE hold.hold_id = '01942f3e-6a7b-7c00-8000-0000000000ab'";
    let written: String = bank.database.fetch_value(statement(sql, [])).await.unwrap();
    assert_eq!(written, "released 1 authorised, released 2 released");
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
        (
            "UPDATE banking.holds SET expires_at = authorised_at",
            "hold changes before its end and ends after it",
        ),
        (
            "UPDATE banking.hold_events SET occurred_at = '-infinity'",
            "hold changes before its end and ends after it",
        ),
        (
            "UPDATE banking.holds SET to_account_id = banking.system_account_id('fees', 'CZK')",
            "hold names a customer's account",
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
