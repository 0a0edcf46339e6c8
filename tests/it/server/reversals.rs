//! Reversals: the amounts that are left, and who may give money back.

use neobank_domain::PostingRequest;
use neobank_domain::api_keys::Scope;
use neobank_server::Limits;
use serde_json::json;

use super::{Service, amount, assert_problem, key, post};
use crate::harness::{TestBank, czk};

on_both_versions!(
    transfer_is_reversed_in_parts_and_never_beyond_its_amount,
    reversal_needs_the_account_that_gives_the_money_back,
    reversal_of_a_posting_needs_the_scope_of_postings,
);

async fn transfer_is_reversed_in_parts_and_never_beyond_its_amount(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::TransfersWrite, Scope::AccountsRead], |_| {}).await;
    let (payer, shop) = (
        bank.account(czk("100")).await,
        bank.account(czk("50")).await,
    );
    let body = json!({ "from": payer, "to": shop, "amount": amount("30") });
    let paid = post(&service, &bearer, "/v1/transfers", "pay", &body).await;
    let transfer = format!(
        "/v1/transfers/{}",
        paid.body["transfer_id"].as_str().unwrap()
    );
    let path = format!("{transfer}/reversals");
    let part = json!({ "amount": amount("10"), "description": "Damaged", "metadata": { "a": 1 } });
    let first = post(&service, &bearer, &path, "part", &part).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(first.body["reverses"], paid.body["transfer_id"]);
    assert_eq!(first.body["debit"]["account_id"], json!(shop));
    assert_eq!(first.body["credit"]["running_balance"]["amount"], "80.00");
    let again = post(&service, &bearer, &path, "part", &part).await;
    assert!(again.has("idempotency-replayed: true"), "{again:?}");
    assert_eq!(again.body, first.body);
    let other = post(&service, &bearer, &path, "part", &json!({})).await;
    assert_problem(&other, 409, "key_reused");
    let too_much = json!({ "amount": amount("20.01") });
    let too_much = post(&service, &bearer, &path, "much", &too_much).await;
    assert_problem(&too_much, 422, "more_than_remains");
    let rest = post(&service, &bearer, &path, "rest", &json!({})).await;
    assert_eq!(rest.body["amount"]["amount"], "20.00", "{rest:?}");
    let none = post(&service, &bearer, &path, "none", &json!({})).await;
    assert_problem(&none, 422, "already_reversed");
    let second = format!(
        "/v1/transfers/{}/reversals",
        rest.body["transfer_id"].as_str().unwrap()
    );
    let second = post(&service, &bearer, &second, "second", &json!({})).await;
    assert_problem(&second, 422, "reversal_of_reversal");
    for wrong in [
        json!({ "amount": "1 CZK" }),
        json!({ "amonut": null }),
        json!({ "value_date": "x" }),
    ] {
        assert_problem(
            &post(&service, &bearer, &path, "w", &wrong).await,
            422,
            "invalid",
        );
    }
    let unknown = "/v1/transfers/01a20965-a098-7575-9a06-6fd66fbd3c75/reversals";
    let unknown = post(&service, &bearer, unknown, "u", &json!({})).await;
    assert_problem(&unknown, 404, "unknown_transfer");
    assert_eq!(
        (bank.balance(payer).await, bank.balance(shop).await),
        (czk("100"), czk("50"))
    );
    bank.assert_sound().await;
}

async fn reversal_needs_the_account_that_gives_the_money_back(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let scopes = [Scope::TransfersWrite, Scope::AccountsRead];
    let (payer, shop) = (
        bank.account(czk("100")).await,
        bank.account(czk("50")).await,
    );
    let bystander = bank.account(czk("0")).await;
    let free = key(&bank, &scopes, |_| {}).await;
    let of_payer = key(&bank, &scopes, |new| new.bindings.accounts = vec![payer]).await;
    let of_shop = key(&bank, &scopes, |new| new.bindings.accounts = vec![shop]).await;
    let of_other = key(&bank, &scopes, |new| {
        new.bindings.accounts = vec![bystander];
    })
    .await;
    let body = json!({ "from": payer, "to": shop, "amount": amount("30") });
    let paid = post(&service, &free, "/v1/transfers", "pay", &body).await;
    let path = format!(
        "/v1/transfers/{}/reversals",
        paid.body["transfer_id"].as_str().unwrap()
    );
    let unknown = "/v1/transfers/01a20965-a098-7575-9a06-6fd66fbd3c75/reversals";
    let denied = post(&service, &of_payer, &path, "back", &json!({})).await;
    assert_problem(&denied, 403, "binding");
    for path in [&path, unknown] {
        let denied = post(&service, &of_other, path, "back", &json!({})).await;
        assert_problem(&denied, 404, "unknown_transfer");
    }
    let refund = json!({ "amount": amount("5"), "metadata": { "secret": 1 } });
    let refund = post(&service, &of_shop, &path, "back", &refund).await;
    assert_eq!(refund.status, 201, "{refund:?}");
    assert!(
        refund.body["credit"]["running_balance"].is_null(),
        "{refund:?}"
    );
    // The payer sees the money and not the shop's data.
    let shown = format!(
        "/v1/transfers/{}",
        refund.body["transfer_id"].as_str().unwrap()
    );
    let seen = service.send("GET", &shown, &[&of_payer], "").await;
    assert_eq!(seen.body["credit"]["running_balance"]["amount"], "75.00");
    assert!(
        seen.body["metadata"].is_null() && seen.body["idempotency_key"].is_null(),
        "{seen:?}"
    );
    assert_eq!(bank.balance(shop).await, czk("75"));
}

async fn reversal_of_a_posting_needs_the_scope_of_postings(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let (own, other) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    let transfers = key(&bank, &[Scope::TransfersWrite], |new| {
        new.bindings.accounts = vec![own];
    });
    let transfers = transfers.await;
    let postings = key(&bank, &[Scope::AdjustmentsWrite], |new| {
        new.bindings.accounts = vec![own];
    });
    let postings = postings.await;
    for (number, account) in [own, other].into_iter().enumerate() {
        let withdrawal = PostingRequest::withdrawal(account, czk("4"));
        let posted = bank.ledger.submit(withdrawal).await.unwrap().transfer_id;
        let path = format!("/v1/transfers/{posted}/reversals");
        let k = format!("k-{number}");
        let is_own = account == own;
        let without_scope = post(&service, &transfers, &path, &k, &json!({})).await;
        let with_scope = post(&service, &postings, &path, &k, &json!({})).await;
        if is_own {
            assert_problem(&without_scope, 403, "scope");
            assert_eq!(with_scope.status, 201, "{with_scope:?}");
        } else {
            assert_problem(&without_scope, 404, "unknown_transfer");
            assert_problem(&with_scope, 404, "unknown_transfer");
        }
    }
    assert_eq!(
        (bank.balance(own).await, bank.balance(other).await),
        (czk("10"), czk("6"))
    );
}
