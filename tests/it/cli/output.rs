//! Common behaviour of every command: formats, errors, and closed pipes.

use std::io::Read;

use neobank_db::{Executor, statement};

use super::program::{Run, neobank, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    hostile_names_do_not_control_the_terminal,
    secrets_are_never_shown,
    wrong_usage_names_the_value,
    closed_pipe_is_no_error,
    role_without_privileges_gets_a_readable_error
);

async fn hostile_names_do_not_control_the_terminal(bank: TestBank) {
    let hostile = "A\u{1b}[2J\u{9b}31m\u{202e}\nB";
    let arguments = [
        "customer",
        "create",
        "--first-name",
        hostile,
        "--last-name",
        "X",
        "--email",
        "h@x.org",
    ];
    let obeyed = |text: &str| {
        text.chars()
            .any(|c| (c.is_control() && c != '\n') || c == '\u{202e}')
    };
    for extra in [&[][..], &["--json"]] {
        let rejected = run(bank.url(), &[&arguments[..], extra].concat()).await;
        assert_eq!(rejected.code, 2, "{}", rejected.err);
        assert!(
            !obeyed(&rejected.err) && !obeyed(&rejected.out),
            "{:?}",
            rejected.out
        );
    }
    name_a_customer_past_the_checks(&bank, hostile).await;
    for extra in [&[][..], &["--json"], &["--color", "never"]] {
        let shown = run(bank.url(), &[&["customer", "find"][..], extra].concat()).await;
        assert_eq!(shown.code, 0, "{}", shown.err);
        assert!(!obeyed(&shown.out), "{:?}", shown.out);
    }
    let read = run(bank.url(), &["customer", "find", "--json"])
        .await
        .data();
    assert_eq!(read["customers"][0]["first_name"], hostile);
    let error = run(bank.url(), &["customer", "show", hostile]).await;
    assert!(!obeyed(&error.err), "{:?}", error.err);
    let colored = run(bank.url(), &["customer", "find", "--color", "always"]).await;
    assert!(colored.out.contains("\u{1b}["), "{:?}", colored.out);
    assert!(!colored.out.contains("\u{1b}[2J"), "{:?}", colored.out);
    let mut unwanted = neobank(bank.url(), &["customer", "find"]);
    let unwanted: Run = unwanted.env("NO_COLOR", "1").output().unwrap().into();
    assert!(!unwanted.out.contains('\u{1b}'), "{:?}", unwanted.out);
}

/// Stores a name that the database's checks would now reject.
async fn name_a_customer_past_the_checks(bank: &TestBank, name: &str) {
    let customer = bank.customer().await;
    let superuser = bank.superuser().await;
    let guard = |change: &str| {
        let sql = format!("ALTER TABLE banking.customers {change} TRIGGER customers_valid_terms");
        statement(&sql, [])
    };
    superuser.execute(guard("DISABLE")).await.unwrap();
    let rename = "UPDATE banking.customers SET first_name = $1 WHERE customer_id = $2";
    superuser
        .execute(statement(rename, [name.into(), customer.as_uuid().into()]))
        .await
        .unwrap();
    superuser.execute(guard("ENABLE ALWAYS")).await.unwrap();
}

async fn secrets_are_never_shown(bank: TestBank) {
    let with = |url: &str| format!("postgresql://teller:canary@{url}");
    for (url, arguments) in [
        (with("127.0.0.1:1/nowhere"), &["audit"][..]),
        (with("127.0.0.1:1/nowhere"), &["audit", "--check"]),
        (with("127.0.0.1:1/nowhere"), &["audit", "--json", "-vvv"]),
        (with("127.0.0.1:1/nowhere"), &["migrate", "status"]),
        (with("host:port/x"), &["audit"]),
        (with("[::1/x"), &["migrate", "up"]),
        ("teller:canary@host".to_owned(), &["audit"]),
    ] {
        for given in [false, true] {
            let mut command = if given {
                neobank("", &[arguments, &["--url", &url]].concat())
            } else {
                neobank(&url, arguments)
            };
            let shown: Run = command.output().unwrap().into();
            assert_ne!(shown.code, 0);
            assert!(!shown.err.contains("canary"), "{}", shown.err);
            assert!(!shown.out.contains("canary"), "{}", shown.out);
        }
    }
    // clap repeats a misplaced argument.
    let misplaced = with("host/x");
    let shown = run(bank.url(), &["audit", &misplaced]).await;
    assert_eq!(shown.code, 2);
    assert!(!shown.err.contains("canary"), "{}", shown.err);
    let wrong = bank.url().rsplit_once('@').unwrap().1.to_owned();
    let mut command = neobank(
        "",
        &["audit", "--url", &format!("postgresql://nobody@{wrong}")],
    );
    let shown: Run = command
        .env("DB_PASSWORD", "canary")
        .output()
        .unwrap()
        .into();
    assert_eq!(shown.code, 6);
    assert!(!shown.err.contains("canary"), "{}", shown.err);
}

async fn wrong_usage_names_the_value(bank: TestBank) {
    for (arguments, parts) in [
        (&["account", "show"][..], &["<ACCOUNT>"][..]),
        (&["audit", "--warning", "x"], &["--warning", "\"x\""]),
        (&["audit", "--warning", "1"], &["--check"]),
        (
            &["transfer", "--from", "a", "--to", "b", "--amount", "5 XXX"],
            &["--amount", "XXX"],
        ),
        (
            &["statement", "a", "--from", "monday", "--to", "2026-01-01"],
            &["monday"],
        ),
    ] {
        let wrong = run(bank.url(), arguments).await;
        let expected = if arguments.contains(&"--check") { 3 } else { 2 };
        assert_eq!(wrong.code, expected, "{arguments:?}: {}", wrong.err);
        for part in parts {
            assert!(wrong.err.contains(part), "{arguments:?}: {}", wrong.err);
        }
    }
    let mut command = neobank(bank.url(), &["audit"]);
    let wrong: Run = command
        .env("DB_STATEMENT_TIMEOUT", "soon")
        .output()
        .unwrap()
        .into();
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.err.contains("DB_STATEMENT_TIMEOUT") && wrong.err.contains("soon"),
        "{}",
        wrong.err
    );
    let unset: Run = neobank("", &["audit"]).output().unwrap().into();
    assert_eq!(unset.code, 2);
    assert!(unset.err.contains("DATABASE_URL"), "{}", unset.err);
}

async fn closed_pipe_is_no_error(bank: TestBank) {
    let account = bank.account(czk("1")).await.to_string();
    for arguments in [&["account", "show", &account][..], &["completions", "bash"]] {
        let mut child = neobank(bank.url(), arguments).spawn().unwrap();
        drop(child.stdout.take());
        let status = child.wait().unwrap();
        let mut errors = String::new();
        child.stderr.unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!(status.code(), Some(0), "{errors}");
        assert_eq!(errors, "");
    }
    // A full disk is one.
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = neobank(bank.url(), &["account", "show", &account]);
    let failed: Run = command.stdout(full).output().unwrap().into();
    assert_eq!(failed.code, 7);
    assert!(failed.err.contains("cannot be printed"), "{}", failed.err);
}

async fn role_without_privileges_gets_a_readable_error(bank: TestBank) {
    let mut command = neobank(bank.url(), &["audit", "--json"]);
    let rejected: Run = command
        .env("DB_ROLE", "pg_monitor")
        .output()
        .unwrap()
        .into();
    assert_eq!(rejected.code, 6);
    let error = rejected.json();
    assert_eq!(error["error"]["kind"], "privilege", "{error}");
}
