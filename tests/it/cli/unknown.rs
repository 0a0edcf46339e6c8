//! Exit code 3 of a check, for each reason why data is unavailable. No such reason may look like a
//! state: 1 and 2 would raise an alert, and 0 would hide the problem.

use std::process::Stdio;

use super::program::{Run, neobank, run};
use crate::harness::{EmptyDatabase, TestBank};
use crate::ops::session::Session;

on_both_versions!(
    wrong_usage_is_unknown,
    unreachable_server_is_unknown,
    unavailable_section_is_unknown,
    unprintable_line_is_unknown,
);

mod without_the_schema {
    use super::missing_extension_is_unknown;
    on_empty_databases!(missing_extension_is_unknown);
}

/// Every command that checks something, with the name in front of its line.
const CHECKS: [(&[&str], &str); 14] = [
    (&["audit"], "AUDIT"),
    (&["migrate", "status"], "MIGRATE STATUS"),
    (&["ops", "connections"], "CONNECTIONS"),
    (&["ops", "idle"], "IDLE"),
    (&["ops", "locks"], "LOCKS"),
    (&["ops", "deadlocks"], "DEADLOCKS"),
    (&["ops", "health"], "HEALTH"),
    (&["ops", "transactions"], "TRANSACTIONS"),
    (&["ops", "statements"], "STATEMENTS"),
    (&["ops", "cache"], "CACHE"),
    (&["ops", "bloat"], "BLOAT"),
    (&["ops", "indexes"], "INDEXES"),
    (&["ops", "vacuum"], "VACUUM"),
    (&["ops", "report"], "REPORT"),
];

#[track_caller]
fn expect_unknown(found: &Run, reason: &str) {
    assert_eq!(found.code, 3, "{}{}", found.out, found.err);
    assert_eq!(found.out.lines().count(), 1, "{}", found.out);
    let (state, rest) = found.out.split_once(" - ").unwrap();
    assert!(
        state.starts_with("NEOBANK ") && state.ends_with(" UNKNOWN"),
        "{}",
        found.out
    );
    assert!(rest.contains(reason), "{reason}: {}", found.out);
}

async fn wrong_usage_is_unknown(bank: TestBank) {
    for (arguments, reason) in [
        (
            &["ops", "locks", "--check", "--warnin", "5"][..],
            "--warnin",
        ),
        (&["ops", "locks", "--check", "--warning", "20:10"], "20:10"),
        (&["ops", "locks", "--check", "--critical", "ten"], "ten"),
        (&["ops", "lokcs", "--check"], "lokcs"),
        (&["audit", "--check", "more"], "more"),
    ] {
        expect_unknown(&run(bank.url(), arguments).await, reason);
    }
    let nowhere = ["ops", "locks", "--check", "--thresholds", "/no/such/file"];
    expect_unknown(&run(bank.url(), &nowhere).await, "/no/such/file");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("thresholds.toml");
    for (text, reason) in [
        ("[locks", "TOML"),
        ("[locks]\nno_such_key = 1", "no_such_key"),
        ("[connections]\nusage_warning_percent = 101", "101"),
    ] {
        std::fs::write(&file, text).unwrap();
        let path = file.to_str().unwrap();
        let arguments = ["ops", "locks", "--check", "--thresholds", path];
        expect_unknown(&run(bank.url(), &arguments).await, reason);
    }
    let mut command = neobank(bank.url(), &["ops", "locks", "--check"]);
    let wrong: Run = command.env("DB_POOL_MAX", "many").output().unwrap().into();
    expect_unknown(&wrong, "DB_POOL_MAX");
}

/// The server does not respond, or rejects this user: every check reports it.
async fn unreachable_server_is_unknown(bank: TestBank) {
    let name = bank.config().database;
    let elsewhere = bank.url().replace(&format!("/{name}"), "/no_such_database");
    assert_ne!(elsewhere, bank.url());
    for (command, service) in CHECKS {
        let arguments = [command, &["--check"]].concat();
        let unreachable = run("postgresql://teller@127.0.0.1:1/nowhere", &arguments).await;
        expect_unknown(&unreachable, "");
        assert!(
            unreachable
                .out
                .starts_with(&format!("NEOBANK {service} UNKNOWN - ")),
            "{}",
            unreachable.out
        );
        expect_unknown(&run(&elsewhere, &arguments).await, "no_such_database");
    }
    let mut command = neobank(bank.url(), &["ops", "locks", "--check"]);
    let role: Run = command
        .env("DB_ROLE", "no_such_role")
        .output()
        .unwrap()
        .into();
    expect_unknown(&role, "no_such_role");
}

