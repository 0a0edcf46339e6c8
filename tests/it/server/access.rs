//! Keys: wrong, expired and revoked ones, scopes, and bindings to customers and accounts.

use std::time::Duration;

use chrono::Utc;
use neobank_db::{Executor, statement};
use neobank_domain::accounts::limits::{self, AccountLimit, Window};
use neobank_domain::api_keys::{self, ApiKeyError, Scope};
use neobank_domain::ledger::EntryType;
use neobank_server::Limits;

use super::{Service, key, transfer, with_key};
use crate::harness::{TestBank, czk};

on_both_versions!(
    only_a_key_in_force_is_accepted,
    scopes_limit_what_a_key_may_do,
    bound_key_uses_its_own_accounts_and_sees_no_other_balance,
    bound_key_learns_nothing_of_other_accounts,
    committed_transfer_of_a_bound_key_is_acknowledged_after_its_deadline,
    key_for_transfers_cannot_post,
);

async fn only_a_key_in_force_is_accepted(bank: TestBank) {
    let mut limits = Limits::default();
    limits.key_cache_time = Duration::ZERO;
    let service = Service::on(&bank, limits).await;
    let account = bank.account(czk("10")).await;
    let path = format!("/v1/accounts/{account}");
    let bearer = key(&bank, &[Scope::AccountsRead], |_| {}).await;
    let soon = Utc::now() + chrono::TimeDelta::milliseconds(800);
    let expiring = key(&bank, &[Scope::Admin], |new| new.expires_at = Some(soon)).await;
    assert_eq!(service.send("GET", &path, &[&bearer], "").await.status, 200);
    assert_eq!(
        service.send("GET", &path, &[&expiring], "").await.status,
        200
    );
    let last = if bearer.ends_with('0') { "1" } else { "0" };
    let other_secret = format!("{}{last}", &bearer[..bearer.len() - 1]);
    for wrong in [
        "x-no-key: 1",
        "authorization: Bearer x",
        "authorization: Basic YTpi",
        &other_secret,
    ] {
        let answer = service.send("GET", &path, &[wrong], "").await;
        assert_eq!(answer.status, 401, "{wrong}: {answer:?}");
        assert!(answer.has("www-authenticate: Bearer"), "{answer:?}");
        assert!(!format!("{answer:?}").contains(&bearer[40..]), "{answer:?}");
    }
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(
        service.send("GET", &path, &[&expiring], "").await.status,
        401
    );

    let listed = api_keys::list(&bank.database).await.unwrap();
    let own = listed
        .iter()
        .find(|one| bearer.contains(&one.prefix))
        .unwrap();
    assert!(own.last_used_at.is_some(), "{own:?}");
    assert_eq!(own.created_by, "admin:1");
    let without_actor = api_keys::revoke(&bank.database, own.api_key_id)
        .await
        .unwrap_err();
    assert!(
        matches!(without_actor, ApiKeyError::ActorRequired),
        "{without_actor:?}"
    );
    let admin = bank.ledger.acting_as("admin:2".parse().unwrap());
    let change = admin.begin_change().await.unwrap();
    let revoked = api_keys::revoke(&change, own.api_key_id).await.unwrap();
    assert_eq!(revoked.revoked_by.as_deref(), Some("admin:2"));
    assert!(api_keys::revoke(&change, own.api_key_id).await.is_err());
    change.commit().await.unwrap();
    assert_eq!(service.send("GET", &path, &[&bearer], "").await.status, 401);
}

async fn scopes_limit_what_a_key_may_do(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let body = transfer(from, to, "1");
    let read = key(&bank, &[Scope::AccountsRead], |_| {}).await;
    let admin = key(&bank, &[Scope::Admin], |_| {}).await;
    let k = with_key("k");
    let denied = service
        .send("POST", "/v1/transfers", &[&read, &k], &body)
        .await;
    assert_eq!(
        (denied.status, &denied.body["kind"]),
        (403, &"scope".into()),
        "{denied:?}"
    );
    assert_eq!(bank.balance(to).await, czk("0"));
    let done = service
        .send("POST", "/v1/transfers", &[&admin, &k], &body)
        .await;
    assert_eq!(done.status, 201, "{done:?}");
}

async fn bound_key_uses_its_own_accounts_and_sees_no_other_balance(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let (own, other) = (bank.account(czk("10")).await, bank.account(czk("77")).await);
    let scopes = [Scope::TransfersWrite, Scope::AccountsRead];
    let customer = bank.find(own).await.customer_id.unwrap();
    let by_customer = key(&bank, &scopes, |new| {
        new.bindings.customers = vec![customer];
    })
    .await;
    let by_account = key(&bank, &scopes, |new| new.bindings.accounts = vec![own]).await;
    for (number, bearer) in [by_customer, by_account].iter().enumerate() {
        let k = with_key(&format!("own-{number}"));
        let paid = service
            .send(
                "POST",
                "/v1/transfers",
                &[bearer, &k],
                &transfer(own, other, "1"),
            )
            .await;
        assert_eq!(paid.status, 201, "{paid:?}");
        assert!(paid.body["credit"]["running_balance"].is_null(), "{paid:?}");
        assert!(!paid.body["debit"]["running_balance"].is_null(), "{paid:?}");
        let k = with_key(&format!("other-{number}"));
        let theft = service
            .send(
                "POST",
                "/v1/transfers",
                &[bearer, &k],
                &transfer(other, own, "1"),
            )
            .await;
        assert_eq!(
            (theft.status, &theft.body["kind"]),
            (403, &"binding".into()),
            "{theft:?}"
        );
        let unknown = "01a20965-a098-7575-9a06-6fd66fbd3c75";
        for account in [&other.to_string(), unknown] {
            let path = format!("/v1/accounts/{account}");
            let answer = service.send("GET", &path, &[bearer], "").await;
            assert_eq!(answer.status, 403, "{answer:?}");
        }
    }
    assert_eq!(bank.balance(other).await, czk("79"));
}

