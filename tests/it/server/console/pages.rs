//! The pages of customers, accounts and transfers.

use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::api_keys::{NewApiKey, Scope};
use neobank_domain::customers::{self, NewCustomer};
use neobank_domain::{AccountType, PostingRequest, TransferRequest};

use super::{Browser, service};
use crate::harness::{TestBank, czk};

on_both_versions!(
    search_finds_everything_by_its_names,
    bound_key_sees_only_its_own,
    hostile_texts_are_escaped,
    statement_is_read_by_pages_and_days_and_exported,
);

async fn search_finds_everything_by_its_names(bank: TestBank) {
    let service = service(&bank).await;
    let new = NewCustomer::individual("Grace", "Hopper").with_email("grace@bank.example");
    let grace = customers::create(&bank.database, &new).await.unwrap();
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let request = TransferRequest::new(from, to, czk("12.34")).with_idempotency_key("rent/11");
    let receipt = bank.ledger.transfer(request).await.unwrap();
    let browser = Browser::signed_in(&bank, &service, &[Scope::AccountsRead], |_| {}).await;
    let customer = format!("/console/customers/{}", grace.customer_id);
    let account = format!("/console/accounts/{from}");
    let transfer = format!("/console/transfers/{}", receipt.transfer_id);
    let number = bank.find(from).await.account_number;
    let reference = receipt.reference_number().to_string();
    for (wanted, target) in [
        ("grace", &customer),
        ("E%20HOPP", &customer),
        ("@BANK.example", &customer),
        (grace.customer_number.as_str(), &customer),
        (&grace.customer_id.to_string(), &customer),
        (&number, &account),
        (&from.to_string(), &account),
        (&reference, &transfer),
        (&reference.to_lowercase(), &transfer),
        (&receipt.transfer_id.to_string(), &transfer),
        ("rent/11", &transfer),
        ("12.34%20czk", &transfer),
    ] {
        let page = browser.get(&format!("/console/search?q={wanted}")).await;
        assert_eq!(page.status, 200, "{wanted}: {page:?}");
        page.assert_has("role=\"status\">1 result<");
        page.assert_has(&format!("href=\"{target}\""));
        assert_eq!(browser.get(target).await.status, 200, "{target}");
    }
    for nothing in [
        "%25",
        "rent/1",
        "12.35%20CZK",
        "00000000-0000-0000-0000-00000000000f",
        "%00",
    ] {
        let page = browser.get(&format!("/console/search?q={nothing}")).await;
        page.assert_has("Nothing was found");
    }
    let page = browser.get("/console/search?q=12.34").await;
    page.assert_has("write its currency behind it");
}

async fn bound_key_sees_only_its_own(bank: TestBank) {
    let service = service(&bank).await;
    let (own, other) = (
        bank.account(czk("100")).await,
        bank.account(czk("777")).await,
    );
    let third = bank.account(czk("888")).await;
    let request = TransferRequest::new(own, other, czk("5")).with_idempotency_key("out");
    let paid = bank.ledger.transfer(request).await.unwrap();
    let request = TransferRequest::new(other, own, czk("6")).with_idempotency_key("in");
    bank.ledger.transfer(request).await.unwrap();
    let request = TransferRequest::new(other, third, czk("7")).with_idempotency_key("away");
    let away = bank.ledger.transfer(request).await.unwrap();
    let customer = bank.find(own).await.customer_id.unwrap();
    let stranger = bank.find(other).await;
    let bind = |new: &mut NewApiKey| new.bindings.customers.push(customer);
    let browser = Browser::signed_in(&bank, &service, &[Scope::AccountsRead], bind).await;
    let customers = "/console/customers";
    let stranger_id = stranger.customer_id.unwrap();
    for (path, status) in [
        (format!("/console/accounts/{own}"), 200),
        (format!("{customers}/{customer}"), 200),
        (format!("/console/transfers/{}", paid.transfer_id), 200),
        (format!("/console/accounts/{other}"), 404),
        (format!("/console/accounts/{other}/statement.csv"), 404),
        (format!("{customers}/{stranger_id}"), 404),
        (format!("/console/transfers/{}", away.transfer_id), 404),
    ] {
        let page = browser.get(&path).await;
        assert_eq!(page.status, status, "{path}: {page:?}");
        // The texts of a statement name the accounts on the other side.
        if !path.contains("/accounts/") {
            page.assert_lacks(&stranger.account_number);
        }
        for hidden in ["777.00", "782.00", "776.00"] {
            page.assert_lacks(hidden);
        }
    }
    for (wanted, count) in [
        ("Lovelace".to_owned(), "1 result"),
        ("out".to_owned(), "1 result"),
        ("6%20CZK".to_owned(), "1 result"),
        ("in".to_owned(), "Nothing was found"),
        ("away".to_owned(), "Nothing was found"),
        ("7%20CZK".to_owned(), "Nothing was found"),
        (other.to_string(), "Nothing was found"),
        (stranger_id.to_string(), "Nothing was found"),
        (stranger.account_number.clone(), "Nothing was found"),
        (away.reference_number().to_string(), "Nothing was found"),
    ] {
        let page = browser.get(&format!("/console/search?q={wanted}")).await;
        page.assert_has(count);
    }
}

