//! The lags of the sealer and of the consumers of events, while each of them is stuck.

use std::time::Duration;

use neobank_db::{DatabaseConfig, Executor, statement};
use neobank_domain::events::EventConsumer;
use neobank_domain::{PostingRequest, TransferRequest, chain};
use neobank_ops::checks::{Severity, Subject};
use neobank_ops::{Cause, Monitor, MonitorLimits, Thresholds};

use super::monitor_of;
use super::session::Session;
use crate::harness::{Standby, TestBank, czk, migrate, own_server};

on_both_versions!(
    stuck_sealer_is_reported_until_it_seals,
    stuck_consumer_is_reported_beside_the_others,
    role_with_pg_monitor_sees_lags_and_no_records,
);

/// Thresholds that alert after a second.
fn strict() -> Thresholds {
    let mut thresholds = Thresholds::default();
    thresholds.sealing.record_warning_seconds = 1;
    thresholds.sealing.event_warning_seconds = 1;
    thresholds
}

async fn deposit(bank: &TestBank, count: usize) {
    let account = bank.account(czk("0")).await;
    for _ in 0..count {
        let deposit = PostingRequest::deposit(account, czk("1"));
        bank.ledger.submit(deposit).await.unwrap();
    }
}

async fn severity(monitor: &Monitor) -> (Severity, String) {
    let verdict = monitor.check(Subject::Sealing, &strict()).await.unwrap();
    (verdict.severity, verdict.message)
}

async fn stuck_sealer_is_reported_until_it_seals(bank: TestBank) {
    let monitor = monitor_of(bank.url()).await;
    assert_eq!(severity(&monitor).await.0, Severity::Ok);
    // A transaction that runs is not counted, and does not hold the sealer back.
    let [payer, payee] = [bank.account(czk("1")).await, bank.account(czk("1")).await];
    chain::seal(&bank.database, 1_000).await.unwrap();
    let mut running = bank.database.begin().await.unwrap();
    let transfer = TransferRequest::new(payer, payee, czk("1"));
    let transferred = bank.ledger.transfer_in(&mut running, transfer).await;
    transferred.unwrap();
    deposit(&bank, 3).await;
    let blocker = Session::open(bank.url()).await;
    blocker
        .run("BEGIN; LOCK TABLE banking.seals IN EXCLUSIVE MODE")
        .await;
    let database = bank.database.clone();
    let sealer = tokio::spawn(async move { chain::seal(&database, 1_000).await });
    tokio::time::sleep(Duration::from_millis(1_100)).await;

    let rows = monitor.sealing_lag().await.unwrap().into_value().unwrap();
    assert_eq!(rows[0].waiting_records, 3);
    assert!(rows[0].waiting_seconds > 1.0);
    let (found, message) = severity(&monitor).await;
    assert_eq!(found, Severity::Warning, "{message}");
    assert!(
        message.starts_with("3 records wait to be sealed"),
        "{message}"
    );
    assert!(!sealer.is_finished());

    blocker.run("ROLLBACK").await;
    assert_eq!(sealer.await.unwrap().unwrap().sealed_records, 3);
    assert_eq!(severity(&monitor).await.0, Severity::Ok);
    running.commit().await.unwrap();
    let rows = monitor.sealing_lag().await.unwrap().into_value().unwrap();
    assert_eq!(rows[0].waiting_records, 1);
}

