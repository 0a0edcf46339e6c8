//! Signing in, sessions and the tokens of forms.

use std::time::Duration;

use neobank_domain::api_keys::{self, Scope};
use neobank_server::{ConsoleOptions, Limits};

use super::{Browser, Service, secret, send, service};
use crate::harness::{TestBank, czk};

on_both_versions!(
    key_in_force_signs_in_and_never_appears_again,
    wrong_and_revoked_keys_do_not_sign_in,
    unused_session_ends,
    session_ends_when_its_key_is_revoked,
    form_without_the_token_of_its_session_is_rejected,
    pages_have_strict_headers,
    console_can_be_turned_off,
);

async fn key_in_force_signs_in_and_never_appears_again(bank: TestBank) {
    let service = service(&bank).await;
    let secret = secret(&bank, &[Scope::Admin], |_| {}).await;
    let mut browser = Browser::of(&service);
    let away = browser.get("/console/search?q=Ada").await;
    assert_eq!(
        away.header("location"),
        Some("/console/sign-in?next=%2Fconsole%2Fsearch%3Fq%3DAda")
    );
    let page = browser.sign_in(&secret).await;
    let cookie = page.header("set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/console"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");
    let (prefix, hidden) = secret.rsplit_once('_').unwrap();
    assert!(!format!("{page:?}").contains(hidden), "{page:?}");
    let search = browser.get("/console/search").await;
    assert_eq!(search.status, 200);
    search.assert_lacks(hidden);
    search.assert_lacks(prefix);

    let token = search.field("csrf");
    let page = browser.post("/console/sign-out", &[("csrf", &token)]).await;
    assert_eq!(page.header("location"), Some("/console/sign-in"));
    let after = browser.get("/console/search").await;
    assert_eq!(after.status, 303, "{after:?}");
}

async fn wrong_and_revoked_keys_do_not_sign_in(bank: TestBank) {
    let service = service(&bank).await;
    let mut good = secret(&bank, &[Scope::Admin], |_| {}).await;
    let last = if good.ends_with('0') { '1' } else { '0' };
    good.pop();
    good.push(last);
    for wrong in ["", "nb_", "<b>", &good] {
        let mut browser = Browser::of(&service);
        let page = browser.sign_in(wrong).await;
        assert_eq!(page.status, 422, "{wrong}: {page:?}");
        page.assert_has("aria-invalid=\"true\"");
        page.assert_lacks(&good);
        let search = browser.get("/console/search").await;
        assert_eq!(search.status, 303, "{wrong}: {search:?}");
    }
    // A form of another site has no cookie.
    let browser = Browser::of(&service);
    let fields = [("token", "0"), ("key", good.as_str())];
    assert_eq!(browser.post("/console/sign-in", &fields).await.status, 403);
}

async fn unused_session_ends(bank: TestBank) {
    let mut options = ConsoleOptions::default();
    options.idle_timeout = Duration::from_millis(1_500);
    let service = Service::with_console(&bank, Limits::default(), options).await;
    let browser = Browser::signed_in(&bank, &service, &[Scope::Admin], |_| {}).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(browser.get("/console/search").await.status, 200);
    }
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    let ended = browser.get("/console/search").await;
    let target = ended.header("location").unwrap();
    assert!(target.ends_with("&ended=1"), "{target}");
    browser
        .get(target)
        .await
        .assert_has("The session has ended");
}

async fn session_ends_when_its_key_is_revoked(bank: TestBank) {
    let service = service(&bank).await;
    let browser = Browser::signed_in(&bank, &service, &[Scope::Admin], |_| {}).await;
    assert_eq!(browser.get("/console/search").await.status, 200);
    let keys = api_keys::list(&bank.database).await.unwrap();
    let admin = bank.ledger.acting_as("admin:1".parse().unwrap());
    let change = admin.begin_change().await.unwrap();
    api_keys::revoke(&change, keys[0].api_key_id).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(browser.get("/console/search").await.status, 303);
}

async fn form_without_the_token_of_its_session_is_rejected(bank: TestBank) {
    let service = service(&bank).await;
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let browser = Browser::signed_in(&bank, &service, &[Scope::Admin], |_| {}).await;
    let other = Browser::signed_in(&bank, &service, &[Scope::Admin], |_| {}).await;
    let form = browser.get("/console/transfer").await;
    let foreign = other.get("/console/transfer").await.field("csrf");
    let (from, to, key) = (from.to_string(), to.to_string(), form.field("key"));
    for csrf in ["", "x", &foreign] {
        let fields = [
            ("csrf", csrf),
            ("key", &key),
            ("from", &from),
            ("to", &to),
            ("amount", "1"),
            ("version", "1"),
        ];
        for path in ["preview", "confirm", "edit"] {
            let path = format!("/console/transfer/{path}");
            let page = browser.post(&path, &fields).await;
            assert_eq!(page.status, 403, "{page:?}");
        }
    }
    let token = form.field("csrf");
    let body = format!("csrf={token}&key={key}");
    let from_elsewhere = ["sec-fetch-site: cross-site"];
    let path = "/console/transfer/preview";
    let page = browser.send("POST", path, &from_elsewhere, &body).await;
    assert_eq!(page.status, 403, "{page:?}");
    bank.assert_sound().await;
    assert_eq!(bank.count("banking.transfers").await, 1);
}

async fn pages_have_strict_headers(bank: TestBank) {
    let service = service(&bank).await;
    let browser = Browser::signed_in(&bank, &service, &[Scope::Admin], |_| {}).await;
    for (path, status) in [
        ("/console/search", 200),
        ("/console/nothing", 404),
        ("/console/style.css", 200),
        ("/console/search?q=%00", 200),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, status, "{path}: {page:?}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        for inline in [
            "<style",
            " style=",
            " onclick=",
            "javascript:",
            "http://",
            "https://",
        ] {
            page.assert_lacks(inline);
        }
    }
    let encrypted = ["x-forwarded-proto: https"];
    let form = Browser::of(&service);
    let form = form.send("GET", "/console/sign-in", &encrypted, "").await;
    let cookie = form.header("set-cookie").unwrap();
    assert!(cookie.contains("Secure"), "{cookie}");
}

async fn console_can_be_turned_off(bank: TestBank) {
    use neobank_server::{Server, ServiceState};
    let state = ServiceState::new(bank.ledger.clone(), Limits::default());
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(&listen, state).await.unwrap();
    let address = server.address().strip_prefix("http://").unwrap().to_owned();
    let task = tokio::spawn(server.run(std::future::pending::<()>()));
    let answer = send(&address, "GET", "/console/sign-in", &[], "").await;
    assert_eq!(answer.unwrap().status, 404);
    task.abort();
}
