//! Customers, accounts, transfers and statements from the command line.

use neobank_domain::accounts::NewAccount;
use neobank_domain::{AccountType, PostingRequest};
use serde_json::{Value, json};

use super::program::{data, run};
use crate::harness::{TestBank, czk, single};

on_both_versions!(
    daily_commands_work_together,
    every_rejection_is_readable_and_changes_nothing,
    repeated_key_moves_money_once,
    statement_cursor_continues_with_the_next_page,
    customers_are_found_and_updated,
    statement_of_a_day_uses_the_account_zone,
    rejection_names_the_given_account_numbers,
    value_dates_replace_booking_days,
);

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

async fn open(bank: &TestBank, deposit: &str) -> String {
    bank.account(czk(deposit)).await.to_string()
}

async fn daily_commands_work_together(bank: TestBank) {
    let url = bank.url();
    let ada = data(
        url,
        &[
            "customer",
            "create",
            "--first-name",
            "Ada",
            "--last-name",
            "Lovelace",
            "--email",
            "Ada@example.org",
            "--born",
            "1985-12-10",
        ],
    )
    .await;
    assert_eq!(ada["customer"]["email"], "Ada@example.org");
    assert_eq!(ada["customer"]["date_of_birth"], "1985-12-10");
    let shown = data(url, &["customer", "show", "ADA@EXAMPLE.ORG"]).await;
    assert_eq!(shown, ada);

    let mut numbers = Vec::new();
    for kind in ["checking", "savings"] {
        let opened = data(
            url,
            &[
                "account",
                "open",
                "--customer",
                "ada@example.org",
                "--type",
                kind,
                "--currency",
                "CZK",
                "--time-zone",
                "Europe/Prague",
                "--overdraft-limit",
                "10.5",
            ],
        )
        .await;
        assert_eq!(
            opened["account"]["overdraft_limit"],
            json!({ "amount": "10.50", "currency": "CZK" })
        );
        numbers.push(text(&opened["account"]["account_number"]).to_owned());
    }
    let deposit = ["deposit", "--account", &numbers[0], "--amount", "100 CZK"];
    let deposited = data(url, &deposit).await;
    assert_eq!(
        deposited["receipt"]["credit"]["balance"]["amount"],
        "100.00"
    );
    let transfer = run(
        url,
        &[
            "transfer",
            "--from",
            &numbers[0],
            "--to",
            &numbers[1],
            "--amount",
            "30.50 CZK",
            "--description",
            "Savings",
        ],
    )
    .await;
    assert_eq!(transfer.code, 0, "{}", transfer.err);
    for part in ["posted", "TRF-", "30.50 CZK", "69.50 CZK", "neobank-"] {
        assert!(transfer.out.contains(part), "{}", transfer.out);
    }
    let list = run(url, &["account", "list", "ada@example.org"]).await;
    assert!(
        list.out.contains("69.50 CZK") && list.out.contains("80.00 CZK"),
        "{}",
        list.out
    );
    let frozen = data(url, &["account", "freeze", &numbers[1]]).await;
    assert_eq!(frozen["account"]["status"], "frozen");
    let thawed = data(url, &["account", "unfreeze", &numbers[1]]).await;
    assert_eq!(thawed["account"]["status"], "active");
    let closed = run(url, &["account", "close", &numbers[1]]).await;
    assert_eq!(closed.code, 1);
    assert!(closed.err.contains("30.50 CZK"), "{}", closed.err);
    let withdraw = ["withdraw", "--account", &numbers[1], "--amount", "30.5 CZK"];
    assert_eq!(run(url, &withdraw).await.code, 0);
    let closed = data(url, &["account", "close", &numbers[1]]).await;
    assert_eq!(closed["account"]["status"], "closed");
    let audit = data(url, &["audit"]).await;
    assert_eq!(audit, json!({ "violations": [] }));
    bank.assert_sound().await;
}

