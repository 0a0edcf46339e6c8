//! Balances, the trial balance and the summaries of days from the command line.

use neobank_domain::AccountId;

use super::program::{data, run};
use crate::harness::{TestBank, czk};
use crate::statements::{account_in, post, time};

on_both_versions!(
    balances_trial_balance_and_daily_summary_agree,
    accounts_that_were_opened_later_are_neither_listed_nor_counted,
    wrong_times_and_accounts_have_their_exit_codes,
);

async fn balances_trial_balance_and_daily_summary_agree(bank: TestBank) {
    let account = account_in(&bank, "Europe/Prague").await;
    let postings = [
        (time("2024-01-01T22:59:59Z"), czk("100")),
        // Already the next day in Prague.
        (time("2024-01-01T23:00:00Z"), czk("-30")),
    ];
    post(&bank, account, &postings).await;
    let id = account.to_string();
    let number = bank.find(account).await.account_number;
    for (at, expected) in [
        ("2024-01-01T23:59:59+01:00", "100.00"),
        ("2024-01-02T00:00:00+01:00", "70.00"),
        ("2024-01-01", "0.00"),
    ] {
        let found = data(bank.url(), &["balances", "--at", at, "--account", &number]).await;
        assert_eq!(found["balances"][0]["balance"]["amount"], expected, "{at}");
        let all = data(bank.url(), &["balances", "--at", at, "--currency", "CZK"]).await;
        let all = all["balances"].as_array().unwrap();
        let own = all
            .iter()
            .find(|one| one["account_id"] == id.as_str())
            .unwrap();
        assert_eq!(*own, found["balances"][0]);
        let trial = data(bank.url(), &["trial-balance", "--at", at]).await;
        assert_eq!(trial["currencies"][0]["credit"]["amount"], expected, "{at}");
        assert_eq!(trial["balanced"], true);
    }
    let own = bank
        .count("banking.accounts WHERE account_type = 'system'")
        .await
        .to_string();
    let page = ["balances", "--limit", &own];
    let first = data(bank.url(), &page).await;
    let next = first["next"].as_str().unwrap();
    let rest = data(bank.url(), &[&page[..], &["--after", next]].concat()).await;
    assert_eq!(rest["balances"][0]["account_id"], id.as_str());
    assert!(rest["next"].is_null());

    let month = ["daily-summary", &number, "--month", "2024-01"];
    let days = data(bank.url(), &month).await;
    let days = days["days"].as_array().unwrap();
    assert_eq!(days.len(), 31);
    assert_eq!(days[0]["closing_balance"]["amount"], "100.00");
    assert_eq!(days[1]["total_debits"]["amount"], "30.00");
    assert_eq!(days[30]["closing_balance"]["amount"], "70.00");
    let utc = [
        "daily-summary",
        &number,
        "--day",
        "2024-01-01",
        "--time-zone",
        "utc",
    ];
    assert_eq!(
        data(bank.url(), &utc).await["days"][0]["closing_balance"]["amount"],
        "70.00"
    );
    // On a terminal of 80 characters every table is a table.
    for arguments in [&["balances"][..], &["trial-balance"], &month] {
        let mut command = super::program::neobank(bank.url(), arguments);
        let shown = command.env("COLUMNS", "80").output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains('┌') && shown.contains("70.00"), "{shown}");
        let mut table = shown.lines().filter(|line| line.contains(['│', '┌', '└']));
        assert!(table.all(|line| line.chars().count() <= 80), "{shown}");
    }
}

async fn accounts_that_were_opened_later_are_neither_listed_nor_counted(bank: TestBank) {
    bank.account(czk("100")).await;
    for (at, customers) in [(&["--at", "2024-01-01"][..], 0), (&[], 1)] {
        let trial = data(bank.url(), &[&["trial-balance"], at].concat()).await;
        let lines = trial["currencies"][0]["lines"].as_array().unwrap();
        assert!(lines[0]["account_number"].is_null(), "{trial}");
        assert_eq!(lines[0]["accounts"], customers, "{trial}");
        // The bank's own accounts are listed and counted at every time.
        assert!(
            lines[1..].iter().all(|line| line["accounts"] == 1),
            "{trial}"
        );
        let listed = data(bank.url(), &[&["balances"], at].concat()).await;
        let listed = listed["balances"].as_array().unwrap();
        assert_eq!(listed.len(), lines.len() - 1 + customers);
        let own = listed.iter().filter(|one| one["account_type"] == "system");
        assert_eq!(own.count(), lines.len() - 1);
    }
}

async fn wrong_times_and_accounts_have_their_exit_codes(bank: TestBank) {
    let account = bank.account(czk("1")).await.to_string();
    let unknown = AccountId::new().to_string();
    for (arguments, code, kind) in [
        (
            &["balances", "--account", &unknown][..],
            3,
            "unknown_account",
        ),
        (
            &["balances", "--account", &account, "--at", "2001-01-01"],
            1,
            "opened_later",
        ),
        (&["balances", "--at", "0000-01-01"], 2, "range"),
        (&["balances", "--limit", "0"], 2, "limit"),
        (&["balances", "--after", "x"], 2, "cursor"),
        (&["balances", "--at", "noon"], 2, "usage"),
        (&["balances", "--currency", "XXX"], 2, "usage"),
        (&["trial-balance", "--at", "0000-01-01"], 2, "range"),
        (&["daily-summary", &account], 2, "usage"),
        (
            &[
                "daily-summary",
                &account,
                "--from",
                "2024-01-02",
                "--to",
                "2024-01-01",
            ],
            2,
            "range",
        ),
        (
            &[
                "daily-summary",
                &account,
                "--from",
                "2001-01-01",
                "--to",
                "2024-01-01",
            ],
            2,
            "limit",
        ),
        (
            &["daily-summary", &unknown, "--day", "2024-01-01"],
            3,
            "unknown_account",
        ),
    ] {
        let failed = run(bank.url(), &[arguments, &["--json"]].concat()).await;
        assert_eq!(
            failed.code, code,
            "{arguments:?}: {}{}",
            failed.out, failed.err
        );
        assert_eq!(
            failed.json()["error"]["kind"],
            kind,
            "{arguments:?}: {}",
            failed.out
        );
    }
}
