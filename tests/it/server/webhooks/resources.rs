//! The resources of webhooks: permissions, changes, and secrets that are shown once.

use neobank_domain::api_keys::Scope;
use serde_json::{Value, json};

use super::super::{assert_problem, key};
use super::{Receiver, Setup};
use crate::cli::program::run;
use crate::harness::TestBank;

on_both_versions!(
    webhook_is_created_changed_and_deleted_with_records,
    secrets_are_shown_once_and_stand_in_no_record,
    callers_without_the_permission_are_rejected,
    wrong_values_are_rejected_by_name,
);

async fn webhook_is_created_changed_and_deleted_with_records(bank: TestBank) {
    let setup = Setup::on(bank).await;
    let given = json!({ "description": "shop", "event_types": ["hold.expired"], "after": "0" });
    let (webhook, _) = setup.webhook("https://shop.example/a", given).await;
    let path = format!("/v1/webhooks/{webhook}");
    // The only event is of another type.
    let shown = setup
        .wait(&webhook, |shown| shown["waiting_events"] == "0")
        .await;
    assert_eq!(shown["event_types"], json!(["hold.expired"]));
    assert_eq!(shown["dead_after_seconds"], 259_200);
    let changes = json!({ "url": "https://shop.example/b", "event_types": [], "enabled": false,
        "dead_after_seconds": 60, "description": "" });
    let changed = setup.send("PATCH", &path, &changes.to_string()).await;
    assert_eq!(changed.body["url"], "https://shop.example/b", "{changed:?}");
    assert_eq!(changed.body["event_types"], json!([]));
    assert_eq!(changed.body["enabled"], false);
    let listed = setup.send("GET", "/v1/webhooks", "").await;
    assert_eq!(listed.body["webhooks"][0], changed.body);
    assert_eq!(setup.send("DELETE", &path, "").await.status, 204);
    assert_problem(&setup.send("GET", &path, "").await, 404, "unknown_webhook");
    assert_problem(
        &setup.send("DELETE", &path, "").await,
        404,
        "unknown_webhook",
    );
    let consumers = setup.bank.count("banking.event_consumers").await;
    assert_eq!(consumers, 0);
    let superuser = setup.bank.superuser().await;
    let sql = "SELECT string_agg(operation::text || ' ' || (actor LIKE 'api-key:test:%')::text, ', ' ORDER BY change_number)
        FROM banking.change_log WHERE table_name = 'webhooks'";
    let found: String =
        neobank_db::Executor::fetch_value(&superuser, neobank_db::statement(sql, []))
            .await
            .unwrap();
    assert_eq!(found, "insert true, update true, delete true");
    setup.bank.assert_sound().await;
}

async fn secrets_are_shown_once_and_stand_in_no_record(bank: TestBank) {
    let setup = Setup::on(bank).await;
    let receiver = Receiver::start().await;
    let (webhook, first) = setup.webhook(&receiver.url(), json!({})).await;
    let path = format!("/v1/webhooks/{webhook}");
    let rotated = setup.send("POST", &format!("{path}/rotate"), "{}").await;
    let second = rotated.body["secret"].as_str().unwrap().to_owned();
    setup.transfers(1).await;
    receiver.wait_for(1).await;
    let mut texts = Vec::new();
    for path in [
        &path,
        "/v1/webhooks",
        "/metrics",
        &format!("{path}/dead-letters"),
    ] {
        texts.push(setup.send("GET", path, "").await.body.to_string());
    }
    let patched = setup.send("PATCH", &path, "{\"description\": \"x\"}").await;
    texts.push(patched.body.to_string());
    texts.push(
        run(setup.bank.url(), &["changes", "list", "--json"])
            .await
            .out,
    );
    for secret in [first, second] {
        let digits = secret.strip_prefix("whsec_").unwrap();
        for text in &texts {
            assert!(
                !text.contains(digits) && !text.contains("secret\":"),
                "{text}"
            );
        }
    }
    let sql = "SELECT count(*) FROM banking.webhook_secrets";
    let read = neobank_db::Executor::execute(&setup.bank.database, neobank_db::statement(sql, []));
    assert_eq!(read.await.unwrap_err().sqlstate(), Some("42501"));
}

async fn callers_without_the_permission_are_rejected(bank: TestBank) {
    let setup = Setup::on(bank).await;
    let (webhook, _) = setup.webhook("https://shop.example/", json!({})).await;
    let scopes = Scope::ALL.into_iter();
    let scopes: Vec<_> = scopes.filter(|scope| *scope != Scope::Admin).collect();
    let other = key(&setup.bank, &scopes, |_| {}).await;
    let customer = setup.bank.customer().await;
    let bound = key(&setup.bank, &[Scope::Admin], |new| {
        new.bindings.customers.push(customer);
    })
    .await;
    let path = format!("/v1/webhooks/{webhook}");
    let create = json!({ "url": "https://shop.example/" }).to_string();
    for (bearer, kind) in [(other, "scope"), (bound, "binding")] {
        for (method, path, body) in [
            ("POST", "/v1/webhooks", create.as_str()),
            ("GET", "/v1/webhooks", ""),
            ("GET", &path, ""),
            ("PATCH", &path, "{}"),
            ("DELETE", &path, ""),
            ("POST", &format!("{path}/rotate"), "{}"),
            ("POST", &format!("{path}/replay"), "{\"after\": \"0\"}"),
            ("GET", &format!("{path}/dead-letters"), ""),
            ("POST", &format!("{path}/dead-letters/1/redeliver"), ""),
        ] {
            let answer = setup.service.send(method, path, &[&bearer], body).await;
            assert_problem(&answer, 403, kind);
        }
    }
}

async fn wrong_values_are_rejected_by_name(bank: TestBank) {
    let setup = Setup::on(bank).await;
    let url = "https://shop.example/";
    for (body, status) in [
        (json!({}), 422),
        (json!({ "url": url, "x": 1 }), 422),
        (json!({ "url": url, "event_types": ["transfer"] }), 422),
        (json!({ "url": url, "dead_after_seconds": 0 }), 422),
        (json!({ "url": url, "dead_after_seconds": 2_592_001 }), 422),
        (json!({ "url": url, "description": "x".repeat(201) }), 422),
        (json!({ "url": url, "description": "a\nb" }), 422),
        (json!({ "url": url, "after": "x" }), 400),
        (json!({ "url": url, "after": "999999" }), 422),
    ] {
        let answer = setup.send("POST", "/v1/webhooks", &body.to_string()).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
    }
    let (webhook, _) = setup.webhook(url, json!({})).await;
    let rotate = format!("/v1/webhooks/{webhook}/rotate");
    let long = json!({ "overlap_hours": 721 }).to_string();
    assert_eq!(setup.send("POST", &rotate, &long).await.status, 422);
    let shown = setup.show(&webhook).await;
    assert_eq!(shown["secret"], Value::Null);
    for _ in 1..100 {
        setup.webhook(url, json!({})).await;
    }
    let body = json!({ "url": url }).to_string();
    let rejected = setup.send("POST", "/v1/webhooks", &body).await;
    assert_problem(&rejected, 422, "webhook");
}
