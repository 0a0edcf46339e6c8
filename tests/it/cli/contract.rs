//! The contract with scripts: one JSON document on standard output, and an exit code for each class
//! of error.

use serde_json::Value;

use super::program::{Run, neobank, run};
use crate::harness::TestBank;

on_both_versions!(
    json_is_always_one_document_on_standard_output,
    each_class_of_error_has_its_exit_code,
    check_exits_with_the_codes_of_a_plugin
);

/// No server listens there.
const NOWHERE: &str = "postgresql://teller:canary@127.0.0.1:1/nowhere";

#[track_caller]
pub(super) fn document(run: &Run, command: &str) -> Value {
    assert_eq!(run.err, "", "{command}");
    let document: Value = serde_json::from_str(&run.out)
        .unwrap_or_else(|error| panic!("{command}: {error}: {:?}", run.out));
    assert_eq!(document["contract"], 2, "{command}");
    assert_eq!(document["command"], command);
    document
}

async fn json_is_always_one_document_on_standard_output(bank: TestBank) {
    for (command, arguments, part) in [
        ("ops thresholds", &["ops", "thresholds"][..], "bloat"),
        ("completions", &["completions", "bash"], "text"),
        ("top", &["top", "--once", "--interval", "1"], "sample"),
        ("audit", &["audit"], "violations"),
        ("audit", &["audit", "--chain"], "chain"),
        ("seal", &["seal"], "records"),
        ("events", &["events"], "events"),
        ("transfers list", &["transfers", "list"], "transfers"),
        ("hold list", &["hold", "list", "--due"], "holds"),
        ("hold expire", &["hold", "expire"], "receipts"),
        ("balances", &["balances"], "balances"),
        ("trial-balance", &["trial-balance"], "currencies"),
        ("account show", &["account", "show", "--help"], "text"),
    ] {
        let run = run(bank.url(), &[arguments, &["--json"]].concat()).await;
        assert_eq!(run.code, 0, "{command}: {}", run.out);
        let document = document(&run, command);
        assert!(!document["data"][part].is_null(), "{command}: {document}");
    }
    for (command, arguments) in [
        ("account show", &["account", "show"][..]),
        ("", &["acount"]),
        ("audit", &["audit", "--warnin", "5"]),
        ("top", &["top"]),
        ("transfer", &["transfer", "--amount", "5 XXX"]),
        ("ops locks", &["ops", "locks", "--check"]),
    ] {
        let misread = run(bank.url(), &[&["--json"], arguments].concat()).await;
        let code = if arguments.contains(&"--check") { 3 } else { 2 };
        assert_eq!(misread.code, code, "{command}: {}", misread.out);
        assert_eq!(document(&misread, command)["error"]["kind"], "usage");
    }
    for (command, arguments) in [
        ("audit", &["audit"][..]),
        ("customer find", &["customer", "find"]),
        ("transfers list", &["transfers", "list"]),
        ("balances", &["balances"]),
        ("trial-balance", &["trial-balance", "--at", "2026-01-01"]),
        (
            "daily-summary",
            &["daily-summary", "NB000000000001", "--day", "2026-01-01"],
        ),
        ("transfers show", &["transfers", "show", "rent-2026-11"]),
        (
            "exchange",
            &[
                "exchange", "--from", "a", "--to", "b", "--sold", "1 CZK", "--rate", "1",
            ],
        ),
        ("hold capture", &["hold", "capture", "booking-4711"]),
        ("hold list", &["hold", "list", "--due"]),
        ("hold expire", &["hold", "expire"]),
        ("ops locks", &["ops", "locks"]),
        ("ops report", &["ops", "report"]),
        ("ops isolation", &["ops", "isolation"]),
        ("migrate status", &["migrate", "status"]),
        ("top", &["top", "--once"]),
        ("bench", &["bench", "--url", NOWHERE]),
    ] {
        let lost = run(NOWHERE, &[arguments, &["--json"]].concat()).await;
        assert_eq!(lost.code, 5, "{command}: {}", lost.out);
        assert_eq!(document(&lost, command)["error"]["kind"], "connection");
    }
}

async fn each_class_of_error_has_its_exit_code(bank: TestBank) {
    let unknown = neobank_domain::AccountId::new().to_string();
    let wrong_amount = ["deposit", "--account", &unknown, "--amount", "1.005 CZK"];
    let to_unknown = ["deposit", "--account", &unknown, "--amount", "1 CZK"];
    for (arguments, code) in [
        (&["audit"][..], 0),
        (&["audit", "--nonsense"], 2),
        (&wrong_amount, 2),
        (&to_unknown, 3),
        (&["account", "show", &unknown], 3),
        (&["transfers", "show", &unknown], 3),
        (&["hold", "show", &unknown], 3),
        (&["ops", "report", "--html", "/dev/null/report.html"], 7),
    ] {
        let found = run(bank.url(), arguments).await;
        assert_eq!(
            found.code, code,
            "{arguments:?}: {}{}",
            found.out, found.err
        );
    }
    assert_eq!(run(NOWHERE, &["audit"]).await.code, 5);
    let after_user = bank.url().rsplit_once('@').unwrap().1;
    let stranger = format!("postgresql://no_such_role:canary@{after_user}");
    assert_eq!(run(&stranger, &["audit"]).await.code, 6);
    let denied = with_variable(&bank, &["audit"], "DB_ROLE", "pg_monitor");
    assert_eq!(denied.code, 6, "{}", denied.err);
    let unreadable = with_variable(&bank, &["audit"], "DB_STATEMENT_TIMEOUT", "soon");
    assert_eq!(unreadable.code, 2, "{}", unreadable.err);
}

fn with_variable(bank: &TestBank, arguments: &[&str], name: &str, value: &str) -> Run {
    let mut command = neobank(bank.url(), arguments);
    command.env(name, value).output().unwrap().into()
}

async fn check_exits_with_the_codes_of_a_plugin(bank: TestBank) {
    for (arguments, code) in [
        (&["-w", "0", "-c", "1000"][..], 0),
        (&["-w", "~:-1", "-c", "1000"], 1),
        (&["-c", "~:-1"], 2),
        (&["-t", "30"], 0),
        (&["-H", "127.0.0.1"], 0),
        (&["-w", "20:10"], 3),
        (&["-t", "0"], 3),
    ] {
        let all = [&["audit", "--check"], arguments].concat();
        let found = run(bank.url(), &all).await;
        assert_eq!(
            found.code, code,
            "{arguments:?}: {}{}",
            found.out, found.err
        );
        assert_eq!(found.out.lines().count(), 1, "{}", found.out);
    }
    let elsewhere = ["audit", "--check", "-H", "192.0.2.1", "-t", "1"];
    let unreachable = run(bank.url(), &elsewhere).await;
    assert_eq!(unreachable.code, 3, "{}", unreachable.out);
}
