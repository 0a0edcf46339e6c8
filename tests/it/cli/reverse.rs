//! Reversals, actors, metadata and value dates from the command line.

use neobank_db::{Executor, statement};
use neobank_domain::TransferRequest;
use serde_json::json;

use super::program::{data, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    transfer_is_reversed_by_any_of_its_names,
    rejected_reversal_says_what_is_left,
    actor_and_attributes_are_stored,
);

async fn transfer_is_reversed_by_any_of_its_names(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let transfer = TransferRequest::new(payer, shop, czk("100")).with_idempotency_key("order-1");
    let original = bank.ledger.transfer(transfer).await.unwrap();
    let reference = original.reference_number().to_string();
    let identifier = original.transfer_id.to_string();
    for (name, balance) in [
        (reference.as_str(), "10"),
        (&identifier, "20"),
        ("order-1", "30"),
    ] {
        let arguments = ["reverse", name, "--amount", "10 CZK"];
        let receipt = &data(bank.url(), &arguments).await["receipt"];
        assert_eq!(receipt["transfer_type"], "reversal");
        assert_eq!(receipt["credit"]["account_id"], payer.to_string());
        assert_eq!(bank.balance(payer).await, czk(balance));
    }
    // The rest, once for one key.
    for outcome in ["posted", "replayed"] {
        let arguments = [
            "reverse",
            "order-1",
            "--key",
            "back-1",
            "--description",
            "all",
        ];
        let receipt = &data(bank.url(), &arguments).await["receipt"];
        assert_eq!(receipt["outcome"], outcome);
        assert_eq!(receipt["amount"]["amount"], "70.00");
    }
    assert_eq!(bank.balance(payer).await, czk("100"));
    bank.assert_sound().await;
}

async fn rejected_reversal_says_what_is_left(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("5")).await, bank.account(czk("0")).await);
    let transfer = TransferRequest::new(payer, shop, czk("5")).with_idempotency_key("order-1");
    bank.ledger.transfer(transfer).await.unwrap();
    for (arguments, code, kind, text) in [
        (
            &["reverse", "order-1", "--amount", "6 CZK"][..],
            1,
            "more_than_remains",
            "5.00 CZK",
        ),
        (
            &["reverse", "order-1", "--amount", "0 CZK"],
            1,
            "amount_not_positive",
            "0.00 CZK",
        ),
        (&["reverse", "order-2"], 3, "unknown_transfer", "order-2"),
    ] {
        let rejected = run(bank.url(), &[arguments, &["--json"]].concat()).await;
        assert_eq!(rejected.code, code, "{arguments:?}: {}", rejected.out);
        let error = &rejected.json()["error"];
        assert_eq!(error["kind"], kind);
        assert!(error["message"].as_str().unwrap().contains(text), "{error}");
    }
    assert_eq!(bank.balance(payer).await, czk("0"));
}

async fn actor_and_attributes_are_stored(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let today = chrono::Utc::now().date_naive().to_string();
    let (payer, shop) = (payer.to_string(), shop.to_string());
    let transfer = [
        "transfer", "--from", &payer, "--to", &shop, "--amount", "500 CZK", "--up-to",
    ];
    let attributes = [
        "--actor",
        "teller:42",
        "--metadata",
        r#"{"order": 1}"#,
        "--value-date",
        &today,
    ];
    let receipt = &data(bank.url(), &[&transfer[..], &attributes].concat()).await["receipt"];
    assert_eq!(receipt["amount"]["amount"], "100.00");
    let stored: String = bank
        .database
        .fetch_value(statement(
            "SELECT concat_ws(' | ', actor, metadata, value_date) FROM banking.transfers
             WHERE transfer_type = 'transfer'",
            [],
        ))
        .await
        .unwrap();
    assert_eq!(stored, format!(r#"teller:42 | {{"order": 1}} | {today}"#));
    // A reversal and a correction have the same options.
    let reference = receipt["reference_number"].as_str().unwrap();
    let reverse = ["reverse", reference, "--key", "back", "--amount", "60 CZK"];
    let account = data(bank.url(), &["account", "show", &shop]).await["account"].clone();
    // The reversal changes the account once.
    let version = (account["version"].as_i64().unwrap() + 1).to_string();
    let adjust = [
        "adjust",
        "--account",
        &shop,
        "--balance",
        "50 CZK",
        "--expected-version",
        &version,
    ];
    for arguments in [&reverse[..], &adjust] {
        let receipt = data(bank.url(), &[arguments, &attributes].concat()).await["receipt"].clone();
        let shown = [
            "transfers",
            "show",
            receipt["transfer_id"].as_str().unwrap(),
        ];
        let shown = data(bank.url(), &shown).await["transfer"].clone();
        assert_eq!(shown["metadata"]["order"], 1, "{shown}");
        assert_eq!(shown["value_date"], today.as_str(), "{shown}");
    }
    // Both directions of the link.
    let original = data(bank.url(), &["transfers", "show", reference]).await;
    let reversal = data(bank.url(), &["transfers", "show", "back"]).await;
    assert_eq!(original["reversals"], json!([reversal["transfer"]]));
    assert_eq!(reversal["reversals"], json!([]));
    assert_eq!(
        reversal["transfer"]["reverses"],
        original["transfer"]["transfer_id"]
    );
    let text = run(bank.url(), &["transfers", "show", reference]).await.out;
    let back = reversal["transfer"]["reference_number"].as_str().unwrap();
    assert!(text.contains(&format!("{back} (60.00 CZK)")), "{text}");
    for misread in [
        ["--actor", ""],
        ["--metadata", "[1]"],
        ["--value-date", "tomorrow"],
    ] {
        let misread = run(bank.url(), &[&transfer[..], &misread, &["--json"]].concat()).await;
        assert_eq!(misread.code, 2, "{}", misread.out);
        assert_eq!(misread.json()["error"]["kind"], "usage");
    }
}
