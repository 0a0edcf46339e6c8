//! The rate of callers, and of addresses without a valid key.

use std::time::{Duration, Instant};

use neobank_domain::api_keys::Scope;
use neobank_server::{ApiKeySecret, Limits, RateLimit};
use serde_json::{Value, json};

use super::{Answer, Service, assert_problem, key, raw, transfer};
use crate::harness::{TestBank, czk};

on_both_versions!(
    caller_above_its_rate_is_answered_before_its_body_and_others_go_on,
    batch_takes_a_token_for_each_request_and_is_executed_whole_or_not,
    stream_of_requests_is_slowed_down_to_the_rate_of_its_key,
    address_with_too_many_wrong_keys_is_refused_and_known_keys_go_on,
);

fn limits(per_second: u32, burst: u32) -> Limits {
    let mut limits = Limits::default();
    limits.caller_rate = Some(RateLimit::new(per_second, burst));
    limits
}

#[track_caller]
fn assert_limited(answer: &Answer) -> u32 {
    assert_problem(answer, 429, "rate_limited");
    let mut lines = answer.headers.lines();
    let wait = lines.find_map(|line| line.strip_prefix("retry-after: "));
    wait.expect("Retry-After").parse().unwrap()
}

async fn count(service: &Service, name: &str) -> u64 {
    let metrics = service.send("GET", "/metrics", &[], "").await.body;
    let mut lines = metrics.as_str().unwrap().lines();
    let figure = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    figure.expect(name).parse().unwrap()
}

async fn caller_above_its_rate_is_answered_before_its_body_and_others_go_on(bank: TestBank) {
    let service = Service::on(&bank, limits(1, 3)).await;
    let own = bank.account(czk("10")).await;
    let path = format!("/v1/accounts/{own}");
    let scopes = [Scope::AccountsRead, Scope::TransfersWrite];
    let (busy, other) = (
        key(&bank, &scopes, |_| {}).await,
        key(&bank, &scopes, |_| {}).await,
    );
    for _ in 0..3 {
        assert_eq!(service.send("GET", &path, &[&busy], "").await.status, 200);
    }
    let begun = Instant::now();
    // The body never comes: the answer does not wait for it, and the connection ends.
    let endless = format!(
        "POST /v1/transfers HTTP/1.1\r\nhost: bank\r\n{busy}\r\nidempotency-key: k\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    let refused = raw(&service.address, endless.as_bytes()).await.unwrap();
    assert_eq!(assert_limited(&refused), 1);
    assert!(refused.has("connection: close"), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{begun:?}");
    assert_eq!(service.send("GET", &path, &[&other], "").await.status, 200);
    let live = service.send("GET", "/health/live", &[&busy], "").await;
    assert_eq!(live.status, 200);
    assert!(count(&service, "neobank_http_callers_limited_total").await >= 1);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(service.send("GET", &path, &[&busy], "").await.status, 200);
}

async fn batch_takes_a_token_for_each_request_and_is_executed_whole_or_not(bank: TestBank) {
    let service = Service::on(&bank, limits(2, 6)).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let batch = |name: &str, requests: usize| {
        let body: Value = transfer(from, to, "1").parse().unwrap();
        let requests = (0..requests)
            .map(|number| json!({"idempotency_key": format!("{name}-{number}"), "transfer": body}));
        Value::Array(requests.collect()).to_string()
    };
    let send = async |body: String| {
        let headers = [bearer.as_str()];
        service.send("POST", "/v1/batches", &headers, &body).await
    };
    assert_eq!(send(batch("first", 5)).await.status, 200);
    let refused = send(batch("second", 3)).await;
    let wait = assert_limited(&refused);
    assert!((1..=3).contains(&wait), "{wait}");
    assert_eq!(bank.balance(to).await, czk("5"));
    // A batch above the burst needs a full bucket. The second answer knows its size.
    for _ in 0..2 {
        let wait = assert_limited(&send(batch("large", 20)).await);
        tokio::time::sleep(Duration::from_secs(wait.into())).await;
    }
    assert_eq!(send(batch("large", 20)).await.status, 200);
    assert_eq!(bank.balance(to).await, czk("25"));
    assert_limited(&send(batch("third", 1)).await);
}

async fn stream_of_requests_is_slowed_down_to_the_rate_of_its_key(bank: TestBank) {
    let service = Service::on(&bank, limits(10, 5)).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let transfer = transfer(from, to, "1");
    let lines: String = (0..20)
        .map(|number| {
            format!("{{\"idempotency_key\": \"s-{number}\", \"transfer\": {transfer}}}\n")
        })
        .collect();
    let request = format!(
        "POST /v1/batches HTTP/1.1\r\nhost: bank\r\nconnection: close\r\n{bearer}\r\n\
         content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n{lines}",
        lines.len()
    );
    let begun = Instant::now();
    let answer = raw(&service.address, request.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(bank.balance(to).await, czk("20"));
    // 5 of 20 lines are taken at once, and then 10 in a second.
    assert!(begun.elapsed() > Duration::from_millis(1_300), "{begun:?}");
}

async fn address_with_too_many_wrong_keys_is_refused_and_known_keys_go_on(bank: TestBank) {
    let mut limits = Limits::default();
    limits.attempt_rate = Some(RateLimit::new(1, 5));
    let service = Service::on(&bank, limits).await;
    let own = bank.account(czk("10")).await;
    let path = format!("/v1/accounts/{own}");
    let known = key(&bank, &[Scope::AccountsRead], |_| {}).await;
    let new = key(&bank, &[Scope::AccountsRead], |_| {}).await;
    assert_eq!(service.send("GET", &path, &[&known], "").await.status, 200);
    let last = if known.ends_with('0') { "1" } else { "0" };
    let wrong = format!("{}{last}", &known[..known.len() - 1]);
    let random = || {
        let secret = ApiKeySecret::generate().unwrap();
        format!("authorization: Bearer {}", secret.reveal())
    };
    let attempts = [random(), random(), wrong.clone(), "x: 1".to_owned()];
    for attempt in &attempts {
        let answer = service.send("GET", &path, &[attempt], "").await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    for attempt in &attempts {
        assert_limited(&service.send("GET", &path, &[attempt], "").await);
    }
    assert_limited(&service.send("GET", &path, &[&new], "").await);
    assert!(count(&service, "neobank_http_attempts_limited_total").await >= 5);
    assert_eq!(service.send("GET", &path, &[&known], "").await.status, 200);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(service.send("GET", &path, &[&new], "").await.status, 200);
}
