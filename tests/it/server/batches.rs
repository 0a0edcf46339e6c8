//! Batches: independent requests with an outcome each.

use neobank_domain::api_keys::Scope;
use neobank_server::Limits;
use serde_json::{Value, json};

use super::{Answer, Service, amount, assert_problem, key};
use crate::harness::{TestBank, czk};

on_both_versions!(
    each_request_of_a_batch_has_its_own_outcome,
    repeated_batch_gets_its_first_answers,
    requests_of_a_batch_need_their_own_scopes_and_bindings,
    batch_above_its_limits_is_not_executed,
);

async fn post(service: &Service, bearer: &str, batch: &Value) -> Answer {
    let body = batch.to_string();
    service.send("POST", "/v1/batches", &[bearer], &body).await
}

fn transfer(key: &str, from: impl ToString, to: impl ToString, text: &str) -> Value {
    let (from, to) = (from.to_string(), to.to_string());
    json!({ "idempotency_key": key, "transfer": { "from": from, "to": to, "amount": amount(text) } })
}

fn kinds(answer: &Answer) -> Vec<(u64, &str)> {
    let outcomes = answer.body.as_array().unwrap();
    outcomes
        .iter()
        .map(|one| {
            let name = one["problem"]["kind"].as_str();
            let done = ["transfer", "hold", "group"];
            let done = done.into_iter().find(|name| one[*name].is_object());
            (one["status"].as_u64().unwrap(), name.or(done).unwrap())
        })
        .collect()
}

async fn each_request_of_a_batch_has_its_own_outcome(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::Admin], |_| {}).await;
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let mut unknown = transfer("unknown", a, b, "1");
    unknown["transfer"]["form"] = json!(1);
    let mut two = transfer("two", a, b, "1");
    two["hold"] = json!({ "account": a, "amount": amount("1") });
    let batch = json!([
        transfer("pay", a, b, "10"),
        transfer("poor", a, b, "1000"),
        unknown,
        two,
        { "idempotency_key": "none" },
        { "idempotency_key": "", "transfer": {} },
        7,
        ["x"],
        { "idempotency_key": "cash", "posting": { "account": b, "kind": "deposit", "amount": amount("5") } },
        { "idempotency_key": "hold", "hold": { "account": a, "amount": amount("20"), "to": b } },
        { "idempotency_key": "group", "group": { "steps": [
            { "transfer": { "from": a, "to": b, "amount": amount("1") } },
        ] } },
        { "idempotency_key": "lost", "reversal": { "transfer": "01a20965-a098-7575-9a06-6fd66fbd3c75" } },
        { "idempotency_key": "free", "release": { "hold": "01a20965-a098-7575-9a06-6fd66fbd3c75" } },
    ]);
    let answer = post(&service, &bearer, &batch).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        kinds(&answer),
        [
            (201, "transfer"),
            (422, "insufficient_funds"),
            (422, "invalid"),
            (422, "invalid"),
            (422, "invalid"),
            (422, "invalid"),
            (400, "malformed"),
            (400, "malformed"),
            (201, "transfer"),
            (201, "hold"),
            (201, "group"),
            (404, "unknown_transfer"),
            (404, "unknown_hold"),
        ]
    );
    let outcomes = answer.body.as_array().unwrap();
    assert_eq!(outcomes[0]["idempotency_key"], "pay");
    assert_eq!(outcomes[0]["idempotency_replayed"], false);
    assert_eq!(outcomes[0]["transfer"]["amount"]["amount"], "10.00");
    assert_eq!(outcomes[1]["idempotency_key"], "poor");
    assert_eq!(outcomes[2]["problem"]["field"], "transfer.form");
    assert!(
        !outcomes[2]["problem"]["request_id"].is_null(),
        "{answer:?}"
    );
    let hold = &outcomes[9]["hold"]["hold_id"];
    let later = json!([
        { "idempotency_key": "capture", "capture": { "hold": hold, "amount": amount("8"), "more_to_come": true } },
    ]);
    let captured = post(&service, &bearer, &later).await;
    assert_eq!(kinds(&captured), [(201, "transfer")]);
    let later = json!([
        { "idempotency_key": "release", "release": { "hold": hold } },
        { "idempotency_key": "back", "reversal": { "transfer": outcomes[0]["transfer"]["transfer_id"] } },
    ]);
    assert_eq!(
        kinds(&post(&service, &bearer, &later).await),
        [(200, "hold"), (201, "transfer")]
    );
    assert_eq!(
        (bank.balance(a).await, bank.balance(b).await),
        (czk("91"), czk("14"))
    );
    bank.assert_sound().await;
}

