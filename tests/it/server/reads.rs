//! Lists, statements, balances, customers, accounts and events.

use std::time::Duration;

use neobank_domain::api_keys::{self, Scope};
use neobank_server::Limits;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Answer, Service, key, transfer, with_key};
use crate::harness::{TestBank, czk};

on_both_versions!(
    customer_and_account_are_created_changed_and_found,
    change_with_a_stale_version_is_rejected,
    lists_go_on_behind_their_cursors,
    bound_key_reads_only_its_own_data,
    events_follow_the_sealed_order_and_wait,
    wrong_parameters_are_named,
    revoked_key_ends_its_stream_of_events,
    bound_key_finds_nothing_by_what_others_wrote,
    bound_key_does_not_decide_for_the_bank,
);

const ALL: [Scope; 4] = [
    Scope::TransfersWrite,
    Scope::AccountsRead,
    Scope::CustomersWrite,
    Scope::EventsRead,
];

/// Returns the address of the next page.
fn next(answer: &Answer) -> Option<String> {
    let line = answer
        .headers
        .lines()
        .find(|line| line.starts_with("link: <"))?;
    let address = line.strip_prefix("link: <")?.split('>').next()?;
    Some(address.to_owned())
}

async fn customer_and_account_are_created_changed_and_found(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &ALL, |_| {}).await;
    let body = json!({ "first_name": "Ada", "last_name": "Byron", "email": "ada@bank.example" });
    let created = service
        .send("POST", "/v1/customers", &[&bearer], &body.to_string())
        .await;
    assert_eq!(created.status, 201, "{created:?}");
    let customer = created.body["customer_id"].as_str().unwrap();
    let path = format!("/v1/customers/{customer}");
    let changes = r#"{"phone_primary": "+420 1", "email": null}"#;
    let changed = service.send("PATCH", &path, &[&bearer], changes).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.body["phone_primary"], "+420 1");
    assert!(changed.body["email"].is_null());
    let found = service
        .send("GET", "/v1/customers?phone=420&limit=1", &[&bearer], "")
        .await;
    assert_eq!(found.body["customers"][0]["customer_id"], customer);
    let preferences = format!("{path}/preferences");
    let merged = service
        .send("PATCH", &preferences, &[&bearer], r#"{"language": "cs"}"#)
        .await;
    assert_eq!(merged.body, json!({ "language": "cs" }), "{merged:?}");

    let new = json!({ "customer_id": customer, "account_type": "checking", "currency": "CZK",
        "time_zone": "Europe/Prague" });
    let opened = service
        .send("POST", "/v1/accounts", &[&bearer], &new.to_string())
        .await;
    assert_eq!(opened.status, 201, "{opened:?}");
    let account = opened.body["account_id"].as_str().unwrap();
    let listed = format!("/v1/accounts?customer_id={customer}");
    let listed = service.send("GET", &listed, &[&bearer], "").await;
    assert_eq!(listed.body["accounts"][0], opened.body);
    let number = opened.body["account_number"].as_str().unwrap();
    let numbered = format!("/v1/accounts?account_number={number}");
    let numbered = service.send("GET", &numbered, &[&bearer], "").await;
    assert_eq!(numbered.body["accounts"][0]["account_id"], account);
    let limit = r#"{"overdraft_limit": {"amount": "50", "currency": "CZK"}}"#;
    let path = format!("/v1/accounts/{account}");
    let limited = service
        .send("PUT", &format!("{path}/overdraft-limit"), &[&bearer], limit)
        .await;
    assert_eq!(
        limited.body["available_balance"]["amount"], "50.00",
        "{limited:?}"
    );
    for (change, status) in [
        ("freeze", "frozen"),
        ("unfreeze", "active"),
        ("close", "closed"),
        ("reopen", "active"),
    ] {
        let changed = service
            .send("POST", &format!("{path}/{change}"), &[&bearer], "")
            .await;
        assert_eq!(
            (changed.status, &changed.body["status"]),
            (200, &status.into()),
            "{changed:?}"
        );
    }
    let again = service
        .send("POST", &format!("{path}/reopen"), &[&bearer], "")
        .await;
    assert_eq!(again.status, 422, "{again:?}");
    let log = bank
        .count("banking.change_log WHERE actor LIKE 'api-key:test:%'")
        .await;
    assert!(log >= 6, "{log} changes name the key");
}

