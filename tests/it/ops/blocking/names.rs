//! Names of awaited locks.

use std::time::Duration;

use neobank_db::locks::{self, LockName};
use neobank_ops::blocking::{BlockingReport, Who};

use super::Scene;
use crate::harness::TestBank;

on_both_versions!(
    advisory_key_has_its_registered_name,
    hostile_names_are_reported_unchanged
);

fn lock(report: &BlockingReport) -> String {
    let waiter = report.participant(&report.edges[0].waiter).unwrap();
    waiter
        .wait
        .as_ref()
        .unwrap()
        .lock
        .as_ref()
        .unwrap()
        .to_string()
}

async fn advisory_key_has_its_registered_name(bank: TestBank) {
    let scene = Scene::of(bank, "ABC").await;
    let name = LockName::new("end of day", "Praha \"1\"").unwrap();
    // The name is registered by its first use.
    let mut first = scene.bank.database.begin().await.unwrap();
    let _ = locks::lock(
        &mut first,
        std::slice::from_ref(&name),
        Duration::from_secs(5),
    )
    .await
    .unwrap();
    first.commit().await.unwrap();
    let key = name.key();
    scene
        .run('A', &format!("BEGIN; SELECT pg_advisory_xact_lock({key})"))
        .await;
    scene
        .wait('B', &format!("BEGIN; SELECT pg_advisory_xact_lock({key})"))
        .await;
    scene.expect("B<A", "A", &[]).await;
    assert_eq!(
        lock(&scene.report().await),
        "advisory lock end of day \"Praha \\\"1\\\"\""
    );
    scene
        .run(
            'A',
            "ROLLBACK; BEGIN; SELECT pg_advisory_xact_lock(-7, 2147483647)",
        )
        .await;
    scene
        .wait('C', "BEGIN; SELECT pg_advisory_xact_lock(-7, 2147483647)")
        .await;
    assert_eq!(
        lock(&scene.report().await),
        "advisory lock (-7, 2147483647)"
    );
}

async fn hostile_names_are_reported_unchanged(bank: TestBank) {
    let scene = Scene::of(bank, "AB").await;
    let (schema, table) = ("a.\"b\"; DROP", "Kč 'x'\n🏦");
    let quoted = format!("\"{}\".\"{table}\"", schema.replace('"', "\"\""));
    scene
        .observer
        .run(&format!(
            "CREATE SCHEMA \"{}\"; CREATE TABLE {quoted} (n int)",
            schema.replace('"', "\"\"")
        ))
        .await;
    scene.run('A', &format!("BEGIN; LOCK TABLE {quoted}")).await;
    scene
        .wait('B', &format!("BEGIN; SELECT * FROM {quoted}"))
        .await;
    scene.expect("B<A", "A", &[]).await;
    let report = scene.report().await;
    let waiter = report.participant(&report.edges[0].waiter).unwrap();
    let lock = waiter.wait.as_ref().unwrap().lock.clone().unwrap();
    assert_eq!(
        (
            lock.relation_schema.as_deref(),
            lock.relation_name.as_deref()
        ),
        (Some(schema), Some(table))
    );
    // Seen from another database, the table has only its number.
    let elsewhere = TestBank::on(scene.bank.version).await;
    let monitor = crate::ops::monitor_of(elsewhere.url()).await;
    let report = monitor.blocking().await.unwrap().into_value().unwrap();
    let who = Who::Session {
        process_id: scene.sessions[&'B'].pid,
    };
    let far = report
        .participant(&who)
        .unwrap()
        .wait
        .as_ref()
        .unwrap()
        .lock
        .clone()
        .unwrap();
    assert_eq!(
        (far.relation_name, far.relation_id),
        (None, lock.relation_id)
    );
    assert!(far.database.is_some());
}
