//! Currency exchange from the command line.

use serde_json::json;

use super::program::{data, neobank, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    exchange_is_posted_once_and_prints_both_sides,
    impossible_exchanges_have_their_exit_codes_and_change_nothing,
);

/// Opens an account with a thousand koruna and one in euros, and returns their numbers.
async fn accounts(bank: &TestBank) -> [String; 2] {
    let koruna = bank.account(czk("1000")).await;
    let euro = bank.account("0 EUR".parse().unwrap()).await;
    [
        bank.find(koruna).await.account_number,
        bank.find(euro).await.account_number,
    ]
}

async fn exchange_is_posted_once_and_prints_both_sides(bank: TestBank) {
    let [koruna, euro] = accounts(&bank).await;
    let exchange = [
        "exchange",
        "--from",
        &koruna,
        "--to",
        &euro,
        "--sold",
        "500 CZK",
        "--rate",
        "0.0399",
        "--quote",
        "Q-1",
        "--quote-expires-at",
        "2100-01-01",
        "--spread",
        "5 CZK",
        "--key",
        "x",
        "--metadata",
        r#"{"order": 1}"#,
    ];
    for outcome in ["posted", "replayed"] {
        let receipt = data(bank.url(), &exchange).await["receipt"].clone();
        assert_eq!(receipt["outcome"], outcome);
        assert_eq!(receipt["sold"]["amount"], "500.00");
        assert_eq!(
            receipt["bought"],
            json!({"amount": "19.95", "currency": "EUR"})
        );
        assert_eq!(receipt["rate"], "0.0399");
        assert_eq!(receipt["spread"]["amount"], "5.00");
        assert_eq!(receipt["idempotency_key"], "x");
        let transfers = receipt["transfers"].as_array().unwrap();
        let types: Vec<_> = transfers.iter().map(|one| &one["transfer_type"]).collect();
        assert_eq!(types, ["exchange", "exchange", "fee"]);
        let group = receipt["group_id"].as_str().unwrap();
        let listed = data(bank.url(), &["transfers", "list", "--group", group]).await;
        let listed = listed["transfers"].as_array().unwrap();
        assert_eq!(listed.len(), 3);
        let metadata = json!({"order": 1, "exchange": {"rate": "0.0399", "quote": "Q-1"}});
        assert!(listed.iter().all(|one| one["metadata"] == metadata));
    }
    let mut text = neobank(bank.url(), &exchange);
    let text = text.env("COLUMNS", "80").output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    for part in [
        "replayed",
        "500.00 CZK",
        "19.95 EUR",
        "495.00 CZK",
        "Q-1",
        &euro,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The other side, which costs the customer the unit that rounding takes.
    let bought = [
        "exchange", "--from", &koruna, "--to", &euro, "--bought", "0.03 EUR", "--rate", "0.0399",
    ];
    let in_favour = data(bank.url(), &bought).await["receipt"]["sold"].clone();
    assert_eq!(in_favour["amount"], "0.76");
    let nearest = [&bought[..], &["--rounding", "half-up"]].concat();
    let nearest = data(bank.url(), &nearest).await["receipt"]["sold"].clone();
    assert_eq!(nearest["amount"], "0.75");
    bank.assert_sound().await;
}

async fn impossible_exchanges_have_their_exit_codes_and_change_nothing(bank: TestBank) {
    let [koruna, euro] = accounts(&bank).await;
    let other = bank.account(czk("0")).await.to_string();
    let before = bank.fingerprint().await;
    let pair = ["exchange", "--from", &koruna, "--to", &euro];
    let sold = ["--sold", "100 CZK"];
    for (arguments, code, kind) in [
        (
            &["--sold", "2000 CZK", "--rate", "0.04"][..],
            1,
            "group_step",
        ),
        (
            &["--sold", "0.10 CZK", "--rate", "0.04"],
            1,
            "nothing_exchanged",
        ),
        (
            &["--sold", "-5 CZK", "--rate", "0.04"],
            1,
            "nothing_exchanged",
        ),
        (&[sold[0], sold[1], "--rate", "-1"], 2, "rate"),
        (&[sold[0], sold[1], "--rate", "0"], 2, "rate"),
        (&[sold[0], sold[1], "--rate", "cheap"], 2, "usage"),
        (
            &[sold[0], sold[1], "--bought", "1 EUR", "--rate", "1"],
            2,
            "usage",
        ),
        (&["--rate", "1"], 2, "usage"),
        (
            &[sold[0], sold[1], "--rate", "1", "--quote", "q"],
            2,
            "usage",
        ),
        (
            &[
                sold[0],
                sold[1],
                "--rate",
                "1",
                "--metadata",
                r#"{"exchange": 1}"#,
            ],
            2,
            "metadata",
        ),
        (
            &[
                sold[0],
                sold[1],
                "--rate",
                "1",
                "--quote",
                "q",
                "--quote-expires-at",
                "2020-01-01",
            ],
            1,
            "group_expired",
        ),
    ] {
        let found = run(bank.url(), &[&pair, arguments, &["--json"]].concat()).await;
        assert_eq!(found.code, code, "{arguments:?}: {}", found.out);
        assert_eq!(found.json()["error"]["kind"], kind, "{}", found.out);
    }
    let same = ["exchange", "--from", &koruna, "--to", &other, "--rate", "1"];
    let same = run(bank.url(), &[&same[..], &sold, &["--json"]].concat()).await;
    assert_eq!(
        same.json()["error"]["kind"],
        "same_currency",
        "{}",
        same.out
    );
    assert_eq!(bank.fingerprint().await, before);
}
