//! Holds and groups.

use neobank_domain::api_keys::{NewApiKey, Scope};
use neobank_domain::ledger::{GroupRequest, HoldRequest, ReleaseRequest};
use neobank_domain::{PostingRequest, TransferRequest};

use super::{Browser, Page, service};
use crate::harness::{TestBank, czk};

on_both_versions!(
    capture_that_is_sent_twice_happens_once,
    hold_is_released,
    holds_are_shown_and_changed_by_keys_that_may,
    group_is_shown_with_its_transfers,
    group_is_shown_with_the_holds_that_it_made_and_released,
);

/// Returns the keys of the forms to capture and to release.
fn keys(page: &Page) -> Vec<String> {
    let parts = page.html.split("name=\"key\" value=\"").skip(1);
    parts
        .map(|part| part.split('"').next().unwrap().to_owned())
        .collect()
}

async fn capture_that_is_sent_twice_happens_once(bank: TestBank) {
    let service = service(&bank).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let request = HoldRequest::new(from, czk("40")).with_description("<b>Hotel</b>");
    let hold = bank.ledger.hold(request).await.unwrap().hold_id;
    let browser = Browser::signed_in(&bank, &service, &[Scope::Admin], |_| {}).await;
    browser
        .get("/console/holds")
        .await
        .assert_has(&hold.to_string());
    let path = format!("/console/holds/{hold}");
    let page = browser.get(&path).await;
    page.assert_has("&lt;b&gt;Hotel&lt;/b&gt;");
    let (csrf, key) = (page.field("csrf"), keys(&page)[0].clone());
    let send = async |amount: &str, to: &str, key: &str| {
        let fields = [
            ("csrf", csrf.as_str()),
            ("key", key),
            ("amount", amount),
            ("to", to),
        ];
        browser.post(&format!("{path}/capture"), &fields).await
    };
    let number = bank.find(to).await.account_number;
    for (amount, to, field) in [("x", number.as_str(), "amount"), ("1", "unknown", "to")] {
        let wrong = send(amount, to, &key).await;
        assert_eq!(wrong.status, 422, "{wrong:?}");
        wrong.assert_has(&format!("id=\"{field}-error\""));
    }
    let more = send("41", &number, &key).await;
    assert_eq!(more.status, 422, "{more:?}");
    more.assert_has("This form changed nothing");
    let first = send("30", &number, &key).await;
    let second = send("30", &number, &key).await;
    for (page, done) in [(&first, "posted"), (&second, "replayed")] {
        assert_eq!(page.status, 303, "{page:?}");
        let target = page.header("location").unwrap();
        assert!(target.ends_with(done), "{target}");
    }
    assert_eq!(bank.balance(to).await, czk("30"));
    assert_eq!(bank.find(from).await.held_balance, czk("0"));
    assert_eq!(send("30", &number, "other").await.status, 400);
    browser.get(&path).await.assert_lacks("/capture");
}

async fn hold_is_released(bank: TestBank) {
    let service = service(&bank).await;
    let from = bank.account(czk("100")).await;
    let hold = bank.ledger.hold(HoldRequest::new(from, czk("40"))).await;
    let path = format!("/console/holds/{}", hold.unwrap().hold_id);
    let browser = Browser::signed_in(&bank, &service, &[Scope::Admin], |_| {}).await;
    let page = browser.get(&path).await;
    let (csrf, key) = (page.field("csrf"), keys(&page)[1].clone());
    let fields = [
        ("csrf", csrf.as_str()),
        ("key", key.as_str()),
        ("sure", "1"),
    ];
    for _ in 0..2 {
        let done = browser.post(&format!("{path}/release"), &fields).await;
        assert_eq!(done.status, 303, "{done:?}");
        let page = browser.get(done.header("location").unwrap()).await;
        page.assert_has("The hold is released");
    }
    assert_eq!(bank.find(from).await.held_balance, czk("0"));
}

