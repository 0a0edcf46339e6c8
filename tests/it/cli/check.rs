//! The output of a plugin of Nagios or Icinga.

use neobank_db::{Executor, statement};

use super::program::{Run, data, neobank, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    violation_is_critical,
    failed_check_is_unknown,
    audit_has_a_long_time_limit_by_default,
    section_can_be_skipped,
);

async fn violation_is_critical(bank: TestBank) {
    bank.account(czk("10")).await;
    let sound = run(bank.url(), &["audit", "--check"]).await;
    assert_eq!(sound.code, 0);
    assert_eq!(
        sound.out,
        "NEOBANK AUDIT OK - no violation of any invariant | violations=0;;0;0\n"
    );
    // Only a superuser can bypass the triggers.
    let superuser = bank.superuser().await;
    superuser
        .transaction(async |transaction| {
            for sql in [
                crate::harness::GUARDS_OFF,
                "UPDATE banking.accounts SET current_balance = current_balance + 1 WHERE account_type = 'checking'",
                crate::harness::GUARDS_ON,
            ] {
                transaction.execute(statement(sql, [])).await?;
            }
            Ok::<_, neobank_db::DatabaseError>(())
        })
        .await
        .unwrap();
    let broken = run(bank.url(), &["audit", "--check"]).await;
    assert_eq!(broken.code, 2, "{}", broken.out);
    assert!(
        broken.out.starts_with("NEOBANK AUDIT CRITICAL - ") && broken.out.contains("violations="),
        "{}",
        broken.out
    );
    assert_eq!(broken.out.lines().count(), 1);
    let lenient = run(
        bank.url(),
        &["audit", "--check", "--critical", "100", "--warning", "0"],
    );
    assert_eq!(lenient.await.code, 1);
    let plain = run(bank.url(), &["audit"]).await;
    assert_eq!(plain.code, 1, "{}", plain.out);
    assert!(plain.out.contains("Violated by"), "{}", plain.out);
}

async fn failed_check_is_unknown(bank: TestBank) {
    let nowhere = "postgresql://nobody@127.0.0.1:1/nowhere";
    let unreachable = run(nowhere, &["audit", "--check"]).await;
    assert_eq!(unreachable.code, 3);
    assert!(
        unreachable.out.starts_with("NEOBANK AUDIT UNKNOWN - "),
        "{}",
        unreachable.out
    );
    let misspelt = run(bank.url(), &["audit", "--check", "--warnin", "5"]).await;
    assert_eq!(misspelt.code, 3, "{}", misspelt.out);
    assert!(misspelt.out.contains("UNKNOWN"), "{}", misspelt.out);
}

async fn audit_has_a_long_time_limit_by_default(bank: TestBank) {
    // An auditor that exceeds its own limit.
    let sql = "CREATE OR REPLACE FUNCTION banking.audit() RETURNS TABLE (check_name text, subject text, detail text)
               LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
               AS $$ SELECT 'limit', current_setting('statement_timeout'), '' $$";
    let superuser = bank.superuser().await;
    superuser.execute(statement(sql, [])).await.unwrap();
    for (given, limit) in [(None, "1d"), (Some("7s"), "7s")] {
        let mut command = neobank(bank.url(), &["audit", "--json"]);
        command.envs(given.map(|limit| ("DB_STATEMENT_TIMEOUT", limit)));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let audit = Run::from(output.await.unwrap()).json();
        assert_eq!(audit["data"]["violations"][0]["subject"], limit, "{audit}");
    }
}

async fn section_can_be_skipped(bank: TestBank) {
    // One sample is too few for a verdict, so the check is unknown until another one is written.
    let mut sampler = neobank_db::pool::Sampler::new(&bank.database);
    sampler.record().await.unwrap();
    let unknown = run(
        bank.url(),
        &[
            "ops", "health", "--check", "--skip", "server", "--skip", "settings",
        ],
    )
    .await;
    assert_eq!(unknown.code, 3, "{}", unknown.out);
    assert!(unknown.out.contains("too few samples"), "{}", unknown.out);
    let without = run(bank.url(), &["ops", "health", "--check", "--skip", "pools"]).await;
    assert!(!without.out.contains("pool"), "{}", without.out);
    let health = data(bank.url(), &["ops", "health", "--skip", "pools"]).await;
    assert!(
        !health["server"].is_null() && health["pools"].is_null(),
        "{health}"
    );
    let report = ["ops", "report", "--skip", "bloat", "--skip", "pools"];
    let report = data(bank.url(), &report).await;
    let sections = report["sections"].as_object().unwrap();
    assert!(sections.contains_key("locks") && !sections.contains_key("bloat"));
    assert!(sections["health"]["pools"].is_null(), "{report}");
    for skipped in [
        &["--skip", "pool"][..],
        &["--skip", "server", "--skip", "pools", "--skip", "settings"],
    ] {
        let rejected = run(bank.url(), &[&["ops", "health"], skipped].concat()).await;
        assert_eq!(rejected.code, 2, "{}", rejected.err);
        assert!(rejected.err.contains("--skip"), "{}", rejected.err);
    }
}
