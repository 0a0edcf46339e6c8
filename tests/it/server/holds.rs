//! Holds: their beginning, captures, releases, and who may do what.

use neobank_domain::api_keys::Scope;
use neobank_server::Limits;
use serde_json::{Value, json};

use super::{Service, amount, assert_problem, key, post, send, with_key};
use crate::harness::{TestBank, czk};

on_both_versions!(
    hold_is_captured_in_parts_and_its_rest_is_released,
    repeated_hold_capture_and_release_get_their_first_answers,
    bound_key_holds_captures_and_releases_on_its_own_accounts_only,
    hold_tells_its_payee_nothing_of_the_payer,
    wrong_members_of_holds_change_nothing,
    open_holds_of_an_account_are_listed_in_pages,
    one_of_64_captures_of_a_hold_wins,
);

const SCOPES: [Scope; 2] = [Scope::HoldsWrite, Scope::AccountsRead];

fn hold(account: impl ToString, text: &str) -> Value {
    json!({ "account": account.to_string(), "amount": amount(text) })
}

fn path_of(hold: &Value, rest: &str) -> String {
    format!("/v1/holds/{}{rest}", hold["hold_id"].as_str().unwrap())
}

async fn hold_is_captured_in_parts_and_its_rest_is_released(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &SCOPES, |_| {}).await;
    let (payer, hotel) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let mut body = hold(payer, "60");
    body["to"] = json!(hotel);
    body["expires_at"] = json!("2100-01-01T01:00:00+01:00");
    body["description"] = json!("Two nights");
    body["metadata"] = json!({ "booking": 4711 });
    let held = post(&service, &bearer, "/v1/holds", "hold", &body).await;
    assert_eq!(held.status, 201, "{held:?}");
    let path = path_of(&held.body, "");
    assert!(held.has(&format!("location: {path}")), "{held:?}");
    assert!(held.has("idempotency-replayed: false"), "{held:?}");
    assert_eq!(held.body["held_balance"]["amount"], "60.00");
    assert_eq!(held.body["expires_at"], "2100-01-01T00:00:00.000000Z");

    let capture = format!("{path}/capture");
    let part = json!({ "amount": amount("20"), "more_to_come": true });
    let first = post(&service, &bearer, &capture, "first", &part).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(first.body["hold_id"], held.body["hold_id"]);
    assert_eq!(first.body["debit"]["running_balance"]["amount"], "80.00");
    let too_much = json!({ "amount": amount("40.01") });
    let too_much = post(&service, &bearer, &capture, "too-much", &too_much).await;
    assert_problem(&too_much, 422, "more_than_held");
    let shown = service.send("GET", &path, &[&bearer], "").await;
    assert_eq!(shown.status, 200, "{shown:?}");
    assert_eq!(
        (&shown.body["remaining"]["amount"], &shown.body["status"]),
        (&"40.00".into(), &"open".into())
    );
    assert_eq!(shown.body["metadata"]["booking"], 4711);

    let release = format!("{path}/release");
    let released = post(&service, &bearer, &release, "release", &json!({})).await;
    assert_eq!(released.status, 200, "{released:?}");
    assert_eq!(released.body["event_type"], "released");
    assert_eq!(released.body["held_balance"]["amount"], "0.00");
    let late = post(&service, &bearer, &capture, "late", &json!({})).await;
    assert_problem(&late, 422, "hold_released");
    assert_eq!(bank.balance(hotel).await, czk("20"));
    bank.assert_sound().await;
}

async fn repeated_hold_capture_and_release_get_their_first_answers(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &[Scope::Admin], |_| {}).await;
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let held = post(&service, &bearer, "/v1/holds", "hold", &hold(payer, "10")).await;
    let capture = json!({ "amount": amount("4"), "to": shop, "more_to_come": true });
    for (path, once, body, other) in [
        (
            "/v1/holds".to_owned(),
            "hold",
            hold(payer, "10"),
            hold(payer, "11"),
        ),
        (
            path_of(&held.body, "/capture"),
            "capture",
            capture,
            json!({ "to": shop }),
        ),
        (
            path_of(&held.body, "/release"),
            "release",
            json!({}),
            json!({ "metadata": { "a": 1 } }),
        ),
    ] {
        let first = post(&service, &bearer, &path, once, &body).await;
        let again = post(&service, &bearer, &path, once, &body).await;
        assert!(again.has("idempotency-replayed: true"), "{again:?}");
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        let other = post(&service, &bearer, &path, once, &other).await;
        let kind = if once == "capture" {
            "key_reused"
        } else {
            "key_of_hold"
        };
        assert_problem(&other, 409, kind);
        assert!(!other.body["details"]["first"].is_null(), "{other:?}");
    }
    // The key of a capture is that of a transfer.
    let crossed = post(&service, &bearer, "/v1/holds", "capture", &hold(payer, "1")).await;
    assert_problem(&crossed, 409, "key_reused");
    assert_eq!(bank.balance(shop).await, czk("4"));
}

