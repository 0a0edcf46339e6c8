//! The change log and the reopening of accounts, from the command line.

use neobank_domain::accounts;

use super::program::{data, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    commands_record_their_actor_and_changes_list_shows_them,
    account_reopen_needs_an_actor_and_a_closed_account,
);

async fn commands_record_their_actor_and_changes_list_shows_them(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let number = bank.find(account).await.account_number;
    let customer = bank.find(account).await.customer_id.unwrap().to_string();
    for command in [
        &["account", "overdraft", &number, "50.25"][..],
        &["account", "freeze", &number],
        &["customer", "update", &customer, "--last-name", "King"],
        &["preferences", "set", &customer, "language=cs"],
    ] {
        data(bank.url(), &[command, &["--actor", "teller:42"]].concat()).await;
    }
    let first = [
        "changes",
        "list",
        "--customer",
        &customer,
        "--made-by",
        "teller:42",
        "--limit",
        "3",
    ];
    let page = data(bank.url(), &first).await;
    let tables = |page: &serde_json::Value| -> Vec<String> {
        let changes = page["changes"].as_array().unwrap();
        let tables = changes
            .iter()
            .map(|one| one["table_name"].as_str().unwrap());
        tables.map(str::to_owned).collect()
    };
    assert_eq!(
        tables(&page),
        ["customer_preferences", "customers", "accounts"]
    );
    assert_eq!(page["changes"][1]["old_values"]["last_name"], "Lovelace");
    assert_eq!(page["changes"][1]["new_values"]["last_name"], "King");
    let next = page["next"].as_str().unwrap();
    let rest = data(bank.url(), &[&first[..], &["--after", next]].concat()).await;
    assert_eq!(rest["changes"][0]["new_values"]["overdraft_limit"], "50.25");
    assert!(rest["next"].is_null());
    let shown = run(bank.url(), &["changes", "list", "--account", &number]).await;
    for part in [
        "teller:42",
        "account_status=frozen",
        "overdraft_limit=50.25",
    ] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    for (wrong, code) in [
        (&["--account", "NB999999999999"][..], 3),
        (&["--limit", "0"], 2),
        (&["--after", "x"], 2),
        (&["--made-by", ""], 2),
    ] {
        let run = run(bank.url(), &[&["changes", "list"][..], wrong].concat()).await;
        assert_eq!(run.code, code, "{wrong:?}: {}", run.err);
    }
}

async fn account_reopen_needs_an_actor_and_a_closed_account(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let number = bank.find(account).await.account_number;
    let reopen = ["account", "reopen", &number, "--json"];
    let by = [&reopen[..], &["--actor", "supervisor:7"]].concat();
    let open = run(bank.url(), &by).await;
    assert_eq!(open.code, 1, "{}", open.out);
    assert_eq!(open.json()["error"]["kind"], "account_status");
    accounts::close(&bank.database, account).await.unwrap();
    let without = run(bank.url(), &reopen).await;
    assert_eq!(without.json()["error"]["kind"], "actor_required");
    let done = run(bank.url(), &by).await.data();
    assert_eq!(done["account"]["status"], "active");
    assert!(done["account"]["closed_at"].is_null());
}