async fn change_with_a_stale_version_is_rejected(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &ALL, |_| {}).await;
    let account = bank.account(czk("10")).await;
    let path = format!("/v1/accounts/{account}");
    let shown = service.send("GET", &path, &[&bearer], "").await;
    let version = shown.body["version"].as_str().unwrap();
    assert!(shown.has(&format!("etag: \"{version}\"")), "{shown:?}");
    let freeze = format!("{path}/freeze");
    let stale = "if-match: \"0\"";
    let answer = service.send("POST", &freeze, &[&bearer, stale], "").await;
    assert_eq!(
        (answer.status, answer.body["kind"].as_str()),
        (412, Some("stale_version"))
    );
    let malformed = service
        .send("POST", &freeze, &[&bearer, "if-match: *"], "")
        .await;
    assert_eq!(malformed.status, 400, "{malformed:?}");
    let fresh = format!("if-match: \"{version}\"");
    let answer = service.send("POST", &freeze, &[&bearer, &fresh], "").await;
    assert_eq!(
        (answer.status, answer.body["status"].as_str()),
        (200, Some("frozen"))
    );
    let answer = service
        .send("POST", &format!("{path}/unfreeze"), &[&bearer, &fresh], "")
        .await;
    assert_eq!(answer.status, 412, "{answer:?}");
}

async fn lists_go_on_behind_their_cursors(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &ALL, |_| {}).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    for number in 0..7 {
        let idempotency = with_key(&format!("page-{number}"));
        let headers = [bearer.as_str(), idempotency.as_str()];
        let sent = service
            .send("POST", "/v1/transfers", &headers, &transfer(from, to, "1"))
            .await;
        assert_eq!(sent.status, 201, "{sent:?}");
    }
    let days = "from=2000-01-01&through=2100-01-01";
    for (start, member, count) in [
        (
            format!("/v1/transfers?account={to}&limit=3"),
            "transfers",
            7,
        ),
        (
            format!("/v1/accounts/{to}/statement?{days}&limit=3"),
            "entries",
            7,
        ),
        (
            "/v1/balances?currency=CZK&limit=1".to_owned(),
            "balances",
            2,
        ),
    ] {
        let (mut address, mut seen) = (Some(start), Vec::new());
        while let Some(path) = address {
            let answer = service.send("GET", &path, &[&bearer], "").await;
            assert_eq!(answer.status, 200, "{answer:?}");
            seen.extend(answer.body[member].as_array().unwrap().clone());
            address = next(&answer);
        }
        assert!(seen.len() >= count, "{member}: {seen:?}");
        for (position, one) in seen.iter().enumerate() {
            assert!(!seen[..position].contains(one), "{member} twice: {one}");
        }
    }
    let trial = service
        .send("GET", "/v1/trial-balance", &[&bearer], "")
        .await;
    assert_eq!(
        trial.body["currencies"][0]["is_balanced"], true,
        "{trial:?}"
    );
    let today = "from=2026-01-01&through=2026-01-03";
    let summaries = format!("/v1/accounts/{to}/daily-summaries?{today}");
    let summaries = service.send("GET", &summaries, &[&bearer], "").await;
    assert_eq!(
        summaries.body["days"].as_array().map(Vec::len),
        Some(3),
        "{summaries:?}"
    );
}