async fn bound_key_holds_captures_and_releases_on_its_own_accounts_only(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let (own, other) = (bank.account(czk("50")).await, bank.account(czk("77")).await);
    let customer = bank.find(own).await.customer_id.unwrap();
    let free = key(&bank, &SCOPES, |_| {}).await;
    let by_account = key(&bank, &SCOPES, |new| new.bindings.accounts = vec![own]).await;
    let by_customer = key(&bank, &SCOPES, |new| {
        new.bindings.customers = vec![customer];
    })
    .await;
    let foreign = post(&service, &free, "/v1/holds", "foreign", &hold(other, "1")).await;
    let unknown = "/v1/holds/01a20965-a098-7575-9a06-6fd66fbd3c75";
    for (number, bearer) in [by_account, by_customer].iter().enumerate() {
        let named = |name: &str| format!("{name}-{number}");
        let held = post(
            &service,
            bearer,
            "/v1/holds",
            &named("own"),
            &hold(own, "5"),
        )
        .await;
        assert_eq!(held.status, 201, "{held:?}");
        let capture = path_of(&held.body, "/capture");
        let body = json!({ "to": other, "amount": amount("1"), "more_to_come": true });
        let paid = post(&service, bearer, &capture, &named("pay"), &body).await;
        assert_eq!(paid.status, 201, "{paid:?}");
        assert!(paid.body["credit"]["running_balance"].is_null(), "{paid:?}");
        assert!(!paid.body["debit"]["running_balance"].is_null(), "{paid:?}");
        let release = path_of(&held.body, "/release");
        let ended = post(&service, bearer, &release, &named("end"), &json!({})).await;
        assert_eq!(ended.status, 200, "{ended:?}");

        let theft = post(
            &service,
            bearer,
            "/v1/holds",
            &named("theft"),
            &hold(other, "5"),
        )
        .await;
        assert_problem(&theft, 403, "binding");
        // A hold of another account is answered as one that does not exist.
        for rest in ["/capture", "/release"] {
            for path in [path_of(&foreign.body, rest), format!("{unknown}{rest}")] {
                let denied = post(&service, bearer, &path, &named("no"), &json!({})).await;
                assert_problem(&denied, 404, "unknown_hold");
            }
        }
        for path in [path_of(&foreign.body, ""), unknown.to_owned()] {
            let denied = service.send("GET", &path, &[bearer], "").await;
            assert_problem(&denied, 404, "unknown_hold");
        }
        let list = format!("/v1/accounts/{other}/holds");
        assert_problem(
            &service.send("GET", &list, &[bearer], "").await,
            403,
            "binding",
        );
    }
    let unknown_to_all = post(
        &service,
        &free,
        &format!("{unknown}/release"),
        "u",
        &json!({}),
    )
    .await;
    assert_problem(&unknown_to_all, 404, "unknown_hold");
    let transfers = key(&bank, &[Scope::TransfersWrite], |_| {}).await;
    for path in ["/v1/holds".to_owned(), path_of(&foreign.body, "/capture")] {
        let denied = post(&service, &transfers, &path, "scope", &hold(own, "1")).await;
        assert_problem(&denied, 403, "scope");
    }
    assert_eq!(bank.balance(other).await, czk("79"));
    assert_eq!(bank.find(other).await.held_balance, czk("1"));
}

async fn hold_tells_its_payee_nothing_of_the_payer(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let (payer, payee) = (bank.account(czk("50")).await, bank.account(czk("0")).await);
    let free = key(&bank, &SCOPES, |_| {}).await;
    let bound = key(&bank, &SCOPES, |new| new.bindings.accounts = vec![payee]).await;
    let mut body = hold(payer, "5");
    body["to"] = json!(payee);
    body["metadata"] = json!({ "secret": 1 });
    let held = post(&service, &free, "/v1/holds", "secret", &body).await;
    let path = path_of(&held.body, "");
    let (all, seen) = (
        service.send("GET", &path, &[&free], "").await,
        service.send("GET", &path, &[&bound], "").await,
    );
    assert_eq!(seen.body["amount"]["amount"], "5.00");
    for member in ["idempotency_key", "metadata", "actor"] {
        assert!(!all.body[member].is_null(), "{member}: {all:?}");
        assert!(seen.body[member].is_null(), "{member}: {seen:?}");
    }
    for rest in ["/capture", "/release"] {
        let denied = post(
            &service,
            &bound,
            &path_of(&held.body, rest),
            "no",
            &json!({}),
        )
        .await;
        assert_problem(&denied, 403, "binding");
    }
    // The hold names another payee than the capture, which its payer may know and others not.
    let other = bank.account(czk("0")).await;
    let own = key(&bank, &SCOPES, |new| new.bindings.accounts = vec![payer]).await;
    let elsewhere = json!({ "to": other });
    let denied = post(
        &service,
        &own,
        &path_of(&held.body, "/capture"),
        "e",
        &elsewhere,
    )
    .await;
    assert_problem(&denied, 422, "not_accepted");
    let reason = post(
        &service,
        &free,
        &path_of(&held.body, "/capture"),
        "e",
        &elsewhere,
    )
    .await;
    assert_problem(&reason, 422, "hold_destination");
}

