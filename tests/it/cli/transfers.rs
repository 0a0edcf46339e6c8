//! Lists of transfers, and one transfer, from the command line.

use neobank_domain::TransferRequest;

use super::program::{data, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    list_prints_pages_and_show_finds_by_each_name,
    wrong_names_and_conditions_have_their_exit_codes,
);

async fn list_prints_pages_and_show_finds_by_each_name(bank: TestBank) {
    let (one, two) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    for number in 1..=3 {
        let request = TransferRequest::new(one, two, czk(&number.to_string()))
            .with_description(format!("Number {number}"))
            .with_idempotency_key(format!("key-{number}"));
        bank.ledger.transfer(request).await.unwrap();
    }
    let number = bank.find(one).await.account_number;
    let first = ["transfers", "list", "--account", &number, "--limit", "2"];
    let page = data(bank.url(), &first).await;
    let descriptions = |page: &serde_json::Value| -> Vec<String> {
        let transfers = page["transfers"].as_array().unwrap();
        transfers
            .iter()
            .map(|one| one["description"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(descriptions(&page), ["Number 3", "Number 2"]);
    let next = page["next"].as_str().unwrap();
    let rest = data(bank.url(), &[&first[..], &["--after", next]].concat()).await;
    assert_eq!(descriptions(&rest), ["Number 1", ""]);
    assert!(rest["next"].is_null());
    let counterparty = two.to_string();
    let large = [
        "transfers",
        "list",
        "--account",
        &number,
        "--counterparty",
        &counterparty,
        "--side",
        "debit",
        "--at-least",
        "2 CZK",
        "--at-most",
        "2.00 CZK",
        "--type",
        "transfer",
        "--from",
        "2020-01-01",
    ];
    assert_eq!(descriptions(&data(bank.url(), &large).await), ["Number 2"]);
    let shown = run(bank.url(), &first).await;
    for part in [
        "Number 3",
        "3.00 CZK",
        "TRF-",
        &number,
        "there are more: --after ",
    ] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }

    let by_key = data(bank.url(), &["transfers", "show", "key-2"]).await;
    let transfer = &by_key["transfer"];
    assert_eq!(transfer["debit"]["account_number"], number.as_str());
    assert_eq!(transfer["debit"]["balance"]["amount"], "97.00");
    for name in ["transfer_id", "reference_number"] {
        let name = transfer[name].as_str().unwrap();
        assert_eq!(data(bank.url(), &["transfers", "show", name]).await, by_key);
        let list = ["transfers", "list", "--key", "key-2"];
        assert_eq!(data(bank.url(), &list).await["transfers"][0], *transfer);
    }
    // A key that looks like an identifier.
    let key = neobank_domain::TransferId::new().to_string();
    let request = TransferRequest::new(one, two, czk("1")).with_idempotency_key(&key);
    bank.ledger.transfer(request).await.unwrap();
    let found = data(bank.url(), &["transfers", "show", &key]).await;
    assert_eq!(found["transfer"]["idempotency_key"], key);
}

async fn wrong_names_and_conditions_have_their_exit_codes(bank: TestBank) {
    let account = bank.account(czk("1")).await.to_string();
    let times = [
        "transfers",
        "list",
        "--from",
        "2026-02-01",
        "--until",
        "2026-01-01",
    ];
    let times = run(bank.url(), &times).await.err;
    let range = "from 2026-02-01 00:00:00 UTC until 2026-01-01 00:00:00 UTC";
    assert!(times.contains(range), "{times}");
    let limit = run(bank.url(), &["transfers", "list", "--limit", "-5"])
        .await
        .err;
    assert!(limit.contains("'-5' for '--limit"), "{limit}");
    let long = "x".repeat(100_000);
    let long = run(bank.url(), &["transfers", "list", "--reference", &long])
        .await
        .err;
    assert!(
        long.len() < 600 && long.contains("(100000 bytes)"),
        "{long}"
    );
    // A description of spaces is shown as none.
    let blank = [
        "deposit",
        "--account",
        &account,
        "--amount",
        "1 CZK",
        "--description",
        " ",
        "--key",
        "b",
    ];
    data(bank.url(), &blank).await;
    let shown = run(bank.url(), &["transfers", "show", "b"]).await.out;
    assert!(shown.contains("description         -\n"), "{shown}");
    for (arguments, code, kind) in [
        (&["show", "no-such-key"][..], 3, "unknown_transfer"),
        (
            &["show", "TRF-01942F3E6A7B7C0080000000000000AA"],
            3,
            "unknown_transfer",
        ),
        (&["list", "--account", "nobody"], 3, "unknown_account"),
        (&["list", "--limit", "0"], 2, "limit"),
        (&["list", "--after", "x"], 2, "cursor"),
        (
            &["list", "--account", &account, "--after", &"0".repeat(32)],
            2,
            "cursor",
        ),
        (
            &["list", "--at-least", "2 CZK", "--at-most", "1 CZK"],
            2,
            "range",
        ),
        (
            &["list", "--from", "2026-02-01", "--until", "2026-01-01"],
            2,
            "range",
        ),
        (
            &["list", "--at-least", "-5 CZK", "--at-most", "-6 CZK"],
            2,
            "range",
        ),
        (&["list", "--limit", "-5"], 2, "usage"),
        (&["list", "--key", ""], 2, "text"),
        (&["list", "--counterparty", &account], 2, "usage"),
        (&["list", "--from", "yesterday"], 2, "usage"),
        (&["list", "--reference", "TRF-1"], 2, "usage"),
        (&["list", "--actr", "x"], 2, "usage"),
    ] {
        let failed = run(
            bank.url(),
            &[&["transfers"], arguments, &["--json"]].concat(),
        )
        .await;
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