async fn bound_key_reads_only_its_own_data(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let all = key(&bank, &ALL, |_| {}).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let idempotency = with_key("seen");
    let headers = [all.as_str(), idempotency.as_str()];
    service
        .send("POST", "/v1/transfers", &headers, &transfer(from, to, "1"))
        .await;
    let bound = key(&bank, &ALL, |key| key.bindings.accounts = vec![to]).await;
    let own = format!("/v1/transfers?account={to}");
    let own = service.send("GET", &own, &[&bound], "").await;
    assert_eq!(own.status, 200, "{own:?}");
    let listed = &own.body["transfers"][0];
    assert!(listed["debit"]["running_balance"].is_null(), "{listed}");
    assert!(listed["idempotency_key"].is_null(), "{listed}");
    assert_eq!(listed["credit"]["running_balance"]["amount"], "1.00");
    for path in [
        format!("/v1/transfers?account={from}"),
        "/v1/transfers".to_owned(),
        "/v1/balances".to_owned(),
        "/v1/trial-balance".to_owned(),
        "/v1/customers".to_owned(),
        "/v1/events".to_owned(),
        format!("/v1/accounts/{from}/statement?from=2026-01-01&through=2026-01-02"),
        format!("/v1/accounts/{from}/daily-summaries?from=2026-01-01&through=2026-01-02"),
    ] {
        let denied = service.send("GET", &path, &[&bound], "").await;
        assert_eq!(
            (denied.status, denied.body["kind"].as_str()),
            (403, Some("binding")),
            "{path}"
        );
    }
    for change in ["freeze", "close"] {
        let path = format!("/v1/accounts/{from}/{change}");
        let denied = service.send("POST", &path, &[&bound], "").await;
        assert_eq!(denied.status, 403, "{path}");
    }
}

async fn events_follow_the_sealed_order_and_wait(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &ALL, |_| {}).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let mut after = String::new();
    for round in 0..3 {
        let idempotency = with_key(&format!("event-{round}"));
        let headers = [bearer.as_str(), idempotency.as_str()];
        let path = format!("/v1/events?wait=8&after={after}");
        let reader = [bearer.as_str()];
        let waiting = service.send("GET", &path, &reader, "");
        let body = transfer(from, to, "2");
        let posted = service.send("POST", "/v1/transfers", &headers, &body);
        let (mut found, posted) = tokio::join!(waiting, posted);
        // The opening deposits come first.
        while !found.body["events"]
            .as_array()
            .unwrap()
            .iter()
            .any(|event| event["transfer_id"] == posted.body["transfer_id"])
        {
            let next = found.body["next"].as_str().unwrap().to_owned();
            let path = format!("/v1/events?wait=8&after={next}");
            found = service.send("GET", &path, &[&bearer], "").await;
            assert_eq!(found.status, 200, "{found:?}");
        }
        after = found.body["next"].as_str().unwrap().to_owned();
    }
    let all = service
        .send("GET", "/v1/events?limit=1000", &[&bearer], "")
        .await;
    let events = all.body["events"].as_array().unwrap();
    for (event, position) in events.iter().zip(1..) {
        assert_eq!(event["position"], position.to_string());
    }
    let accept = "accept: text/event-stream";
    let stream = service
        .stream("/v1/events?after=1", &[&bearer, accept], "id: 3\n")
        .await;
    assert!(
        stream.contains("content-type: text/event-stream"),
        "{stream}"
    );
    assert!(
        stream.contains("event: transfer\n") && !stream.contains("id: 1\n"),
        "{stream}"
    );
    let resumed = [bearer.as_str(), accept, "last-event-id: 2"];
    let stream = service.stream("/v1/events", &resumed, "id: 3\n").await;
    assert!(!stream.contains("id: 2\n"), "{stream}");
}

async fn wrong_parameters_are_named(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &ALL, |_| {}).await;
    for (path, field) in [
        ("/v1/transfers?colour=red", "colour"),
        ("/v1/transfers?limit=x", "limit"),
        ("/v1/transfers?account=7", "account"),
        ("/v1/transfers?after=7", "after"),
        ("/v1/transfers?at_least=5", "currency"),
        ("/v1/transfers?at_least=5&currency=XXX", "currency"),
        ("/v1/transfers?from=yesterday", "from"),
        ("/v1/transfers?side=left", "side"),
        ("/v1/transfers?transfer_type=gift", "transfer_type"),
        (
            "/v1/balances?at=2026-01-01T00:00:00Z&value_date=2026-01-01",
            "value_date",
        ),
        ("/v1/accounts", "customer_id"),
        ("/v1/events?after=-1", "after"),
        ("/v1/events?wait=soon", "wait"),
    ] {
        let answer = service.send("GET", path, &[&bearer], "").await;
        assert!([400, 422].contains(&answer.status), "{path}: {answer:?}");
        assert_eq!(answer.body["field"], field, "{path}: {answer:?}");
    }
    let twice = service
        .send("GET", "/v1/transfers?limit=1&limit=2", &[&bearer], "")
        .await;
    assert_eq!((twice.status, &twice.body["field"]), (400, &"limit".into()));
}