async fn every_rejection_is_readable_and_changes_nothing(bank: TestBank) {
    let (rich, poor) = (open(&bank, "100").await, open(&bank, "0").await);
    let frozen = open(&bank, "5").await;
    run(bank.url(), &["account", "freeze", &frozen]).await;
    let unknown = neobank_domain::AccountId::new().to_string();
    let before = bank.fingerprint().await;
    let long = "x".repeat(501);
    for (from, to, amount, description, kind, part) in [
        (
            &rich,
            &rich,
            "1 CZK",
            "",
            "same_account",
            "cannot pay itself",
        ),
        (&rich, &poor, "0 CZK", "", "amount_not_positive", "0.00 CZK"),
        (
            &rich,
            &poor,
            "-5 CZK",
            "",
            "amount_not_positive",
            "-5.00 CZK",
        ),
        (&rich, &poor, "1.005 CZK", "", "amount", "more decimals"),
        (&rich, &poor, "1e3 CZK", "", "amount", "1e3"),
        (
            &rich,
            &poor,
            "9999999999999999999 CZK",
            "",
            "amount",
            "10^18",
        ),
        (&rich, &poor, "1 EUR", "", "currency_mismatch", "is in CZK"),
        (&rich, &frozen, "1 CZK", "", "not_active", "is frozen"),
        (
            &rich,
            &unknown,
            "1 CZK",
            "",
            "unknown_account",
            unknown.as_str(),
        ),
        (
            &poor,
            &rich,
            "7.25 CZK",
            "",
            "insufficient_funds",
            "0.00 CZK available, 7.25 CZK",
        ),
        (&rich, &poor, "1 CZK", long.as_str(), "text", "500"),
    ] {
        let arguments = [
            "transfer",
            "--from",
            from,
            "--to",
            to,
            "--amount",
            amount,
            "--description",
            description,
        ];
        let plain = run(bank.url(), &arguments).await;
        let code = match kind {
            "amount" | "text" => 2,
            "unknown_account" => 3,
            _ => 1,
        };
        assert_eq!(plain.code, code, "{kind}: {}", plain.err);
        assert_eq!(plain.out, "", "{kind}");
        assert!(
            plain.err.starts_with("error: ") && plain.err.contains(part),
            "{kind}: {}",
            plain.err
        );
        let failed = run(bank.url(), &[&arguments[..], &["--json"]].concat()).await;
        assert_eq!(failed.code, code);
        assert_eq!(failed.err, "", "{kind}");
        let error = failed.json();
        assert_eq!(error["contract"], 2);
        assert_eq!(error["command"], "transfer");
        assert_eq!(error["error"]["kind"], kind, "{error}");
    }
    assert_eq!(bank.fingerprint().await, before);
}

async fn repeated_key_moves_money_once(bank: TestBank) {
    let (from, to) = (open(&bank, "100").await, open(&bank, "0").await);
    let arguments = [
        "transfer", "--from", &from, "--to", &to, "--amount", "40 CZK", "--key", "rent-11",
    ];
    let first = data(bank.url(), &arguments).await;
    let second = data(bank.url(), &arguments).await;
    assert_eq!(first["receipt"]["outcome"], "posted");
    assert_eq!(second["receipt"]["outcome"], "replayed");
    assert_eq!(
        first["receipt"]["reference_number"],
        second["receipt"]["reference_number"]
    );
    let mut other = arguments;
    other[6] = "41 CZK";
    let rejected = run(bank.url(), &[&other[..], &["--json"]].concat()).await;
    assert_eq!(rejected.code, 1);
    assert!(rejected.out.contains("key_reused"), "{}", rejected.out);
    assert_eq!(bank.balance(from.parse().unwrap()).await, czk("60"));
}

