//! Exchanges: the computed side, quotes, and who may make one.

use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::api_keys::Scope;
use neobank_domain::{AccountId, AccountType, Money};
use neobank_server::Limits;
use serde_json::{Value, json};

use super::{Service, amount, assert_problem, key, post};
use crate::harness::{TestBank, czk};

on_both_versions!(
    exchange_is_posted_once_with_its_spread_and_quote,
    impossible_exchanges_change_nothing,
    exchange_needs_the_scope_of_postings_and_both_accounts,
);

async fn euro_account(bank: &TestBank) -> AccountId {
    let euros: Money = "0 EUR".parse().unwrap();
    let new = NewAccount::new(
        bank.customer().await,
        AccountType::Checking,
        euros.currency(),
    );
    let account = accounts::open(&bank.database, &new).await.unwrap();
    account.account_id
}

fn exchange(from: AccountId, to: AccountId) -> Value {
    json!({ "from": from, "to": to, "sold": amount("1000"), "currency": "EUR", "rate": "0.0399" })
}

async fn exchange_is_posted_once_with_its_spread_and_quote(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::AdjustmentsWrite], |_| {}).await;
    let (koruna, euro) = (bank.account(czk("2000")).await, euro_account(&bank).await);
    let mut body = exchange(koruna, euro);
    body["spread"] = amount("5");
    body["quote"] = json!({ "id": "Q-1", "expires_at": "2100-01-01T00:00:00Z" });
    let posted = post(&service, &bearer, "/v1/exchanges", "ex", &body).await;
    assert_eq!(posted.status, 201, "{posted:?}");
    let steps = posted.body["steps"].as_array().unwrap();
    assert_eq!(steps[0]["amount"]["amount"], "1000.00");
    assert_eq!(
        steps[1]["amount"],
        json!({ "amount": "39.90", "currency": "EUR" })
    );
    assert_eq!(steps[2]["transfer_type"], "fee");
    let again = post(&service, &bearer, "/v1/exchanges", "ex", &body).await;
    assert!(again.has("idempotency-replayed: true"), "{again:?}");
    assert_eq!(again.body, posted.body);
    body["rate"] = json!("0.04");
    let other = post(&service, &bearer, "/v1/exchanges", "ex", &body).await;
    assert_problem(&other, 409, "key_reused");
    let bought = json!({ "from": koruna, "to": euro, "rounding": "half_up", "currency": "CZK",
        "bought": { "amount": "0.03", "currency": "EUR" }, "rate": "0.0399" });
    let bought = post(&service, &bearer, "/v1/exchanges", "buy", &bought).await;
    assert_eq!(
        bought.body["steps"][0]["amount"]["amount"], "0.75",
        "{bought:?}"
    );
    assert_eq!(bank.balance(koruna).await, czk("994.25"));
    bank.assert_sound().await;
}

async fn impossible_exchanges_change_nothing(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::AdjustmentsWrite], |_| {}).await;
    let (koruna, euro) = (bank.account(czk("500")).await, euro_account(&bank).await);
    let with = |member: &str, value: Value| {
        let mut body = exchange(koruna, euro);
        body[member] = value;
        body
    };
    for (body, field) in [
        (with("rate", json!(0.0399)), "rate"),
        (with("rate", json!("x")), "rate"),
        (with("rate", json!("-1")), "rate"),
        (with("rate", json!("1e3")), "rate"),
        (with("currency", json!("CZK")), "currency"),
        (with("currency", json!("XYZ")), "currency"),
        (with("bought", amount("1")), "body"),
        (with("sold", Value::Null), "body"),
        (with("rounding", json!("up")), "rounding"),
        (with("quote", json!({ "id": "Q" })), "quote"),
        (
            with("quote", json!({ "id": "Q", "expires_at": "x" })),
            "quote.expires_at",
        ),
        (with("metadata", json!({ "exchange": 1 })), "metadata"),
    ] {
        let answer = post(&service, &bearer, "/v1/exchanges", "wrong", &body).await;
        assert_problem(&answer, 422, "invalid");
        assert_eq!(answer.body["field"], field, "{answer:?}");
    }
    let late = with(
        "quote",
        json!({ "id": "Q", "expires_at": "2001-01-01T00:00:00Z" }),
    );
    let late = post(&service, &bearer, "/v1/exchanges", "late", &late).await;
    assert_problem(&late, 422, "group_expired");
    let poor = post(
        &service,
        &bearer,
        "/v1/exchanges",
        "poor",
        &exchange(koruna, euro),
    )
    .await;
    assert_problem(&poor, 422, "group_step");
    assert_eq!(bank.balance(koruna).await, czk("500"));
}

async fn exchange_needs_the_scope_of_postings_and_both_accounts(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let (koruna, euro) = (bank.account(czk("2000")).await, euro_account(&bank).await);
    let transfers = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let body = exchange(koruna, euro);
    let denied = post(&service, &transfers, "/v1/exchanges", "ex", &body).await;
    assert_problem(&denied, 403, "scope");
    for accounts in [vec![koruna], vec![euro]] {
        let bound = key(&bank, &[Scope::AdjustmentsWrite], |new| {
            new.bindings.accounts = accounts;
        });
        let denied = post(&service, &bound.await, "/v1/exchanges", "ex", &body).await;
        assert_problem(&denied, 403, "binding");
    }
    let both = vec![koruna, euro];
    let bound = key(&bank, &[Scope::AdjustmentsWrite], |new| {
        new.bindings.accounts = both;
    })
    .await;
    let posted = post(&service, &bound, "/v1/exchanges", "ex", &body).await;
    assert_eq!(posted.status, 201, "{posted:?}");
    assert!(
        posted.body["steps"][0]["credit"]["running_balance"].is_null(),
        "{posted:?}"
    );
}
