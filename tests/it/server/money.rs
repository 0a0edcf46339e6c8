//! Transfers and postings: receipts, replays, rejections, and many callers with one key.

use neobank_domain::api_keys::Scope;
use neobank_server::Limits;

use super::{Service, key, send, transfer, with_key};
use crate::harness::{TestBank, czk};

on_both_versions!(
    transfer_moves_money_once_and_is_read_back,
    requests_are_rejected_with_a_problem_that_names_the_field,
    one_key_of_64_callers_moves_the_money_once,
);

async fn transfer_moves_money_once_and_is_read_back(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let scopes = [
        Scope::TransfersWrite,
        Scope::AdjustmentsWrite,
        Scope::AccountsRead,
    ];
    let bearer = key(&bank, &scopes, |_| {}).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let body = transfer(from, to, "30.50");
    let rent = with_key("rent");
    let headers = [bearer.as_str(), rent.as_str()];
    let first = service.send("POST", "/v1/transfers", &headers, &body).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert!(first.has("idempotency-replayed: false"), "{first:?}");
    assert_eq!(first.body["debit"]["running_balance"]["amount"], "69.50");
    assert_eq!(first.body["credit"]["entry_number"], "1");
    let again = service.send("POST", "/v1/transfers", &headers, &body).await;
    assert!(again.has("idempotency-replayed: true"), "{again:?}");
    assert_eq!(again.body, first.body);
    let other = transfer(from, to, "1.00");
    let other = service
        .send("POST", "/v1/transfers", &headers, &other)
        .await;
    assert_eq!(other.status, 409, "{other:?}");
    assert_eq!(other.body["kind"], "key_reused");
    assert_eq!(other.body["details"]["first"], first.body["transfer_id"]);
    assert_eq!(bank.balance(from).await, czk("69.50"));

    let path = format!(
        "/v1/transfers/{}",
        first.body["transfer_id"].as_str().unwrap()
    );
    let shown = service.send("GET", &path, &[&bearer], "").await;
    assert_eq!(shown.status, 200, "{shown:?}");
    assert_eq!(shown.body["idempotency_key"], "rent");
    let actor = shown.body["actor"].as_str().unwrap();
    assert!(actor.starts_with("api-key:test:nb_"), "{actor}");

    let deposit = format!(
        r#"{{"account": "{to}", "kind": "deposit", "amount": {{"amount": "5", "currency": "CZK"}},
            "metadata": {{"order": 4711}}}}"#
    );
    let cash = with_key("cash");
    let posted = service
        .send("POST", "/v1/postings", &[&bearer, &cash], &deposit)
        .await;
    assert_eq!(posted.status, 201, "{posted:?}");
    let account = service
        .send("GET", &format!("/v1/accounts/{to}"), &[&bearer], "")
        .await;
    assert_eq!(account.body["current_balance"]["amount"], "35.50");
    let version = account.body["version"].as_str().unwrap();
    assert!(account.has(&format!("etag: \"{version}\"")), "{account:?}");
    bank.assert_sound().await;
}

async fn requests_are_rejected_with_a_problem_that_names_the_field(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::TransfersWrite, Scope::AccountsRead], |_| {}).await;
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let before = bank.fingerprint().await;
    let valid = transfer(from, to, "1");
    for (body, status, kind, field) in [
        (transfer(from, to, "11"), 422, "insufficient_funds", None),
        (transfer(from, from, "1"), 422, "same_account", None),
        (
            transfer(from, to, "1.234"),
            422,
            "amount",
            Some("amount.amount"),
        ),
        (
            transfer(from, to, "1e2"),
            422,
            "amount",
            Some("amount.amount"),
        ),
        (
            valid.replace("CZK", "XYZ"),
            422,
            "amount",
            Some("amount.currency"),
        ),
        (
            valid.replace("\"1\"", "1"),
            422,
            "invalid",
            Some("amount.amount"),
        ),
        (
            valid.replace("\"from\"", "\"form\""),
            422,
            "invalid",
            Some("form"),
        ),
        (
            valid.replacen('{', "{\"metadata\": 1, ", 1),
            422,
            "invalid",
            Some("metadata"),
        ),
        (
            valid.replacen('{', "{\"value_date\": \"x\", ", 1),
            422,
            "invalid",
            Some("value_date"),
        ),
        (valid.replacen('{', "[", 1), 400, "malformed", Some("body")),
        (
            valid.replace(r#"{"amount":"1","currency":"CZK"}"#, r#"["1","CZK"]"#),
            422,
            "invalid",
            Some("amount"),
        ),
        (format!("{valid} x"), 400, "malformed", Some("body")),
    ] {
        let wrong = with_key("wrong");
        let answer = service
            .send("POST", "/v1/transfers", &[&bearer, &wrong], &body)
            .await;
        assert_eq!(
            (answer.status, &answer.body["kind"]),
            (status, &kind.into()),
            "{body}: {answer:?}"
        );
        assert!(
            answer.has("content-type: application/problem+json"),
            "{answer:?}"
        );
        assert_eq!(answer.body["type"], format!("urn:neobank:problem:{kind}"));
        assert!(!answer.body["request_id"].is_null() && !answer.body["action"].is_null());
        if let Some(field) = field {
            let named = answer.body["field"] == field
                || answer.body["detail"].as_str().unwrap().contains(field);
            assert!(named, "{field}: {answer:?}");
        }
    }
    let path = "/v1/transfers";
    let without_key = service.send("POST", path, &[&bearer], &valid).await;
    assert_eq!(
        (without_key.status, &without_key.body["field"]),
        (400, &"Idempotency-Key".into())
    );
    let k = with_key("k");
    let timeout = service
        .send(
            "POST",
            path,
            &[&bearer, &k, "request-timeout: soon"],
            &valid,
        )
        .await;
    assert_eq!(
        (timeout.status, &timeout.body["field"]),
        (400, &"Request-Timeout".into())
    );
    let parameter = service
        .send("POST", "/v1/transfers?limit=1", &[&bearer, &k], &valid)
        .await;
    assert_eq!(
        (parameter.status, &parameter.body["field"]),
        (400, &"limit".into())
    );
    for (method, path, status) in [
        ("GET", "/v1/accounts/x", 400),
        (
            "GET",
            "/v1/accounts/01a20965-a098-7575-9a06-6fd66fbd3c75",
            404,
        ),
        (
            "GET",
            "/v1/transfers/01a20965-a098-7575-9a06-6fd66fbd3c75",
            404,
        ),
        ("GET", "/v2", 404),
        ("DELETE", "/v1/transfers", 405),
    ] {
        let answer = service.send(method, path, &[&bearer], "").await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert!(!answer.body["kind"].is_null(), "{answer:?}");
    }
    assert_eq!(bank.fingerprint().await, before);
}

async fn one_key_of_64_callers_moves_the_money_once(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let body = transfer(from, to, "1");
    let once = with_key("once");
    let callers = (0..64).map(|_| {
        let (address, headers, body) = (&service.address, [bearer.as_str(), once.as_str()], &body);
        async move {
            send(address, "POST", "/v1/transfers", &headers, body)
                .await
                .unwrap()
        }
    });
    let answers = futures_util::future::join_all(callers).await;
    let first = &answers[0].body["transfer_id"];
    for answer in &answers {
        assert_eq!(
            (answer.status, &answer.body["transfer_id"]),
            (201, first),
            "{answer:?}"
        );
    }
    let new = answers
        .iter()
        .filter(|one| one.has("idempotency-replayed: false"));
    assert_eq!(new.count(), 1);
    assert_eq!(bank.balance(to).await, czk("1"));
}
