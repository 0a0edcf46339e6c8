//! Values that look right and are not: encodings, keys, numbers of steps, times and days.

use neobank_domain::api_keys::Scope;
use neobank_server::Limits;
use serde_json::{Value, json};

use super::{Answer, Service, amount, assert_problem, key, post, send, transfer, with_key};
use crate::harness::{TestBank, czk};

on_both_versions!(
    encoded_bodies_are_rejected,
    blank_key_in_a_batch_is_rejected,
    wrong_steps_are_named_by_their_path,
    lenient_days_and_leap_seconds_are_rejected,
);

async fn setup(bank: &TestBank) -> (Service, String) {
    let service = Service::on(bank, Limits::default()).await;
    let scopes = [Scope::Admin];
    (service, key(bank, &scopes, |_| {}).await)
}

#[track_caller]
fn assert_field(answer: &Answer, status: u16, field: &str) {
    let found = (answer.status, &answer.body["field"]);
    assert_eq!(found, (status, &field.into()), "{answer:?}");
}

async fn encoded_bodies_are_rejected(bank: TestBank) {
    let (service, bearer) = setup(&bank).await;
    let (from, to) = (bank.account(czk("9")).await, bank.account(czk("0")).await);
    let body = transfer(from, to, "1");
    let k = with_key("one");
    for (encoding, path, status) in [
        ("gzip", "/v1/transfers", 415),
        ("identity, br", "/v1/transfers", 415),
        ("gzip", "/v1/batches", 415),
        ("Identity", "/v1/transfers", 201),
    ] {
        let encoding = format!("content-encoding: {encoding}");
        let all = [bearer.as_str(), encoding.as_str(), k.as_str()];
        // A batch has its keys in its requests.
        let headers = if path == "/v1/batches" {
            &all[..2]
        } else {
            &all
        };
        let answer = service.send("POST", path, headers, &body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 415 {
            assert_problem(&answer, 415, "media_type");
            assert_eq!(answer.body["field"], "Content-Encoding");
        }
    }
    let form = "POST /console/sign-in HTTP/1.1\r\nhost: bank\r\nconnection: close\r\n\
                content-encoding: gzip\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                content-length: 3\r\n\r\nkey";
    let page = super::raw(&service.address, form.as_bytes()).await.unwrap();
    assert_eq!(page.status, 415, "{page:?}");
}

async fn blank_key_in_a_batch_is_rejected(bank: TestBank) {
    let (service, bearer) = setup(&bank).await;
    let (from, to) = (bank.account(czk("9")).await, bank.account(czk("0")).await);
    let body: Value = serde_json::from_str(&transfer(from, to, "1")).unwrap();
    let batch = json!([
        { "idempotency_key": " ", "transfer": body },
        { "idempotency_key": "a", "transfer": body },
    ]);
    let text = batch.to_string();
    let answer = service.send("POST", "/v1/batches", &[&bearer], &text).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let outcomes = answer.body.as_array().unwrap();
    assert_eq!(outcomes[0]["status"], 422, "{answer:?}");
    assert_eq!(outcomes[0]["problem"]["field"], "idempotency_key");
    assert_eq!(outcomes[1]["status"], 201, "{answer:?}");
}

async fn wrong_steps_are_named_by_their_path(bank: TestBank) {
    let (service, bearer) = setup(&bank).await;
    let (from, to) = (bank.account(czk("9")).await, bank.account(czk("0")).await);
    let first = json!({ "transfer": { "from": from, "to": to, "amount": amount("1") } });
    let step = async |step: Value| {
        let body = json!({ "steps": [first.clone(), step] });
        post(&service, &bearer, "/v1/groups", "one", &body).await
    };
    let answer = step(json!({ "capture": {} })).await;
    assert_field(&answer, 422, "steps[1].capture");
    let answer = step(json!({ "release": { "if_open": true } })).await;
    assert_field(&answer, 422, "steps[1].release");
    assert_field(&step(json!({})).await, 422, "steps[1]");
    let answer = step(json!({ "capture": { "hold_step": "0" } })).await;
    assert_field(&answer, 422, "steps[1].capture.hold_step");
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("such as 0 without quotes"), "{answer:?}");
}

async fn lenient_days_and_leap_seconds_are_rejected(bank: TestBank) {
    let (service, bearer) = setup(&bank).await;
    let (from, to) = (bank.account(czk("9")).await, bank.account(czk("0")).await);
    for time in [
        "2026-12-31T23:59:60Z",
        "2099-01-01 00:00:00Z",
        "2099-1-1T00:00:00Z",
    ] {
        let hold = json!({ "account": from, "amount": amount("1"), "expires_at": time });
        let answer = post(&service, &bearer, "/v1/holds", "h", &hold).await;
        assert_field(&answer, 422, "expires_at");
    }
    for day in ["2026-1-3", "+2026-01-03", "2026-02-30"] {
        let mut body: Value = serde_json::from_str(&transfer(from, to, "1")).unwrap();
        body["value_date"] = day.into();
        let answer = post(&service, &bearer, "/v1/transfers", "t", &body).await;
        assert_field(&answer, 422, "value_date");
        let born = json!({ "first_name": "A", "last_name": "B", "date_of_birth": day });
        let born = born.to_string();
        let answer = send(&service.address, "POST", "/v1/customers", &[&bearer], &born).await;
        assert_field(&answer.unwrap(), 422, "date_of_birth");
    }
    let account = format!("/v1/accounts/{from}/statement?from=2026-1-3&through=2026-01-04");
    let leap = "2026-12-31T23:59:60Z";
    for (path, field) in [
        (account, "from"),
        (
            format!("/v1/transfers?account={from}&until={leap}"),
            "until",
        ),
        (format!("/v1/trial-balance?at={leap}"), "at"),
        ("/v1/balances?value_date=2026-1-3".to_owned(), "value_date"),
    ] {
        let answer = service.send("GET", &path, &[&bearer], "").await;
        assert_field(&answer, 400, field);
    }
}
