//! Interest, fees, corrections and overdrafts from the command line.

use super::program::{data, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    interest_and_fees_move_money_both_ways,
    adjustment_needs_the_version_that_the_caller_saw,
    overdraft_is_set_and_limited,
);

async fn interest_and_fees_move_money_both_ways(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let id = account.to_string();
    for (arguments, kind, side, balance) in [
        (
            &["interest", "--amount", "2 CZK"][..],
            "interest",
            "credit",
            "102",
        ),
        (
            &["interest", "--amount", "5 CZK", "--charge"],
            "interest",
            "debit",
            "97",
        ),
        (
            &["fee", "--amount", "4 CZK", "--key", "fee-1"],
            "fee",
            "debit",
            "93",
        ),
        (
            &["fee", "--amount", "4 CZK", "--key", "fee-1"],
            "fee",
            "debit",
            "93",
        ),
        (
            &["fee", "--amount", "1.50 CZK", "--return"],
            "fee",
            "credit",
            "94.50",
        ),
    ] {
        let receipt = data(bank.url(), &[arguments, &["--account", &id]].concat()).await;
        let receipt = &receipt["receipt"];
        assert_eq!(receipt["transfer_type"], kind);
        assert_eq!(receipt[side]["account_id"], id.as_str(), "{arguments:?}");
        assert_eq!(bank.balance(account).await, czk(balance), "{arguments:?}");
    }
    let poor = bank.account(czk("1")).await.to_string();
    let rejected = run(
        bank.url(),
        &["fee", "--account", &poor, "--amount", "2 CZK", "--json"],
    )
    .await;
    assert_eq!(rejected.code, 1, "{}", rejected.out);
    assert_eq!(rejected.json()["error"]["kind"], "insufficient_funds");
    bank.assert_sound().await;
}

async fn adjustment_needs_the_version_that_the_caller_saw(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let id = account.to_string();
    let shown = data(bank.url(), &["account", "show", &id]).await;
    let version = shown["account"]["version"].to_string();
    let adjust = |balance: &'static str| {
        [
            "adjust",
            "--account",
            &id,
            "--balance",
            balance,
            "--expected-version",
            &version,
        ]
        .map(str::to_owned)
    };
    let first = adjust("80.25 CZK");
    let arguments: Vec<&str> = first.iter().map(String::as_str).collect();
    let receipt = data(bank.url(), &arguments).await;
    assert_eq!(receipt["receipt"]["amount"]["amount"], "19.75");
    assert!(receipt["receipt"]["idempotency_key"].is_null());
    assert_eq!(bank.balance(account).await, czk("80.25"));
    // Repeated, it finds another version.
    let again = run(bank.url(), &[&arguments[..], &["--json"]].concat()).await;
    assert_eq!(again.code, 1, "{}", again.out);
    assert_eq!(again.json()["error"]["kind"], "stale_version");
    let without = run(
        bank.url(),
        &["adjust", "--account", &id, "--balance", "1 CZK"],
    )
    .await;
    assert_eq!(without.code, 2, "{}", without.err);
    assert_eq!(bank.balance(account).await, czk("80.25"));
    bank.assert_sound().await;
}

async fn overdraft_is_set_and_limited(bank: TestBank) {
    let account = bank.account(czk("10")).await.to_string();
    let set = data(bank.url(), &["account", "overdraft", &account, "50.5"]).await;
    assert_eq!(set["account"]["overdraft_limit"]["amount"], "50.50");
    assert_eq!(set["account"]["available_balance"]["amount"], "60.50");
    let withdraw = ["withdraw", "--account", &account, "--amount", "40 CZK"];
    assert_eq!(run(bank.url(), &withdraw).await.code, 0);
    for (limit, code, kind) in [
        ("29.99", 1, "below_limit"),
        ("-1", 1, "overdraft_limit"),
        ("1.005", 2, "amount"),
        ("much", 2, "amount"),
    ] {
        let failed = run(
            bank.url(),
            &["account", "overdraft", &account, limit, "--json"],
        )
        .await;
        assert_eq!(failed.code, code, "{limit}: {}", failed.out);
        assert_eq!(failed.json()["error"]["kind"], kind, "{limit}");
    }
    let set = data(bank.url(), &["account", "overdraft", &account, "30"]).await;
    assert_eq!(set["account"]["available_balance"]["amount"], "0.00");
}
