//! The form for a transfer: its preview and its confirmation.

use neobank_domain::TransferRequest;
use neobank_domain::api_keys::Scope;

use super::{Browser, Page, service};
use crate::harness::{TestBank, czk};

on_both_versions!(
    transfer_that_is_confirmed_twice_moves_once,
    balance_that_changed_since_the_preview_is_shown_before_money_moves,
    errors_are_tied_to_their_fields,
    key_without_the_scope_cannot_transfer,
    bound_key_pays_an_account_that_it_does_not_see,
);

const CONFIRM: &str = "/console/transfer/confirm";

/// Fills the form and returns its preview.
async fn preview(browser: &Browser, from: &str, to: &str, amount: &str) -> Page {
    let form = browser.get("/console/transfer").await;
    let fields = [
        ("csrf", form.field("csrf")),
        ("key", form.field("key")),
        ("from", from.to_owned()),
        ("to", to.to_owned()),
        ("amount", amount.to_owned()),
        ("description", "Rent".to_owned()),
    ];
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    browser.post("/console/transfer/preview", &fields).await
}

/// Returns the fields of a preview's form.
fn fields(preview: &Page) -> Vec<(&'static str, String)> {
    let names = [
        "csrf",
        "key",
        "from",
        "to",
        "amount",
        "description",
        "version",
        "seen",
    ];
    names.map(|name| (name, preview.field(name))).to_vec()
}

async fn confirm(browser: &Browser, preview: &Page) -> Page {
    let fields = fields(preview);
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    browser.post(CONFIRM, &fields).await
}

async fn transfer_that_is_confirmed_twice_moves_once(bank: TestBank) {
    let service = service(&bank).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("5")).await);
    let browser = Browser::signed_in(&bank, &service, &[Scope::Admin], |_| {}).await;
    let number = bank.find(to).await.account_number;
    let shown = preview(&browser, &from.to_string(), &number, "30.50").await;
    assert_eq!(shown.status, 200, "{shown:?}");
    for balance in ["100.00", "69.50", "5.00", "35.50"] {
        shown.assert_has(balance);
    }
    assert_eq!(bank.balance(from).await, czk("100"));
    let (one, other) = tokio::join!(confirm(&browser, &shown), confirm(&browser, &shown));
    let third = confirm(&browser, &shown).await;
    let mut targets = Vec::new();
    for page in [&one, &other, &third] {
        assert_eq!(page.status, 303, "{page:?}");
        let target = page.header("location").unwrap();
        targets.push(target.split('?').next().unwrap().to_owned());
    }
    targets.dedup();
    assert_eq!(targets.len(), 1, "{targets:?}");
    assert_eq!(bank.balance(from).await, czk("69.50"));
    assert_eq!(bank.balance(to).await, czk("35.50"));
    let page = browser.get(third.header("location").unwrap()).await;
    page.assert_has("The money moved once");
    page.assert_has("api-key:test:nb_");
    bank.assert_sound().await;
}

async fn balance_that_changed_since_the_preview_is_shown_before_money_moves(bank: TestBank) {
    let service = service(&bank).await;
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let browser = Browser::signed_in(&bank, &service, &[Scope::Admin], |_| {}).await;
    let first = preview(&browser, &from.to_string(), &to.to_string(), "30").await;
    bank.ledger
        .transfer(TransferRequest::new(from, to, czk("60")))
        .await
        .unwrap();
    let second = confirm(&browser, &first).await;
    assert_eq!(second.status, 409, "{second:?}");
    second.assert_has("has changed since the preview");
    second.assert_has("100.00");
    second.assert_has("40.00");
    assert_eq!(bank.balance(from).await, czk("40"));
    assert_eq!(second.field("key"), first.field("key"));
    assert_eq!(confirm(&browser, &second).await.status, 303);
    assert_eq!(bank.balance(from).await, czk("10"));
    // The first preview's form is the same request, which has been posted.
    assert_eq!(confirm(&browser, &first).await.status, 303);
    assert_eq!(bank.balance(from).await, czk("10"));
}

async fn errors_are_tied_to_their_fields(bank: TestBank) {
    let service = service(&bank).await;
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let (from, to) = (from.to_string(), to.to_string());
    let browser = Browser::signed_in(&bank, &service, &[Scope::Admin], |_| {}).await;
    for (payer, payee, amount, field) in [
        ("", to.as_str(), "1", "from"),
        ("NB1", &to, "1", "from"),
        (&from, "<script>", "1", "to"),
        (&from, &from, "1", "to"),
        (&from, &to, "10.01", "amount"),
        (&from, &to, "0", "amount"),
        (&from, &to, "-1", "amount"),
        (&from, &to, "1.001", "amount"),
        (&from, &to, "1e1", "amount"),
    ] {
        let page = preview(&browser, payer, payee, amount).await;
        assert_eq!(page.status, 422, "{page:?}");
        page.assert_has(&format!("id=\"{field}-error\""));
        page.assert_has(&format!("aria-describedby=\"{field}-hint {field}-error\""));
        page.assert_lacks("<script>");
    }
}

async fn key_without_the_scope_cannot_transfer(bank: TestBank) {
    let service = service(&bank).await;
    let browser = Browser::signed_in(&bank, &service, &[Scope::AccountsRead], |_| {}).await;
    let page = browser.get("/console/search").await;
    page.assert_lacks("/console/transfer");
    assert_eq!(browser.get("/console/transfer").await.status, 403);
    let token = page.field("csrf");
    let denied = browser.post(CONFIRM, &[("csrf", &token)]).await;
    assert_eq!(denied.status, 403, "{denied:?}");
}

async fn bound_key_pays_an_account_that_it_does_not_see(bank: TestBank) {
    let service = service(&bank).await;
    let (own, other) = (
        bank.account(czk("100")).await,
        bank.account(czk("777")).await,
    );
    let scopes = [Scope::AccountsRead, Scope::TransfersWrite];
    let bind = |new: &mut neobank_domain::api_keys::NewApiKey| new.bindings.accounts.push(own);
    let browser = Browser::signed_in(&bank, &service, &scopes, bind).await;
    let (own, other) = (own.to_string(), other.to_string());
    // It pays from no other account, and looks up no other number.
    assert_eq!(preview(&browser, &other, &own, "1").await.status, 422);
    let number = bank.find(other.parse().unwrap()).await.account_number;
    assert_eq!(preview(&browser, &own, &number, "1").await.status, 422);
    let shown = preview(&browser, &own, &other, "1").await;
    assert_eq!(shown.status, 200, "{shown:?}");
    shown.assert_lacks("777");
    shown.assert_lacks(&number);
    let done = confirm(&browser, &shown).await;
    assert_eq!(done.status, 303, "{done:?}");
    let page = browser.get(done.header("location").unwrap()).await;
    page.assert_lacks("778");
    page.assert_lacks(&number);
    // Nor does it learn why another account takes no money.
    let unknown = preview(&browser, &own, &uuid::Uuid::now_v7().to_string(), "1").await;
    let rejected = confirm(&browser, &unknown).await;
    assert_eq!(rejected.status, 422, "{rejected:?}");
    rejected.assert_has("The other account does not take this request");
}