async fn bound_key_learns_nothing_of_other_accounts(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let (own, other) = (bank.account(czk("10")).await, bank.account(czk("77")).await);
    let scopes = [
        Scope::TransfersWrite,
        Scope::AdjustmentsWrite,
        Scope::AccountsRead,
    ];
    let bound = key(&bank, &scopes, |new| new.bindings.accounts = vec![own]).await;
    let free = key(&bank, &scopes, |_| {}).await;

    // The bank's own account cannot take so much, and has its balance in the reason.
    let deposit = format!(
        r#"{{"account": "{own}", "kind": "deposit",
            "amount": {{"amount": "999999999999999999", "currency": "CZK"}}}}"#
    );
    let limit = AccountLimit::new(EntryType::Credit, Window::Day, czk("1"));
    limits::set(&bank.database, other, &limit).await.unwrap();
    let too_much = transfer(own, other, "2");
    for (path, body, kind) in [
        ("/v1/postings", &deposit, "overflow"),
        ("/v1/transfers", &too_much, "limit_exceeded"),
    ] {
        let k = with_key(kind);
        let reason = service.send("POST", path, &[&free, &k], body).await;
        assert_eq!(reason.body["kind"], kind, "{reason:?}");
        let hidden = service.send("POST", path, &[&bound, &k], body).await;
        assert_eq!(
            (hidden.status, &hidden.body["kind"]),
            (422, &"not_accepted".into()),
            "{hidden:?}"
        );
        assert!(hidden.body["details"].is_null(), "{hidden:?}");
    }
    // A reason of its own account stays.
    let k = with_key("poor");
    let poor = transfer(own, other, "10.01");
    let poor = service
        .send("POST", "/v1/transfers", &[&bound, &k], &poor)
        .await;
    assert_eq!(poor.body["kind"], "insufficient_funds", "{poor:?}");

    let k = with_key("secret");
    let paid = transfer(other, own, "1").replacen('{', r#"{"metadata": {"a": 1}, "#, 1);
    let paid = service
        .send("POST", "/v1/transfers", &[&free, &k], &paid)
        .await;
    let path = format!(
        "/v1/transfers/{}",
        paid.body["transfer_id"].as_str().unwrap()
    );
    let all = service.send("GET", &path, &[&free], "").await;
    let seen = service.send("GET", &path, &[&bound], "").await;
    for member in ["idempotency_key", "metadata", "actor"] {
        assert!(!all.body[member].is_null(), "{member}: {all:?}");
        assert!(seen.body[member].is_null(), "{member}: {seen:?}");
    }
    assert!(seen.body["debit"]["entry_number"].is_null(), "{seen:?}");
    assert_eq!(seen.body["credit"]["running_balance"]["amount"], "11.00");
}

/// The commit takes longer than the request may. The answer must not depend on a later look-up.
async fn committed_transfer_of_a_bound_key_is_acknowledged_after_its_deadline(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let (own, other) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let customer = bank.find(own).await.customer_id.unwrap();
    let bound = key(&bank, &[Scope::TransfersWrite], |new| {
        new.bindings.customers = vec![customer];
    })
    .await;
    let superuser = bank.superuser().await;
    for sql in [
        "CREATE FUNCTION public.linger() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN PERFORM pg_sleep(1.3); RETURN NULL; END$$",
        "CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON banking.transfers
         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.linger()",
    ] {
        superuser.execute(statement(sql, [])).await.unwrap();
    }
    let k = with_key("slow");
    let headers = [bound.as_str(), &k, "request-timeout: 1"];
    let body = transfer(own, other, "1");
    let answer = service.send("POST", "/v1/transfers", &headers, &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(bank.balance(other).await, czk("1"));
}

async fn key_for_transfers_cannot_post(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let own = bank.account(czk("10")).await;
    let bearer = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    let deposit = format!(
        r#"{{"account": "{own}", "kind": "deposit", "amount": {{"amount": "5", "currency": "CZK"}}}}"#
    );
    let k = with_key("k");
    let denied = service
        .send("POST", "/v1/postings", &[&bearer, &k], &deposit)
        .await;
    assert_eq!(
        (denied.status, &denied.body["kind"]),
        (403, &"scope".into()),
        "{denied:?}"
    );
    assert_eq!(bank.balance(own).await, czk("10"));
}