async fn holds_are_shown_and_changed_by_keys_that_may(bank: TestBank) {
    let service = service(&bank).await;
    let (own, other) = (
        bank.account(czk("100")).await,
        bank.account(czk("100")).await,
    );
    let mine = bank.ledger.hold(HoldRequest::new(own, czk("40"))).await;
    let foreign = bank.ledger.hold(HoldRequest::new(other, czk("40"))).await;
    let (mine, foreign) = (mine.unwrap().hold_id, foreign.unwrap().hold_id);
    let bind = |new: &mut NewApiKey| new.bindings.accounts.push(own);
    let browser = Browser::signed_in(&bank, &service, &[Scope::AccountsRead], bind).await;
    let list = browser.get("/console/holds").await;
    list.assert_has(&mine.to_string());
    list.assert_lacks(&foreign.to_string());
    assert_eq!(
        browser
            .get(&format!("/console/holds?account={other}"))
            .await
            .status,
        200
    );
    browser
        .get(&format!("/console/holds?account={other}"))
        .await
        .assert_lacks(&foreign.to_string());
    assert_eq!(
        browser
            .get(&format!("/console/holds/{foreign}"))
            .await
            .status,
        404
    );
    let page = browser.get(&format!("/console/holds/{mine}")).await;
    page.assert_lacks("/release");
    let csrf = page.field("csrf");
    let key = format!("console/{}", uuid::Uuid::now_v7());
    let fields = [("csrf", csrf.as_str()), ("key", key.as_str())];
    let denied = browser
        .post(&format!("/console/holds/{mine}/release"), &fields)
        .await;
    assert_eq!(denied.status, 403, "{denied:?}");
    assert_eq!(bank.find(own).await.held_balance, czk("40"));
}

async fn group_is_shown_with_its_transfers(bank: TestBank) {
    let service = service(&bank).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let group = GroupRequest::new()
        .with_step(TransferRequest::new(from, to, czk("10")))
        .with_step(PostingRequest::fee(from, czk("2")));
    let group = bank.ledger.submit_group(group).await.unwrap().group_id;
    let browser = Browser::signed_in(&bank, &service, &[Scope::AccountsRead], |_| {}).await;
    let found = browser.get(&format!("/console/groups?id={group}")).await;
    let target = found.header("location").unwrap();
    let page = browser.get(target).await;
    page.assert_has("Group of 2 transfers");
    page.assert_has("10.00");
    let wrong = browser.get("/console/groups?id=x").await;
    wrong.assert_has("id=\"id-error\"");
    let unknown = format!("/console/groups/{}", uuid::Uuid::now_v7());
    assert_eq!(browser.get(&unknown).await.status, 404);
}

async fn group_is_shown_with_the_holds_that_it_made_and_released(bank: TestBank) {
    let service = service(&bank).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let other = bank.account(czk("10")).await;
    let old = HoldRequest::new(from, czk("7")).with_description("Old hold");
    let old = bank.ledger.hold(old).await.unwrap().hold_id;
    let group = GroupRequest::new()
        .with_step(TransferRequest::new(from, to, czk("10")))
        .with_step(HoldRequest::new(from, czk("40")).with_description("New hold"))
        .with_step(ReleaseRequest::new(old))
        .with_step(HoldRequest::new(other, czk("5")).with_description("Foreign hold"));
    let group = bank.ledger.submit_group(group).await.unwrap().group_id;
    let path = format!("/console/groups/{group}");
    let browser = Browser::signed_in(&bank, &service, &[Scope::AccountsRead], |_| {}).await;
    let page = browser.get(&path).await;
    page.assert_has("Group of 1 transfer, 2 holds, 1 released hold");
    for text in [
        "New hold",
        "Old hold",
        "Foreign hold",
        &format!("/console/holds/{old}"),
    ] {
        page.assert_has(text);
    }
    let bind = |new: &mut NewApiKey| new.bindings.accounts.push(from);
    let bound = Browser::signed_in(&bank, &service, &[Scope::AccountsRead], bind).await;
    let page = bound.get(&path).await;
    page.assert_has("New hold");
    page.assert_lacks("Foreign hold");
    let hold = bank
        .ledger
        .hold(HoldRequest::new(from, czk("1")))
        .await
        .unwrap()
        .hold_id;
    let releases = GroupRequest::new().with_step(ReleaseRequest::new(hold));
    let releases = bank.ledger.submit_group(releases).await.unwrap().group_id;
    let page = browser.get(&format!("/console/groups/{releases}")).await;
    page.assert_has("Group of 0 transfers, 1 released hold");
    let single = browser.get(&format!("/console/groups/{hold}")).await;
    assert_eq!(single.status, 404, "{single:?}");
}
