//! Holds from the command line.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::program::{data, neobank, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    create_reserves_once_under_a_key,
    capture_prints_its_receipt_and_what_remains,
    release_gives_back_once_under_a_key,
    lists_tell_open_due_and_ended_holds_apart_and_expire_records_ends,
    rejections_have_their_exit_codes_and_kinds_and_change_nothing,
    tables_fit_80_columns,
);

/// Creates a hold, and returns its identifier.
async fn create(bank: &TestBank, account: &str, amount: &str, more: &[&str]) -> String {
    let create = ["hold", "create", "--account", account, "--amount", amount];
    let created = data(bank.url(), &[&create, more].concat()).await;
    created["receipt"]["hold_id"].as_str().unwrap().to_owned()
}

async fn show(bank: &TestBank, hold: &str) -> Value {
    data(bank.url(), &["hold", "show", hold]).await
}

/// Waits until the time of a hold is over.
async fn until_over(bank: &TestBank, hold: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while show(bank, hold).await["hold"]["status"] != "expired" {
        assert!(Instant::now() < deadline, "the hold does not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Returns the identifiers of a list.
async fn listed(bank: &TestBank, conditions: &[&str]) -> Vec<String> {
    let list = data(bank.url(), &[&["hold", "list"], conditions].concat()).await;
    let holds = list["holds"].as_array().unwrap();
    let identifier = |hold: &Value| hold["hold_id"].as_str().unwrap().to_owned();
    holds.iter().map(identifier).collect()
}

async fn create_reserves_once_under_a_key(bank: TestBank) {
    let (payer, hotel) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let number = bank.find(payer).await.account_number;
    let hotel = bank.find(hotel).await;
    let booking = [
        "hold",
        "create",
        "--account",
        &number,
        "--to",
        &hotel.account_id.to_string(),
        "--amount",
        "60 CZK",
        "--expires-in",
        "1h",
        "--key",
        "booking",
        "--description",
        "Two nights",
        "--metadata",
        r#"{"order": 4711}"#,
        "--actor",
        "desk:7",
    ];
    let first = data(bank.url(), &booking).await["receipt"].clone();
    for (name, value) in [
        ("outcome", "posted"),
        ("event_type", "authorised"),
        ("account_number", &number),
        ("to_account_number", &hotel.account_number),
        ("idempotency_key", "booking"),
    ] {
        assert_eq!(first[name], value, "{first}");
    }
    for name in ["amount", "remaining", "held_balance"] {
        assert_eq!(first[name]["amount"], "60.00", "{first}");
    }
    let account = data(bank.url(), &["account", "show", &number]).await;
    assert_eq!(account["account"]["available_balance"]["amount"], "40.00");
    assert_eq!(account["account"]["held_balance"]["amount"], "60.00");

    // The end of the first request stays, although an hour from now is later.
    let again = data(bank.url(), &booking).await["receipt"].clone();
    assert_eq!(again["outcome"], "replayed");
    assert_eq!(again["hold_id"], first["hold_id"]);
    assert_eq!(again["expires_at"], first["expires_at"]);
    let minutes: i64 = {
        let time = |name: &str| {
            let text = first[name].as_str().unwrap();
            chrono::DateTime::parse_from_rfc3339(text).unwrap()
        };
        (time("expires_at") - time("occurred_at")).num_minutes()
    };
    assert!((58..=60).contains(&minutes), "{first}");
    let mut other = booking;
    other[7] = "61 CZK";
    let rejected = run(bank.url(), &[&other[..], &["--json"]].concat()).await;
    assert_eq!(rejected.code, 1, "{}", rejected.out);
    assert_eq!(rejected.json()["error"]["kind"], "key_of_hold");

    let identifier = first["hold_id"].as_str().unwrap();
    let shown = show(&bank, "booking").await;
    assert_eq!(shown, show(&bank, identifier).await);
    assert_eq!(shown["hold"]["status"], "open");
    assert_eq!(shown["hold"]["description"], "Two nights");
    assert_eq!(shown["hold"]["actor"], "desk:7");
    assert_eq!(shown["hold"]["metadata"]["order"], 4711);
    assert_eq!(shown["events"][0]["event_id"], first["event_id"]);
    assert_eq!(shown["events"].as_array().unwrap().len(), 1);

    let plain = ["hold", "create", "--account", &number, "--amount", "1 CZK"];
    let until = [&plain[..], &["--expires-at", "2100-01-01"]].concat();
    let until = data(bank.url(), &until).await;
    assert_eq!(until["receipt"]["expires_at"], "2100-01-01T00:00:00Z");
    let without_end = data(bank.url(), &plain).await["receipt"].clone();
    assert!(without_end["expires_at"].is_null());
    let key = without_end["idempotency_key"].as_str().unwrap();
    assert!(key.starts_with("neobank-"), "{key}");
    bank.assert_sound().await;
}

async fn capture_prints_its_receipt_and_what_remains(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let number = bank.find(payer).await.account_number;
    let to = bank.find(shop).await.account_number;
    let hold = create(&bank, &number, "90 CZK", &[]).await;
    let part = [
        "hold",
        "capture",
        &hold,
        "--amount",
        "30 CZK",
        "--to",
        &to,
        "--keep-rest",
        "--key",
        "part",
        "--actor",
        "desk:7",
    ];
    let first = data(bank.url(), &part).await;
    assert_eq!(first["receipt"]["outcome"], "posted");
    assert_eq!(first["receipt"]["debit"]["balance"]["amount"], "70.00");
    assert_eq!(first["receipt"]["credit"]["account_number"], to.as_str());
    assert_eq!(first["hold_id"], hold.as_str());
    assert_eq!(first["remaining"]["amount"], "60.00");
    let last = ["hold", "capture", &hold, "--amount", "20 CZK", "--to", &to];
    let text = run(bank.url(), &last).await;
    assert_eq!(text.code, 0, "{}", text.err);
    for part in ["posted", "TRF-", "20.00 CZK", &hold, "0.00 CZK"] {
        assert!(text.out.contains(part), "{part}: {}", text.out);
    }
    // A repetition prints what its own capture left.
    let again = data(bank.url(), &part).await;
    assert_eq!(again["receipt"]["outcome"], "replayed");
    assert_eq!(again["remaining"]["amount"], "60.00");
    assert_eq!(bank.balance(payer).await, czk("50"));
    assert_eq!(bank.balance(shop).await, czk("50"));
    assert_eq!(bank.find(payer).await.held_balance, czk("0"));

    let shown = show(&bank, &hold).await;
    assert_eq!(shown["hold"]["status"], "captured");
    let events = shown["events"].as_array().unwrap();
    let changes: Vec<_> = events.iter().map(|event| &event["event_type"]).collect();
    assert_eq!(changes, ["authorised", "captured", "captured", "released"]);
    let transfer = data(bank.url(), &["transfers", "show", "part"]).await["transfer"].clone();
    assert_eq!(transfer["hold_id"], hold.as_str());
    assert_eq!(transfer["actor"], "desk:7");
    assert_eq!(transfer["transfer_id"], events[1]["transfer_id"]);
    let text = run(bank.url(), &["hold", "show", &hold]).await.out;
    assert_eq!(text.matches("captured by").count(), 2, "{text}");

    // Without an amount all that remains, and the account that the hold names.
    let hold = create(&bank, &number, "10 CZK", &["--to", &to]).await;
    let all = data(bank.url(), &["hold", "capture", &hold]).await;
    assert_eq!(all["receipt"]["amount"]["amount"], "10.00");
    assert_eq!(all["remaining"]["amount"], "0.00");
    bank.assert_sound().await;
}

async fn release_gives_back_once_under_a_key(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let hold = create(&bank, &account.to_string(), "70 CZK", &["--key", "h"]).await;
    assert_eq!(bank.find(account).await.held_balance, czk("70"));
    let release = ["hold", "release", "h", "--key", "r", "--actor", "desk:8"];
    let first = data(bank.url(), &release).await["receipt"].clone();
    assert_eq!(first["outcome"], "posted");
    assert_eq!(first["hold_id"], hold.as_str());
    assert_eq!(first["event_type"], "released");
    assert_eq!(first["amount"]["amount"], "70.00");
    assert_eq!(first["remaining"]["amount"], "0.00");
    assert_eq!(bank.find(account).await.held_balance, czk("0"));
    let again = data(bank.url(), &release).await["receipt"].clone();
    assert_eq!(again["outcome"], "replayed");
    assert_eq!(again["event_id"], first["event_id"]);
    let text = run(bank.url(), &release).await.out;
    assert!(text.contains("it did not change again"), "{text}");
    let shown = show(&bank, &hold).await;
    assert_eq!(shown["hold"]["status"], "released");
    assert_eq!(shown["events"][1]["actor"], "desk:8");
    bank.assert_sound().await;
}

async fn lists_tell_open_due_and_ended_holds_apart_and_expire_records_ends(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let account = payer.to_string();
    let open = create(&bank, &account, "10 CZK", &[]).await;
    let second = create(&bank, &account, "20 CZK", &["--expires-in", "4s"]).await;
    let first = create(&bank, &account, "30 CZK", &["--expires-in", "3s"]).await;
    until_over(&bank, &second).await;
    until_over(&bank, &first).await;
    let of_account = ["--account", &account];
    assert_eq!(
        listed(&bank, &of_account).await,
        std::slice::from_ref(&open)
    );
    let all = [&of_account[..], &["--all"]].concat();
    let newest_first = [first.clone(), second.clone(), open.clone()];
    assert_eq!(listed(&bank, &all).await, newest_first);
    let due = [first.clone(), second.clone()];
    assert_eq!(listed(&bank, &["--due"]).await, due);
    assert_eq!(
        listed(&bank, &[&of_account[..], &["--due"]].concat()).await,
        due
    );
    let page = [&["hold", "list"], &all[..], &["--limit", "2"]].concat();
    let page = data(bank.url(), &page).await;
    assert_eq!(page["holds"].as_array().unwrap().len(), 2);
    assert_eq!(page["has_more"], true);
    let next = page["next"].as_str().unwrap();
    let rest = [&["hold", "list"], &all[..], &["--after", next]].concat();
    let rest = data(bank.url(), &rest).await;
    assert_eq!(rest["holds"][0]["hold_id"], open.as_str());
    assert_eq!(
        (&rest["has_more"], &rest["next"]),
        (&Value::Bool(false), &Value::Null)
    );
    // A hold whose time is over is shown as the next decision sees it.
    let over = show(&bank, &first).await["hold"].clone();
    assert_eq!(
        (&over["status"], &over["is_due"]),
        (&json!("expired"), &json!(true))
    );
    let text = run(bank.url(), &["hold", "show", &first]).await.out;
    assert!(text.contains("expired, not recorded"), "{text}");
    let elsewhere = shop.to_string();
    let none = run(bank.url(), &["hold", "list", "--account", &elsewhere]).await;
    assert_eq!((none.code, none.out.as_str()), (0, "no holds\n"));

    // The time is over, whether or not the end is recorded.
    let capture = ["hold", "capture", &first, "--to", &elsewhere, "--json"];
    let late = run(bank.url(), &capture).await;
    assert_eq!(late.code, 1, "{}", late.out);
    assert_eq!(late.json()["error"]["kind"], "hold_expired");
    for (hold, amount) in [(&first, "30.00"), (&second, "20.00")] {
        let expired = data(bank.url(), &["hold", "expire", "--limit", "1"]).await;
        let receipts = expired["receipts"].as_array().unwrap();
        assert_eq!(receipts.len(), 1, "{expired}");
        assert_eq!(receipts[0]["hold_id"], hold.as_str(), "{expired}");
        assert_eq!(receipts[0]["event_type"], "expired");
        assert_eq!(receipts[0]["amount"]["amount"], amount);
        assert!(receipts[0]["idempotency_key"].is_null());
    }
    assert!(listed(&bank, &["--due"]).await.is_empty());
    assert_eq!(show(&bank, &first).await["hold"]["is_due"], false);
    assert_eq!(listed(&bank, &all).await, newest_first);
    let nothing = run(bank.url(), &["hold", "expire"]).await;
    assert_eq!(
        (nothing.code, nothing.out.as_str()),
        (0, "no hold was due\n")
    );
    bank.assert_sound().await;
}

async fn rejections_have_their_exit_codes_and_kinds_and_change_nothing(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let account = bank.find(payer).await.account_number;
    let shop = bank.find(shop).await.account_number;
    let other = bank.account(czk("5")).await.to_string();
    let frozen = bank.account(czk("5")).await.to_string();
    data(bank.url(), &["account", "freeze", &frozen]).await;
    let open = create(&bank, &account, "10 CZK", &["--key", "open"]).await;
    let named = create(&bank, &account, "10 CZK", &["--to", &shop]).await;
    let captured = create(&bank, &account, "1 CZK", &["--to", &shop]).await;
    data(bank.url(), &["hold", "capture", &captured, "--key", "used"]).await;
    let released = create(&bank, &account, "1 CZK", &[]).await;
    data(bank.url(), &["hold", "release", &released]).await;
    let unknown = neobank_domain::AccountId::new().to_string();
    let long = "x".repeat(501);
    let before = bank.fingerprint().await;

    let creates: &[(&[&str], i32, &str)] = &[
        (&[&account, "79.01 CZK"], 1, "insufficient_funds"),
        (&[&account, "0 CZK"], 1, "amount_not_positive"),
        (&[&account, "-1 CZK"], 1, "amount_not_positive"),
        (&[&account, "1.005 CZK"], 2, "amount"),
        (&[&account, "1 XXX"], 2, "usage"),
        (&[&account, "1 EUR"], 1, "currency_mismatch"),
        (&[&unknown, "1 CZK"], 3, "unknown_account"),
        (&[&account, "1 CZK", "--to", "none"], 3, "unknown_account"),
        (&[&account, "1 CZK", "--to", &account], 1, "same_account"),
        (&[&frozen, "1 CZK"], 1, "not_active"),
        (
            &[&account, "1 CZK", "--expires-at", "2020-01-01"],
            1,
            "hold_ends_in_the_past",
        ),
        (
            &[
                &account,
                "1 CZK",
                "--expires-at",
                "9999-12-31T23:59:59-14:00",
            ],
            1,
            "hold_expiry_range",
        ),
        (
            &[&account, "1 CZK", "--expires-in", "8000years"],
            2,
            "usage",
        ),
        (&[&account, "1 CZK", "--expires-in", "-1h"], 2, "usage"),
        (
            &[&account, "1 CZK", "--expires-in", "400000years"],
            2,
            "usage",
        ),
        (&[&account, "1 CZK", "--expires-in", "soon"], 2, "usage"),
        (
            &[
                &account,
                "1 CZK",
                "--expires-in",
                "1h",
                "--expires-at",
                "2100-01-01",
            ],
            2,
            "usage",
        ),
        (&[&account, "1 CZK", "--description", &long], 2, "text"),
        (&[&account, "1 CZK", "--metadata", "[]"], 2, "usage"),
        (&[&account, "1 CZK", "--key", "open"], 1, "key_of_hold"),
        (&[&account, "1 CZK", "--key", "used"], 1, "key_reused"),
    ];
    for (arguments, code, kind) in creates {
        let ends = ["--account", arguments[0], "--amount", arguments[1]];
        let all = [&["hold", "create"], &ends[..], &arguments[2..]].concat();
        rejected(&bank, &all, *code, kind).await;
    }
    for (arguments, code, kind) in [
        (
            &["capture", &open, "--to", &shop, "--amount", "10.01 CZK"][..],
            1,
            "more_than_held",
        ),
        (
            &["capture", &open, "--to", &shop, "--amount", "1 EUR"],
            1,
            "hold_currency",
        ),
        (
            &["capture", &open, "--to", &shop, "--amount", "0 CZK"],
            1,
            "amount_not_positive",
        ),
        (&["capture", &open], 1, "no_destination"),
        (&["capture", &named, "--to", &other], 1, "hold_destination"),
        (&["capture", &open, "--to", &frozen], 1, "not_active"),
        (&["capture", &open, "--to", "none"], 3, "unknown_account"),
        (&["capture", &captured], 1, "hold_captured"),
        (&["capture", &released, "--to", &shop], 1, "hold_released"),
        (&["capture", "no such key"], 3, "unknown_hold"),
        (&["release", &captured], 1, "hold_captured"),
        (&["release", &released], 1, "hold_released"),
        (&["release", &unknown], 3, "unknown_hold"),
        (&["release", &open, "--key", "open"], 1, "key_of_hold"),
        (&["show", &unknown], 3, "unknown_hold"),
        (&["list"], 2, "usage"),
        (&["list", "--due", "--all"], 2, "usage"),
        (&["list", "--account", "none"], 3, "unknown_account"),
        (&["list", "--due", "--limit", "0"], 2, "usage"),
        (&["list", "--due", "--after", "x"], 2, "cursor"),
        (&["expire", "--limit", "10001"], 2, "usage"),
    ] {
        rejected(&bank, &[&["hold"], arguments].concat(), code, kind).await;
    }
    assert_eq!(bank.fingerprint().await, before);
    // People know accounts by their numbers.
    let create = ["hold", "create", "--account", &account, "--amount"];
    let poor = run(bank.url(), &[&create[..], &["1000 CZK"]].concat()).await;
    assert!(poor.err.contains(&account), "{}", poor.err);
    let elsewhere = run(bank.url(), &["hold", "capture", &named, "--to", &other]).await;
    assert!(elsewhere.err.contains(&shop), "{}", elsewhere.err);
}

async fn rejected(bank: &TestBank, arguments: &[&str], code: i32, kind: &str) {
    let found = run(bank.url(), &[arguments, &["--json"]].concat()).await;
    assert_eq!(
        found.code, code,
        "{arguments:?}: {}{}",
        found.out, found.err
    );
    let error = &found.json()["error"];
    assert_eq!(error["kind"], kind, "{arguments:?}: {}", found.out);
}

async fn tables_fit_80_columns(bank: TestBank) {
    let payer = bank.account(czk("1000")).await;
    let shop = bank.account(czk("0")).await;
    let account = bank.find(payer).await.account_number;
    let shop = bank.find(shop).await.account_number;
    let booking = [
        "create",
        "--account",
        &account,
        "--to",
        &shop,
        "--amount",
        "180 CZK",
        "--expires-in",
        "7days",
        "--key",
        "booking",
        "--description",
        "Two nights",
    ];
    let capture = ["capture", "booking", "--amount", "120 CZK", "--keep-rest"];
    for arguments in [&booking[..], &capture] {
        assert!(!printed(&bank, arguments).contains('┌'));
    }
    // After the capture, which would have recorded the end of the hold.
    let over = create(&bank, &account, "250 CZK", &["--expires-in", "2s"]).await;
    until_over(&bank, &over).await;
    // A list has too many columns for a table.
    for arguments in [
        &["list", "--account", &account][..],
        &["list", "--account", &account, "--all"],
        &["list", "--due"],
    ] {
        let printed = printed(&bank, arguments);
        assert!(
            printed.contains(&format!("Account  {account}\n")),
            "{printed}"
        );
    }
    let list = printed(&bank, &["list", "--account", &account]);
    for part in [
        "Amount   180.00 CZK",
        "Remains  60.00 CZK",
        "State    open\n",
        "Key      booking",
    ] {
        assert!(list.contains(part), "{part}: {list}");
    }
    for arguments in [&["show", "booking"][..], &["expire"]] {
        let printed = printed(&bank, arguments);
        assert!(printed.contains('┌'), "{arguments:?}: {printed}");
    }
}

/// Returns what a command prints on a terminal of 80 columns.
fn printed(bank: &TestBank, arguments: &[&str]) -> String {
    let mut command = neobank(bank.url(), &[&["hold"], arguments].concat());
    let output = command.env("COLUMNS", "80").output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(!printed.is_empty(), "{arguments:?}");
    let wide = printed.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None, "{arguments:?}: {printed}");
    println!("{printed}");
    printed
}