async fn revoked_key_ends_its_stream_of_events(bank: TestBank) {
    let mut limits = Limits::default();
    limits.key_cache_time = Duration::from_millis(200);
    let service = Service::on(&bank, limits).await;
    let bearer = key(&bank, &ALL, |_| {}).await;
    let request = format!(
        "GET /v1/events HTTP/1.1\r\nhost: bank\r\naccept: text/event-stream\r\nconnection: close\r\n{bearer}\r\n\r\n"
    );
    let mut stream = TcpStream::connect(&service.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    stream.read_buf(&mut received).await.unwrap();
    assert!(received.starts_with(b"HTTP/1.1 200"), "{received:?}");
    let admin = bank.ledger.acting_as("admin:1".parse().unwrap());
    let found = api_keys::list(&bank.database).await.unwrap();
    let change = admin.begin_change().await.unwrap();
    api_keys::revoke(&change, found[0].api_key_id)
        .await
        .unwrap();
    change.commit().await.unwrap();
    let end = stream.read_to_end(&mut received);
    let end = tokio::time::timeout(Duration::from_secs(30), end).await;
    end.expect("the stream ends").unwrap();
}

async fn bound_key_finds_nothing_by_what_others_wrote(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let all = key(&bank, &ALL, |_| {}).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let idempotency = with_key("secret");
    let headers = [all.as_str(), idempotency.as_str()];
    service
        .send("POST", "/v1/transfers", &headers, &transfer(from, to, "1"))
        .await;
    let payer = key(&bank, &ALL, |key| key.bindings.accounts = vec![from]).await;
    let payee = key(&bank, &ALL, |key| key.bindings.accounts = vec![to]).await;
    for condition in [
        "idempotency_key=secret",
        "actor=a:1",
        "metadata=%7B%22a%22:1%7D",
    ] {
        let path = format!("/v1/transfers?account={to}&{condition}");
        let denied = service.send("GET", &path, &[&payee], "").await;
        assert_eq!(denied.status, 400, "{denied:?}");
        let own = format!("/v1/transfers?account={from}&side=debit&{condition}");
        let own = service.send("GET", &own, &[&payer], "").await;
        assert_eq!(own.status, 200, "{own:?}");
    }
}

async fn bound_key_does_not_decide_for_the_bank(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let account = bank.account(czk("100")).await;
    let customer = bank.find(account).await.customer_id.unwrap();
    let bound = key(&bank, &ALL, |key| key.bindings.customers = vec![customer]).await;
    let limit = r#"{"overdraft_limit": {"amount": "50", "currency": "CZK"}}"#;
    let path = format!("/v1/accounts/{account}/overdraft-limit");
    let denied = service.send("PUT", &path, &[&bound], limit).await;
    assert_eq!(denied.status, 403, "{denied:?}");
    for change in ["freeze", "unfreeze", "close", "reopen"] {
        let path = format!("/v1/accounts/{account}/{change}");
        let denied = service.send("POST", &path, &[&bound], "").await;
        assert_eq!(denied.status, 403, "{denied:?}");
    }
    let path = format!("/v1/customers/{customer}");
    for (changes, status) in [
        (r#"{"kyc_status": "verified"}"#, 403),
        (
            r#"{"customer_status": "active", "phone_primary": "1"}"#,
            403,
        ),
        (r#"{"phone_primary": "+420 123"}"#, 200),
    ] {
        let answer = service.send("PATCH", &path, &[&bound], changes).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
}