async fn hostile_texts_are_escaped(bank: TestBank) {
    let service = service(&bank).await;
    let (script, image) = (
        "<script>alert(1)</script>",
        "\"><img src=x onerror='a'>\u{202e}&",
    );
    let new = NewCustomer::individual(script, image);
    let customer = customers::create(&bank.database, &new).await.unwrap();
    let new = NewAccount::new(
        customer.customer_id,
        AccountType::Checking,
        czk("1").currency(),
    );
    let account = accounts::open(&bank.database, &new)
        .await
        .unwrap()
        .account_id;
    let to = bank.account(czk("0")).await;
    let deposit = PostingRequest::deposit(account, czk("10"));
    bank.ledger.submit(deposit).await.unwrap();
    let hostile = format!("{script}{image}");
    let request = TransferRequest::new(account, to, czk("1"))
        .with_description(hostile.clone())
        .with_idempotency_key(hostile);
    let receipt = bank.ledger.transfer(request).await.unwrap();
    let browser = Browser::signed_in(&bank, &service, &[Scope::Admin], |_| {}).await;
    for path in [
        "/console/search?q=alert".to_owned(),
        "/console/search?q=%3Cscript%3Ealert(1)%22%3E".to_owned(),
        format!("/console/customers/{}", customer.customer_id),
        format!("/console/accounts/{account}"),
        format!("/console/transfers/{}", receipt.transfer_id),
        format!("/console/transfer?from={account}&amount=%22%3E%3Cscript%3Ealert"),
        "/console/transfer?nothing=%3Cscript%3Ealert".to_owned(),
        "/console/%3Cscript%3Ealert".to_owned(),
    ] {
        let page = browser.get(&path).await;
        for live in ["<script>alert", "<img", "\u{202e}"] {
            page.assert_lacks(live);
        }
    }
    let page = browser.get(&format!("/console/accounts/{account}")).await;
    page.assert_has("&lt;script&gt;alert(1)&lt;/script&gt;");
    page.assert_has("\\u{202e}");
}

async fn statement_is_read_by_pages_and_days_and_exported(bank: TestBank) {
    let service = service(&bank).await;
    let account = bank.account(czk("1000")).await;
    let to = bank.account(czk("0")).await;
    for number in 1..=60 {
        let request = TransferRequest::new(account, to, czk("1"));
        let request = request.with_description(format!("=payment {number}."));
        bank.ledger.transfer(request).await.unwrap();
    }
    let browser = Browser::signed_in(&bank, &service, &[Scope::AccountsRead], |_| {}).await;
    let path = format!("/console/accounts/{account}");
    let first = browser.get(&path).await;
    first.assert_has("payment 60.");
    first.assert_has("payment 11.");
    first.assert_lacks("payment 10.");
    let (_, rest) = first.html.split_once("rel=\"next\" href=\"").unwrap();
    let older = rest.split('"').next().unwrap();
    let second = browser.get(older).await;
    second.assert_has("payment 10.");
    second.assert_lacks("payment 11.");
    second.assert_lacks("rel=\"next\"");

    let past = browser
        .get(&format!("{path}?from=1999-01-01&to=1999-12-31"))
        .await;
    past.assert_has("No entries in these days");
    let wrong = browser.get(&format!("{path}?from=x&to=2026-13-01")).await;
    wrong.assert_has("id=\"from-error\"");
    wrong.assert_has("id=\"to-error\"");
    assert_eq!(browser.get(&format!("{path}?after=x")).await.status, 422);

    let csv = browser.get(&format!("{path}/statement.csv")).await;
    let type_of_file = csv.header("content-type").unwrap();
    assert!(type_of_file.starts_with("text/csv"), "{type_of_file}");
    assert_eq!(csv.html.matches("TRF-").count(), 61, "{csv:?}");
    csv.assert_has("entry_number,posted_at");
    csv.assert_has(",debit,-1.00,");
    let none = browser
        .get(&format!(
            "{path}/statement.csv?to=1999-12-31&from=1999-01-01"
        ))
        .await;
    assert_eq!(none.html.matches("TRF-").count(), 0);
}
