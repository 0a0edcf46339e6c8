//! Metadata that cannot be kept whole is wrong usage, and is not stored in part.

use serde_json::{Value, json};

use super::program::{data, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    metadata_that_cannot_be_kept_is_wrong_usage_and_changes_nothing,
    deepest_metadata_is_kept_whole,
);

/// Returns an object of a number of levels.
fn nested(levels: usize) -> String {
    let (begin, end) = ("{\"a\": ".repeat(levels), "}".repeat(levels));
    format!("{begin}1{end}")
}

async fn metadata_that_cannot_be_kept_is_wrong_usage_and_changes_nothing(bank: TestBank) {
    let account = bank.account(czk("10")).await.to_string();
    let hold = ["hold", "create", "--account", &account, "--amount", "1 CZK"];
    data(bank.url(), &[&hold[..], &["--key", "h"]].concat()).await;
    let other = bank.account(czk("0")).await.to_string();
    let before = bank.fingerprint().await;
    let transfer = [
        "transfer", "--from", &account, "--to", &other, "--amount", "1 CZK",
    ];
    let fee = ["fee", "--account", &account, "--amount", "1 CZK"];
    let adjust = [
        "adjust",
        "--account",
        &account,
        "--balance",
        "1 CZK",
        "--expected-version",
        "1",
    ];
    let commands = [
        &hold[..],
        &["hold", "release", "h"],
        &["hold", "capture", "h"],
        &transfer,
        &fee,
        &adjust,
        &["reverse", "none"],
        &["transfers", "list"],
    ];
    for (metadata, part) in [
        (nested(33), "a.a.a"),
        (nested(127), "32 levels"),
        (nested(128), "32 levels"),
        (nested(5_000), "32 levels"),
        (
            r#"{"order": {"id": 1, "id": 2}}"#.to_owned(),
            "\"order.id\" twice",
        ),
        (
            r#"{"": "\u0000"}"#.to_owned(),
            "\"\" in the metadata has a NUL",
        ),
    ] {
        for arguments in commands {
            let all = [arguments, &["--metadata", &metadata]].concat();
            let found = run(bank.url(), &all).await;
            assert_eq!(found.code, 2, "{all:?}: {}{}", found.out, found.err);
            assert!(found.err.contains(part), "{all:?}: {}", found.err);
            assert!(found.err.len() < 1_000, "{}", found.err);
        }
    }
    assert_eq!(bank.fingerprint().await, before);
}

async fn deepest_metadata_is_kept_whole(bank: TestBank) {
    let account = bank.account(czk("10")).await.to_string();
    let metadata = nested(32);
    let value: Value = serde_json::from_str(&metadata).unwrap();
    let hold = ["hold", "create", "--account", &account, "--amount", "1 CZK"];
    let more = ["--key", "h", "--metadata", &metadata];
    data(bank.url(), &[&hold[..], &more].concat()).await;
    assert_eq!(
        data(bank.url(), &["hold", "show", "h"]).await["hold"]["metadata"],
        value
    );
    let deposit = ["deposit", "--account", &account, "--amount", "1 CZK"];
    let more = ["--key", "d", "--metadata", &metadata];
    data(bank.url(), &[&deposit[..], &more].concat()).await;
    let shown = data(bank.url(), &["transfers", "show", "d"]).await;
    assert_eq!(shown["transfer"]["metadata"], value);
    let listed = data(bank.url(), &["transfers", "list", "--metadata", &metadata]).await;
    assert_eq!(listed["transfers"][0]["metadata"], json!(value));
}