async fn stuck_consumer_is_reported_beside_the_others(bank: TestBank) {
    let monitor = monitor_of(bank.url()).await;
    deposit(&bank, 5).await;
    chain::seal(&bank.database, 1_000).await.unwrap();
    for (name, position) in [("current", 5), ("stuck", 2), ("unreadable", 1)] {
        let consumer = EventConsumer::open(bank.database.clone(), name).await;
        consumer.unwrap().acknowledge(position).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    deposit(&bank, 1).await;
    chain::seal(&bank.database, 1_000).await.unwrap();
    // A seal without records has no event.
    chain::seal(&bank.database, 1_000).await.unwrap();
    // A time that the driver cannot read costs its row.
    let sql = "UPDATE banking.event_consumers SET updated_at = 'infinity' WHERE consumer_name = $1";
    let superuser = bank.superuser().await;
    superuser
        .execute(statement(sql, ["unreadable".into()]))
        .await
        .unwrap();

    let section = monitor.consumer_lags().await.unwrap();
    assert_eq!(section.unreadable().unwrap().rows, 1);
    let rows = section.into_value().unwrap();
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.consumer_name.as_str(),
                row.last_position,
                row.waiting_events,
            )
        })
        .collect();
    assert_eq!(found, [("stuck", 2, 4), ("current", 5, 1)]);
    assert!(rows[0].waiting_seconds > 1.0);
    assert!(rows[1].waiting_seconds < rows[0].waiting_seconds - 1.0);
    let (found, message) = severity(&monitor).await;
    assert_eq!(found, Severity::Warning, "{message}");
    assert!(
        message.contains("consumer stuck has not processed 4 events"),
        "{message}"
    );

    let consumer = EventConsumer::open(bank.database.clone(), "stuck").await;
    consumer.unwrap().acknowledge(6).await.unwrap();
    let rows = monitor.consumer_lags().await.unwrap().into_value().unwrap();
    let stuck = rows
        .iter()
        .find(|row| row.consumer_name == "stuck")
        .unwrap();
    assert_eq!((stuck.waiting_events, stuck.waiting_seconds), (0, 0.0));
}

async fn monitor_in(bank: &TestBank, role: &str) -> Monitor {
    let config = DatabaseConfig::from_url(bank.url())
        .unwrap()
        .with_role(role);
    Monitor::connect(config, MonitorLimits::default())
        .await
        .unwrap()
}

async fn role_with_pg_monitor_sees_lags_and_no_records(bank: TestBank) {
    deposit(&bank, 2).await;
    let monitor = monitor_in(&bank, "pg_monitor").await;
    let rows = monitor.sealing_lag().await.unwrap().into_value().unwrap();
    assert_eq!(rows[0].waiting_records, 2);
    assert!(monitor.consumer_lags().await.unwrap().value().is_some());
    let readable = "SELECT count(*) FROM pg_catalog.pg_class AS relation
                    WHERE relation.relnamespace = 'banking'::regnamespace
                      AND has_table_privilege('pg_monitor', relation.oid, 'SELECT')";
    let superuser = bank.superuser().await;
    let count: i64 = superuser
        .fetch_value(statement(readable, []))
        .await
        .unwrap();
    assert_eq!(count, 0);
    let verdict = monitor_in(&bank, "pg_signal_backend").await;
    let verdict = verdict.check(Subject::Sealing, &strict()).await.unwrap();
    assert_eq!(verdict.severity, Severity::Unknown);

    // A lock that even readers wait for costs the section, and no more.
    let blocker = Session::open(bank.url()).await;
    blocker.run("BEGIN; LOCK TABLE banking.seals").await;
    let section = monitor.sealing_lag().await.unwrap();
    assert_eq!(section.reason().unwrap().cause, Cause::LockTimeout);
    blocker.run("ROLLBACK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standby_reports_the_lags_on_postgres_15() {
    standby_reports_the_lags(15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standby_reports_the_lags_on_postgres_18() {
    standby_reports_the_lags(18).await;
}

async fn standby_reports_the_lags(version: u32) {
    let primary = own_server(version, &[]).await;
    let standby = Standby::of(&primary, &[]).await;
    let owner = primary.create_database("bank").unwrap();
    migrate(&owner).await;
    let superuser = Session::open(&primary.database_url("bank")).await;
    superuser
        .run("INSERT INTO banking.event_consumers (consumer_name, last_position) VALUES ('one', 0)")
        .await;
    standby.follow(&primary).await;
    let monitor = monitor_of(&standby.url(&primary.database_url("bank"))).await;
    let verdict = monitor.check(Subject::Sealing, &strict()).await.unwrap();
    assert_eq!(verdict.severity, Severity::Ok, "{}", verdict.message);
    let rows = monitor.consumer_lags().await.unwrap().into_value().unwrap();
    assert_eq!(rows[0].consumer_name, "one");
}
