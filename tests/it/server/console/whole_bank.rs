//! The pages of the whole bank: trial balance, events, database and audit.

use neobank_domain::api_keys::{NewApiKey, Scope};
use neobank_domain::ledger::HoldRequest;

use super::{Browser, service};
use crate::harness::{TestBank, czk};

on_both_versions!(
    pages_of_the_whole_bank_are_for_unbound_keys_with_their_scope,
    trial_balance_events_and_audit_show_the_bank,
);

const PAGES: [(&str, Scope); 4] = [
    ("/console/trial-balance", Scope::AccountsRead),
    ("/console/events", Scope::EventsRead),
    ("/console/database", Scope::AuditRead),
    ("/console/audit", Scope::AuditRead),
];

async fn pages_of_the_whole_bank_are_for_unbound_keys_with_their_scope(bank: TestBank) {
    let service = service(&bank).await;
    let account = bank.account(czk("1")).await;
    let bind = |new: &mut NewApiKey| new.bindings.accounts.push(account);
    let bound = Browser::signed_in(&bank, &service, &[Scope::Admin], bind).await;
    let home = bound.get("/console/search").await;
    for (path, scope) in PAGES {
        home.assert_lacks(path);
        assert_eq!(bound.get(path).await.status, 403, "{path}");
        let lacking = if scope == Scope::AccountsRead {
            Scope::EventsRead
        } else {
            Scope::AccountsRead
        };
        let lacking = Browser::signed_in(&bank, &service, &[lacking], |_| {}).await;
        assert_eq!(lacking.get(path).await.status, 403, "{path}");
        let with_scope = Browser::signed_in(&bank, &service, &[scope], |_| {}).await;
        let page = with_scope.get(path).await;
        assert_eq!(page.status, 200, "{path}: {page:?}");
        page.assert_has("aria-current=\"page\"");
    }
}

async fn trial_balance_events_and_audit_show_the_bank(bank: TestBank) {
    let service = service(&bank).await;
    let account = bank.account(czk("1234.50")).await;
    let hold = HoldRequest::new(account, czk("40"));
    let hold = bank.ledger.hold(hold).await.unwrap().hold_id;
    bank.ledger.seal().await.unwrap();
    let browser = Browser::signed_in(&bank, &service, &[Scope::Admin], |_| {}).await;
    let page = browser.get("/console/trial-balance").await;
    page.assert_has("balanced");
    page.assert_has("1,234.50");
    let page = browser.get("/console/trial-balance?day=1999-12-31").await;
    page.assert_lacks("1,234.50");
    let page = browser.get("/console/trial-balance?day=x").await;
    page.assert_has("id=\"day-error\"");

    let page = browser.get("/console/events").await;
    page.assert_has("data-position=\"2\"");
    page.assert_has(&format!("/console/holds/{hold}"));
    let page = browser.get("/console/events?after=1").await;
    page.assert_lacks("data-position=\"1\"");
    page.assert_has("data-position=\"2\"");
    assert_eq!(browser.get("/console/events?after=-1").await.status, 422);
    assert_eq!(browser.get("/console/events?after=x").await.status, 400);

    let page = browser.get("/console/database").await;
    page.assert_has("Locks and blocking sessions");
    let page = browser.get("/console/audit").await;
    let csrf = page.field("csrf");
    for (check, sentence) in [
        ("books", "no violation of any invariant"),
        ("chain", "Every sealed record is as it was sealed"),
    ] {
        let fields = [("csrf", csrf.as_str()), ("check", check)];
        let page = browser.post("/console/audit", &fields).await;
        assert_eq!(page.status, 200, "{page:?}");
        page.assert_has(sentence);
    }
    let wrong = [("csrf", csrf.as_str()), ("check", "other")];
    assert_eq!(browser.post("/console/audit", &wrong).await.status, 400);
}
