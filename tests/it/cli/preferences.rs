//! A customer's preferences from the command line.

use serde_json::json;

use super::program::{data, run};
use crate::harness::TestBank;

on_both_versions!(
    preferences_are_set_shown_and_unset,
    inexact_numbers_and_unknown_customers_are_rejected,
);

async fn preferences_are_set_shown_and_unset(bank: TestBank) {
    let customer = bank.customer().await.to_string();
    let preferences = async |arguments: &[&str]| {
        let all = [&["preferences", arguments[0], &customer], &arguments[1..]].concat();
        data(bank.url(), &all).await["preferences"].clone()
    };
    assert_eq!(preferences(&["show"]).await, json!({}));
    // Before anything was stored there is nothing to remove.
    assert_eq!(preferences(&["unset", "paper"]).await, json!({}));
    let set = [
        "set",
        "language=cs",
        "paper=false",
        "theme={\"size\": 3}",
        "zip=\"5\"",
    ];
    let all = json!({"language": "cs", "paper": false, "theme": {"size": 3}, "zip": "5"});
    assert_eq!(preferences(&set).await, all);
    assert_eq!(preferences(&["show"]).await, all);
    let unset = ["unset", "paper", "theme", "no such preference"];
    let rest = json!({"language": "cs", "zip": "5"});
    assert_eq!(preferences(&unset).await, rest);
    // Removed once, a preference stays removed.
    assert_eq!(preferences(&unset).await, rest);
    let shown = run(bank.url(), &["preferences", "show", &customer]).await;
    assert!(
        shown.out.contains("language") && shown.out.contains("\"cs\""),
        "{}",
        shown.out
    );
}

async fn inexact_numbers_and_unknown_customers_are_rejected(bank: TestBank) {
    let customer = bank.customer().await.to_string();
    let unknown = neobank_domain::CustomerId::new().to_string();
    let deep = format!("a={}{}", "[".repeat(128), "]".repeat(128));
    for (arguments, code, kind) in [
        (
            &["set", &customer, "limit=0.123456789012345678901234567890"][..],
            2,
            "preferences",
        ),
        (&["set", &customer, "name=\"\\u0000\""], 2, "preferences"),
        (&["set", &customer, "a=1", "a=1"], 2, "preferences"),
        (
            &["set", &customer, r#"a={"b": [{"c": 1, "c": 1}]}"#],
            2,
            "preferences",
        ),
        (&["set", &customer, &deep], 2, "preferences"),
        (&["set", &customer, "language"], 2, "usage"),
        (&["set", &customer, "=cs"], 2, "usage"),
        (&["set", &customer, " =cs"], 2, "usage"),
        (&["unset", &customer], 2, "usage"),
        (&["set", &unknown, "language=cs"], 3, "unknown_customer"),
        (&["show", &unknown], 3, "unknown_customer"),
    ] {
        let found = run(
            bank.url(),
            &[&["preferences"], arguments, &["--json"]].concat(),
        )
        .await;
        assert_eq!(
            found.code, code,
            "{arguments:?}: {}{}",
            found.out, found.err
        );
        if code != 0 {
            assert_eq!(
                found.json()["error"]["kind"],
                kind,
                "{arguments:?}: {}",
                found.out
            );
        }
    }
}