/// A missing privilege, a lock, a timeout, no sample yet.
async fn unavailable_section_is_unknown(bank: TestBank) {
    for (subject, reason) in [("idle", "pg_monitor"), ("transactions", "pg_monitor")] {
        let mut command = neobank(bank.url(), &["ops", subject, "--check"]);
        let hidden: Run = command
            .env("DB_ROLE", "neobank_read")
            .output()
            .unwrap()
            .into();
        expect_unknown(&hidden, reason);
    }
    // The tests' server is not durable, which is a known and worse state.
    for subject in ["health", "report"] {
        let mut command = neobank(bank.url(), &["ops", subject, "--check"]);
        let hidden: Run = command
            .env("DB_ROLE", "neobank_read")
            .output()
            .unwrap()
            .into();
        assert_eq!(hidden.code, 2, "{}", hidden.out);
        assert!(hidden.out.contains("pg_monitor"), "{}", hidden.out);
        let settings = "settings_criticals=2";
        assert!(hidden.out.contains(settings), "{}", hidden.out);
    }
    // Where no pool writes samples, the check covers everything else.
    let no_samples = run(bank.url(), &["ops", "health", "--check"]).await;
    expect_nothing_but_settings(&no_samples);
    let session = Session::open(bank.url()).await;
    session
        .run("BEGIN; LOCK TABLE concurrency.deadlock_log")
        .await;
    expect_unknown(
        &run(bank.url(), &["ops", "deadlocks", "--check"]).await,
        "lock timeout",
    );
    session.run("ROLLBACK").await;
    let hasty = ["ops", "locks", "--check", "--query-timeout", "0"];
    expect_unknown(&run(bank.url(), &hasty).await, "--query-timeout");
    session
        .run("DO $$ BEGIN FOR n IN 1..400 LOOP EXECUTE format('CREATE TABLE public.t_%s (id int PRIMARY KEY)', n); END LOOP; END $$")
        .await;
    let hasty = ["ops", "bloat", "--check", "--query-timeout", "2"];
    expect_unknown(&run(bank.url(), &hasty).await, "statement timeout");
    // A known problem is reported, whatever else is unknown.
    session.run("BEGIN; SELECT 1").await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("thresholds.toml");
    std::fs::write(
        &file,
        "[transactions]\nidle_warning_seconds = 1\nidle_critical_seconds = 1\n",
    )
    .unwrap();
    let check = [
        "ops",
        "health",
        "--check",
        "--thresholds",
        file.to_str().unwrap(),
    ];
    let wrong = run(bank.url(), &check).await;
    assert_eq!(wrong.code, 2, "{}", wrong.out);
    assert!(
        wrong.out.contains("idle in transaction: 1"),
        "{}",
        wrong.out
    );
}

/// The settings of the tests' server are reported; all else is ok, and no section is unknown.
fn expect_nothing_but_settings(found: &Run) {
    assert_eq!(found.code, 2, "{}", found.out);
    for measure in [
        "server_warnings=0",
        "server_criticals=0",
        "settings_criticals=2",
    ] {
        assert!(found.out.contains(measure), "{}", found.out);
    }
    assert!(!found.out.contains("n/a"), "{}", found.out);
}

/// A check of one missing subject is unknown; a check of several skips it.
async fn missing_extension_is_unknown(empty: EmptyDatabase) {
    for (command, reason) in [
        (&["audit", "--check"][..], "run `neobank migrate up`"),
        (&["ops", "statements", "--check"], "pg_stat_statements"),
    ] {
        expect_unknown(&run(&empty.url, command).await, reason);
    }
    let joined = run(&empty.url, &["ops", "deadlocks", "--check"]).await;
    assert_eq!(joined.code, 0, "{}", joined.out);
    expect_nothing_but_settings(&run(&empty.url, &["ops", "health", "--check"]).await);
}

/// A full disk behind a redirection: only the exit code is left.
async fn unprintable_line_is_unknown(bank: TestBank) {
    for arguments in [
        &["ops", "locks", "--check"][..],
        &["ops", "lokcs", "--check"],
    ] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut command = neobank(bank.url(), arguments);
        let found: Run = command.stdout(Stdio::from(full)).output().unwrap().into();
        assert_eq!(found.code, 3, "{}", found.err);
        assert!(found.err.contains("cannot be printed"), "{}", found.err);
    }
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = neobank(bank.url(), &["ops", "locks"]);
    let found: Run = command.stdout(Stdio::from(full)).output().unwrap().into();
    assert_eq!(found.code, 7, "{}", found.err);
}
