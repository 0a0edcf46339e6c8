//! `neobank account limits`.

use serde_json::json;

use super::program::{data, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    limits_are_set_listed_and_removed,
    wrong_limit_is_rejected_and_changes_nothing,
);

async fn limits_are_set_listed_and_removed(bank: TestBank) {
    let account = bank.account(czk("100")).await.to_string();
    let limit = |verb: &'static str, rest: &[&'static str]| {
        let start = ["account", "limits", verb, &account, "--side", "debit"];
        [&start, rest]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let changed = async |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        data(bank.url(), &arguments).await
    };
    changed(limit("set", &["--window", "day", "--amount", "50"])).await;
    let set = [
        "--window",
        "day",
        "--amount",
        "20.5",
        "--actor",
        "teller:42",
    ];
    changed(limit("set", &set)).await;
    let set = ["--window", "24h", "--type", "withdrawal", "--amount", "5"];
    changed(limit("set", &set)).await;
    let set = changed(limit("set", &["--window", "transfer", "--amount", "8"])).await;
    assert_eq!(set["limits"].as_array().unwrap().len(), 3);

    let withdraw = |amount: &str| {
        let amount = format!("{amount} CZK");
        let (url, account) = (bank.url().to_owned(), account.clone());
        async move {
            run(
                &url,
                &["withdraw", "--account", &account, "--amount", &amount],
            )
            .await
        }
    };
    assert_eq!(withdraw("4").await.code, 0);
    let rejected = withdraw("1.50").await;
    assert_eq!(rejected.code, 1);
    let reason =
        "used 4.00 CZK of its limit of 5.00 CZK for the debits of type withdrawal of 24 hours";
    assert!(rejected.err.contains(reason), "{}", rejected.err);
    let rejected = withdraw("9").await;
    assert!(!rejected.err.contains("window"), "{}", rejected.err);

    let listed = data(bank.url(), &["account", "limits", "list", &account]).await;
    let day = &listed["limits"][0];
    assert_eq!(day["window"], json!({ "kind": "day" }));
    assert_eq!(day["side"], "debit");
    assert_eq!(day["used"]["amount"], "4.00");
    assert_eq!(day["remaining"]["amount"], "16.50");
    assert_eq!(day["actor"], "teller:42");
    assert!(day["ends_at"].is_string());
    let table = run(bank.url(), &["account", "limits", "list", &account]).await;
    assert!(table.out.contains("24 hours"), "{}", table.out);

    let rest = changed(limit(
        "remove",
        &["--window", "24h", "--type", "withdrawal"],
    ))
    .await;
    assert_eq!(rest["limits"].as_array().unwrap().len(), 2);
    assert_eq!(withdraw("1.50").await.code, 0);
}

async fn wrong_limit_is_rejected_and_changes_nothing(bank: TestBank) {
    let account = bank.account(czk("100")).await.to_string();
    let unknown = "01942f3e-6a7b-7c00-8000-0000000000aa";
    for (verb, named, window, amount, code, kind) in [
        ("set", account.as_str(), "day", Some("0"), 1, "limit"),
        ("set", &account, "day", Some("-1"), 1, "limit"),
        ("set", &account, "day", Some("1.005"), 2, "amount"),
        ("set", &account, "0h", Some("1"), 2, "usage"),
        ("set", &account, "week", Some("1"), 2, "usage"),
        ("set", unknown, "day", Some("1"), 3, "unknown_account"),
        (
            "set",
            "SYS-EXTERNAL-CZK",
            "day",
            Some("1"),
            1,
            "system_account",
        ),
        ("remove", &account, "day", None, 3, "unknown_limit"),
    ] {
        let mut arguments = vec!["account", "limits", verb, named, "--side", "credit"];
        arguments.extend(["--window", window, "--json"]);
        arguments.extend(amount.iter().flat_map(|amount| ["--amount", *amount]));
        let failed = run(bank.url(), &arguments).await;
        assert_eq!(
            failed.code, code,
            "{arguments:?}: {}{}",
            failed.out, failed.err
        );
        assert_eq!(failed.json()["error"]["kind"], kind, "{arguments:?}");
    }
    let listed = data(bank.url(), &["account", "limits", "list", &account]).await;
    assert_eq!(listed["limits"], json!([]));
}