async fn statement_cursor_continues_with_the_next_page(bank: TestBank) {
    let account = open(&bank, "100").await;
    for number in 1..=4 {
        let amount = format!("{number} CZK");
        let arguments = ["withdraw", "--account", &account, "--amount", &amount];
        assert_eq!(run(bank.url(), &arguments).await.code, 0);
    }
    let arguments = [
        "statement",
        &account,
        "--from",
        "2020-01-01",
        "--to",
        "2100-01-01",
        "--limit",
        "2",
        "--time-zone",
        "utc",
    ];
    let first = data(bank.url(), &arguments).await;
    assert_eq!(first["opening_balance"]["amount"], "0.00");
    assert_eq!(first["closing_balance"]["amount"], "90.00");
    assert_eq!(first["entries"][0]["movement"]["amount"], "-4.00");
    let (mut seen, mut next) = (2, text(&first["next"]).to_owned());
    loop {
        let page = data(bank.url(), &[&arguments[..], &["--after", &next]].concat()).await;
        seen += page["entries"].as_array().unwrap().len();
        match page["next"].as_str() {
            Some(cursor) => next = cursor.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, 5);
    let shown = run(bank.url(), &arguments).await;
    assert!(
        shown.out.contains("there are more: --after"),
        "{}",
        shown.out
    );
    for (wrong, kind) in [
        (["--from", "2026-02-01", "--to", "2026-01-01"], "range"),
        (["--after", "nonsense", "--to", "2100-01-01"], "cursor"),
        (["--limit", "0", "--to", "2100-01-01"], "limit"),
    ] {
        let mut arguments = vec!["statement", &account, "--json"];
        arguments.extend(wrong);
        if !wrong.contains(&"--from") {
            arguments.extend(["--from", "2020-01-01"]);
        }
        let rejected = run(bank.url(), &arguments).await;
        assert_eq!(rejected.code, 2, "{}", rejected.out);
        assert!(
            rejected.out.contains(&format!("{kind:?}")),
            "{}",
            rejected.out
        );
    }
}

async fn customers_are_found_and_updated(bank: TestBank) {
    let url = bank.url();
    for (name, email) in [("Ada", "ada@example.org"), ("Bob", "b_b@example.org")] {
        let arguments = [
            "customer",
            "create",
            "--first-name",
            name,
            "--last-name",
            "X",
            "--email",
            email,
        ];
        data(url, &arguments).await;
    }
    let found = data(url, &["customer", "find", "--email", "B_B"]).await;
    assert_eq!(found["customers"].as_array().unwrap().len(), 1);
    let page = data(url, &["customer", "find", "--limit", "1"]).await;
    let rest = ["customer", "find", "--after", text(&page["next"])];
    assert_eq!(data(url, &rest).await["customers"][0]["first_name"], "Ada");

    let update = [
        "customer",
        "update",
        "ada@example.org",
        "--phone",
        "+420 1",
        "--status",
        "suspended",
        "--kyc",
        "verified",
    ];
    let changed = data(url, &update).await;
    assert_eq!(changed["customer"]["phone_primary"], "+420 1");
    assert_eq!(changed["customer"]["status"], "suspended");
    let cleared = data(
        url,
        &["customer", "update", "ada@example.org", "--clear", "phone"],
    )
    .await;
    assert_eq!(cleared["customer"]["phone_primary"], Value::Null);
    for (arguments, code, part) in [
        (
            &["customer", "update", "ada@example.org"][..],
            2,
            "no field",
        ),
        (
            &[
                "customer",
                "update",
                "ada@example.org",
                "--email",
                "B_B@EXAMPLE.ORG",
            ],
            1,
            "belongs to another",
        ),
        (
            &["customer", "show", "who@example.org"],
            3,
            "who@example.org",
        ),
        (&["customer", "find", "--status", "sleepy"], 2, "sleepy"),
        (&["customer", "find", "--limit", "0"], 2, "limit"),
    ] {
        let rejected = run(url, arguments).await;
        assert_eq!(rejected.code, code, "{arguments:?}: {}", rejected.err);
        assert!(
            rejected.err.contains(part),
            "{arguments:?}: {}",
            rejected.err
        );
    }
}

async fn statement_of_a_day_uses_the_account_zone(bank: TestBank) {
    let customer = bank.customer().await;
    let new = NewAccount::new(customer, AccountType::Checking, czk("0").currency())
        .with_time_zone("Asia/Kathmandu");
    let account = bank.open_long_ago(new).await;
    let account = bank.find(account).await;
    // 23:50 of the last day of February there, five minutes past midnight of the next.
    for (amount, time) in [
        ("1.00", "2024-02-29T18:05:00Z"),
        ("0.50", "2024-02-29T18:20:00Z"),
    ] {
        let request = PostingRequest::deposit(account.account_id, czk(amount));
        let ledger = single(bank.database.clone());
        ledger
            .submit(request.effective_at(time.parse().unwrap()))
            .await
            .unwrap();
    }
    let number = account.account_number.as_str();
    let statement = |range: &[&'static str]| [&["statement", number], range].concat();
    for range in [
        &["--day", "2024-02-29"][..],
        &["--from", "2024-02-29", "--to", "2024-02-29"],
        &["--month", "2024-02"],
    ] {
        let found = data(bank.url(), &statement(range)).await;
        assert_eq!(found["entries"].as_array().unwrap().len(), 1, "{found}");
        assert_eq!(
            found["entries"][0]["local_time"],
            "2024-02-29T23:50:00+05:45"
        );
        assert_eq!(found["last_day"], "2024-02-29");
    }
    let utc = ["--day", "2024-02-29", "--time-zone", "utc"];
    let shown = run(bank.url(), &statement(&utc)).await;
    for time in ["2024-02-29 18:05:00 +00:00", "2024-02-29 18:20:00 +00:00"] {
        assert!(shown.out.contains(time), "{}", shown.out);
    }
    let csv = run(bank.url(), &statement(&["--month", "2024-03", "--csv"])).await;
    let lines: Vec<_> = csv.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", csv.out);
    assert!(
        lines[1].starts_with(&format!("{number},2,2024-03-01T00:05:00+05:45,TRF-"))
            && lines[1].ends_with(",0.50,1.50,CZK"),
        "{}",
        csv.out
    );
    for wrong in [&[][..], &["--month", "2024-13"], &["--from", "2024-01-01"]] {
        assert_eq!(
            run(bank.url(), &statement(wrong)).await.code,
            2,
            "{wrong:?}"
        );
    }
}

async fn rejection_names_the_given_account_numbers(bank: TestBank) {
    let (from, to) = (open(&bank, "1").await, open(&bank, "0").await);
    let mut numbers = Vec::new();
    for account in [&from, &to] {
        let shown = data(bank.url(), &["account", "show", account]).await;
        numbers.push(text(&shown["account"]["account_number"]).to_owned());
    }
    let arguments = |amount| {
        let (from, to) = (numbers[0].as_str(), numbers[1].as_str());
        ["transfer", "--from", from, "--to", to, "--amount", amount]
    };
    let rejected = run(bank.url(), &arguments("2 CZK")).await;
    let named = format!("{} ({from})", numbers[0]);
    assert!(rejected.err.contains(&named), "{}", rejected.err);
    let posted = data(bank.url(), &arguments("1 CZK")).await;
    assert_eq!(
        posted["receipt"]["credit"]["account_number"],
        numbers[1].as_str()
    );
    let emptied = run(bank.url(), &["account", "close", &numbers[1]]).await;
    let named = format!("{} ({to})", numbers[1]);
    assert!(emptied.err.contains(&named), "{}", emptied.err);
}

async fn value_dates_replace_booking_days(bank: TestBank) {
    let account = open(&bank, "100").await;
    let today = chrono::Utc::now().date_naive();
    let yesterday = today.pred_opt().unwrap().to_string();
    let today = today.to_string();
    let deposit = ["deposit", "--account", &account, "--amount", "20 CZK"];
    let deposit = [&deposit[..], &["--value-date", &yesterday]].concat();
    data(bank.url(), &deposit).await;
    let range = ["--from", &yesterday, "--to", &today, "--by", "value-date"];
    let with = |start: &[&'static str], end: &[&'static str]| -> Vec<String> {
        let all = start.iter().copied().chain([account.as_str()]);
        let all = all.chain(range).chain(end.iter().copied());
        all.map(str::to_owned).collect()
    };
    let read = async |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run(bank.url(), &arguments).await
    };
    let page = read(with(&["statement"], &["--limit", "1", "--json"]))
        .await
        .data();
    assert_eq!(page["by"], "value-date");
    assert_eq!(page["entries"][0]["value_date"], today.as_str());
    assert_eq!(page["entries"][0]["balance"]["amount"], "100.00");
    assert_eq!(
        page["entries"][0]["balance_by_value_date"]["amount"],
        "120.00"
    );
    assert_eq!(page["closing_balance"]["amount"], "120.00");
    let next = format!("{today}.1");
    assert_eq!(page["next"], next.as_str());
    let mut following = with(&["statement"], &["--json"]);
    following.extend(["--after".to_owned(), next]);
    let page = read(following).await.data();
    assert_eq!(
        page["entries"][0]["balance_by_value_date"]["amount"],
        "20.00"
    );
    assert_eq!(page["next"], Value::Null);
    let days = read(with(&["daily-summary"], &["--json"])).await.data();
    let closing = |day: usize| text(&days["days"][day]["closing_balance"]["amount"]).to_owned();
    assert_eq!([closing(0), closing(1)], ["20.00", "120.00"]);
    let table = read(with(&["statement"], &[])).await;
    assert!(table.out.contains("by value date"), "{}", table.out);
    for (command, wrong) in [
        ("statement", &["--time-zone", "utc"][..]),
        ("daily-summary", &["--time-zone", "utc"]),
        ("statement", &["--csv"]),
        ("statement", &["--after", "1764500000000000.1"]),
    ] {
        let failed = read(with(&[command], wrong)).await;
        assert_eq!(failed.code, 2, "{wrong:?}: {}", failed.err);
    }
}