async fn wrong_members_of_holds_change_nothing(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &SCOPES, |_| {}).await;
    let account = bank.account(czk("10")).await;
    let with = |member: &str, value: Value| {
        let mut body = hold(account, "1");
        body[member] = value;
        body
    };
    for (body, field) in [
        (with("amount", json!("1 CZK")), "amount"),
        (with("amount", json!(["1", "CZK"])), "amount"),
        (
            with(
                "amount",
                json!({ "amount": "1", "currency": "CZK", "x": 1 }),
            ),
            "amount.x",
        ),
        (with("account", json!(7)), "account"),
        (with("to", json!("x")), "to"),
        (with("expires_at", json!("tomorrow")), "expires_at"),
        (with("expires_at", json!(1)), "expires_at"),
        (with("metadata", json!([1])), "metadata"),
        (with("more", json!(1)), "more"),
    ] {
        let answer = post(&service, &bearer, "/v1/holds", "wrong", &body).await;
        assert_problem(&answer, 422, "invalid");
        assert_eq!(answer.body["field"], field, "{body}: {answer:?}");
    }
    for (body, kind) in [
        (
            with("expires_at", json!("2001-01-01T00:00:00Z")),
            "hold_ends_in_the_past",
        ),
        (with("to", json!(account)), "same_account"),
        (hold(account, "11"), "insufficient_funds"),
        (hold(account, "-1"), "amount_not_positive"),
    ] {
        let answer = post(&service, &bearer, "/v1/holds", "wrong", &body).await;
        assert_problem(&answer, 422, kind);
    }
    let body = hold(account, "1").to_string();
    let without_key = service.send("POST", "/v1/holds", &[&bearer], &body).await;
    assert_problem(&without_key, 400, "malformed");
    assert_eq!(without_key.body["field"], "Idempotency-Key");
    let wrong = post(
        &service,
        &bearer,
        "/v1/holds/x/capture",
        "wrong",
        &json!({}),
    )
    .await;
    assert_problem(&wrong, 400, "malformed");
    for (parameters, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("after=x", "after"),
        ("status=open", "status"),
        ("limit=1&limit=2", "limit"),
    ] {
        let path = format!("/v1/accounts/{account}/holds?{parameters}");
        let answer = service.send("GET", &path, &[&bearer], "").await;
        assert_problem(&answer, 400, "malformed");
        assert_eq!(answer.body["field"], field, "{answer:?}");
    }
    let path = "/v1/accounts/01a20965-a098-7575-9a06-6fd66fbd3c75/holds";
    let unknown = service.send("GET", path, &[&bearer], "").await;
    assert_problem(&unknown, 404, "unknown_account");
    assert_eq!(bank.count("banking.holds").await, 0);
}

async fn open_holds_of_an_account_are_listed_in_pages(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &SCOPES, |_| {}).await;
    let account = bank.account(czk("100")).await;
    for number in 0..5 {
        let name = format!("hold-{number}");
        let held = post(&service, &bearer, "/v1/holds", &name, &hold(account, "1")).await;
        assert_eq!(held.status, 201, "{held:?}");
        if number == 2 {
            let release = path_of(&held.body, "/release");
            post(&service, &bearer, &release, "release", &json!({})).await;
        }
    }
    let mut listed = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/v1/accounts/{account}/holds?limit=2{after}");
        let page = service.send("GET", &path, &[&bearer], "").await;
        assert_eq!(page.status, 200, "{page:?}");
        for one in page.body["holds"].as_array().unwrap() {
            listed.push(one["idempotency_key"].as_str().unwrap().to_owned());
        }
        match page.body["next"].as_str() {
            Some(next) => {
                after = format!("&after={next}");
                let link = format!("/v1/accounts/{account}/holds?limit=2{after}");
                let link = format!("link: <{link}>; rel=\"next\"");
                assert!(page.has(&link), "{page:?}");
            }
            None => break,
        }
    }
    assert_eq!(listed, ["hold-4", "hold-3", "hold-1", "hold-0"]);
}

async fn one_of_64_captures_of_a_hold_wins(bank: TestBank) {
    let service = Service::on(&bank, Limits::default()).await;
    let bearer = key(&bank, &SCOPES, |_| {}).await;
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let held = post(&service, &bearer, "/v1/holds", "hold", &hold(payer, "10")).await;
    let path = path_of(&held.body, "/capture");
    let body = json!({ "to": shop }).to_string();
    let captures = (0..64).map(|caller| {
        let (address, bearer, path, body) = (&service.address, &bearer, &path, &body);
        async move {
            let k = with_key(&format!("capture-{caller}"));
            let headers = [bearer.as_str(), k.as_str()];
            send(address, "POST", path, &headers, body).await.unwrap()
        }
    });
    let answers = futures_util::future::join_all(captures).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|one| one.status == 201);
    assert_eq!(won.len(), 1, "{answers:#?}");
    for answer in lost {
        assert_problem(answer, 422, "hold_captured");
    }
    assert_eq!(bank.balance(shop).await, czk("10"));
    bank.assert_sound().await;
}