async fn repeated_batch_gets_its_first_answers(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::Admin], |_| {}).await;
    let (a, b) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let mut batch: Vec<_> = (0..500)
        .map(|number| transfer(&format!("k-{number}"), a, b, "1"))
        .collect();
    let first = post(&service, &bearer, &json!(batch)).await;
    batch[7] = transfer("k-7", a, b, "2");
    batch.push(transfer("k-8", a, b, "1"));
    let again = post(&service, &bearer, &json!(batch)).await;
    let (first, again) = (
        first.body.as_array().unwrap(),
        again.body.as_array().unwrap(),
    );
    for (number, outcome) in again.iter().enumerate().filter(|(number, _)| *number != 7) {
        assert_eq!(outcome["idempotency_replayed"], true, "{number}: {outcome}");
        let earlier = first.get(number).unwrap_or(&first[8]);
        assert_eq!(outcome["transfer"], earlier["transfer"]);
    }
    assert_eq!(
        (&again[7]["status"], &again[7]["problem"]["kind"]),
        (&409.into(), &"key_reused".into())
    );
    assert_eq!(bank.balance(b).await, czk("500"));
    let metrics = service.send("GET", "/metrics", &[], "").await;
    let metrics = metrics.body.as_str().unwrap().to_owned();
    let count = |name: &str| {
        let mut lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
        lines.next().unwrap().trim().parse::<u64>().unwrap()
    };
    let batches = count("neobank_group_commit_batches_total ");
    assert!(batches < 100, "{batches} transactions for 1001 requests");
}

async fn requests_of_a_batch_need_their_own_scopes_and_bindings(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let (own, other) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    let bearer = key(&bank, &[Scope::TransfersWrite], |new| {
        new.bindings.accounts = vec![own];
    })
    .await;
    let batch = json!([
        transfer("pay", own, other, "1"),
        transfer("theft", other, own, "1"),
        { "idempotency_key": "cash", "posting": { "account": own, "kind": "deposit", "amount": amount("5") } },
        { "idempotency_key": "hold", "hold": { "account": own, "amount": amount("5") } },
        { "idempotency_key": "ex", "exchange": {
            "from": own, "to": own, "sold": amount("1"), "currency": "EUR", "rate": "1" } },
    ]);
    let answer = post(&service, &bearer, &batch).await;
    assert_eq!(
        kinds(&answer),
        [
            (201, "transfer"),
            (403, "binding"),
            (403, "scope"),
            (403, "scope"),
            (403, "scope")
        ]
    );
    assert!(
        answer.body[0]["transfer"]["credit"]["running_balance"].is_null(),
        "{answer:?}"
    );
    let read = key(&bank, &[Scope::AccountsRead], |_| {}).await;
    assert_problem(&post(&service, &read, &batch).await, 403, "scope");
    assert_eq!(
        (bank.balance(own).await, bank.balance(other).await),
        (czk("9"), czk("11"))
    );
}

async fn batch_above_its_limits_is_not_executed(bank: TestBank) {
    let mut limits = Limits::default();
    limits.batch_requests_max = 3;
    limits.batch_bytes_max = 2_000;
    let service = Service::on(&bank, limits).await;
    let bearer = key(&bank, &[Scope::Admin], |_| {}).await;
    let (a, b) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let of = |count: usize| -> Value {
        (0..count)
            .map(|number| transfer(&format!("k-{number}"), a, b, "1"))
            .collect()
    };
    assert_problem(
        &post(&service, &bearer, &of(4)).await,
        413,
        "batch_too_large",
    );
    assert_problem(
        &post(&service, &bearer, &of(20)).await,
        413,
        "body_too_large",
    );
    assert_problem(&post(&service, &bearer, &of(0)).await, 422, "invalid");
    assert_problem(
        &post(&service, &bearer, &json!({ "a": 1 })).await,
        400,
        "malformed",
    );
    let unfinished = of(2).to_string().replace(']', "");
    let unfinished = service
        .send("POST", "/v1/batches", &[&bearer], &unfinished)
        .await;
    assert_problem(&unfinished, 400, "malformed");
    let keyed = [bearer.as_str(), "idempotency-key: k"];
    let keyed = service
        .send("POST", "/v1/batches", &keyed, &of(1).to_string())
        .await;
    assert_problem(&keyed, 400, "malformed");
    assert_eq!(keyed.body["field"], "Idempotency-Key");
    let without_type = service.send("POST", "/v1/batches", &[&bearer], "").await;
    assert_problem(&without_type, 415, "media_type");
    assert_eq!(bank.balance(b).await, czk("0"));
    assert_eq!(
        kinds(&post(&service, &bearer, &of(3)).await),
        [(201, "transfer"); 3]
    );
}
