//! Holders of the xmin horizon, and transaction ID wraparound.

use neobank_db::{
    Database, DatabaseConfig, Executor, IsolationLevel, TransactionOptions, statement,
};
use neobank_ops::horizon::HorizonHolderRow;
use neobank_ops::wraparound::AgeLevel;
use neobank_ops::{Monitor, MonitorLimits};

use super::monitor_of;
use crate::harness::{EmptyDatabase, TestBank};

mod everywhere {
    use super::{ages_are_reported_by_database_and_table, every_kind_of_holder_is_found};
    on_empty_databases!(
        every_kind_of_holder_is_found,
        ages_are_reported_by_database_and_table,
    );
}

on_both_versions!(plain_role_is_told_that_details_are_hidden);

async fn every_kind_of_holder_is_found(empty: EmptyDatabase) {
    let mut config = DatabaseConfig::from_url(&empty.url).unwrap();
    config.application_name = "the holder".to_owned();
    let database = Database::connect(config).await.unwrap();
    let name: String = database
        .fetch_value(statement("SELECT current_database()::text", []))
        .await
        .unwrap();
    let reader = database
        .begin_with(TransactionOptions::default().with_isolation(IsolationLevel::RepeatableRead))
        .await
        .unwrap();
    reader.execute(statement("SELECT 1", [])).await.unwrap();
    let pid: i32 = reader
        .fetch_value(statement("SELECT pg_backend_pid()", []))
        .await
        .unwrap();
    let writer = database.begin().await.unwrap();
    run(&writer, "CREATE TABLE made (x integer)").await;
    for _ in 0..20 {
        run(&database, "SELECT pg_current_xact_id()").await;
    }
    let monitor = monitor_of(&empty.url).await;
    let found = holders(&monitor, &name).await;
    let by_reader = found
        .iter()
        .find(|one| one.process_id == Some(pid))
        .unwrap();
    assert_eq!(by_reader.kind, "session");
    assert_eq!(by_reader.application_name.as_deref(), Some("the holder"));
    assert_eq!(by_reader.state.as_deref(), Some("idle in transaction"));
    assert!(by_reader.age_transactions >= 20);
    assert!(by_reader.age_seconds.unwrap() > 0.0);
    // The writer between its statements has no snapshot, and holds the horizon by its transaction
    // number.
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found.is_sorted_by(|a, b| a.age_transactions >= b.age_transactions));
    drop((reader, writer));
    super::until("no holder is left", async || {
        holders(&monitor, &name).await.is_empty().then_some(())
    })
    .await;

    batch(&empty, "CREATE TABLE kept (x integer); BEGIN; INSERT INTO kept VALUES (1); PREPARE TRANSACTION 'a ''name'").await;
    let found = holders(&monitor, &name).await;
    assert_eq!(
        (found[0].kind.as_str(), found[0].identity.as_str()),
        ("prepared_transaction", "a 'name")
    );
    assert!(found[0].age_seconds.is_some());
    batch(&empty, "ROLLBACK PREPARED 'a ''name'").await;

    let slot = format!("slot_of_{name}");
    batch(
        &empty,
        &format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"),
    )
    .await;
    let report = monitor.horizon().await.unwrap().into_value().unwrap();
    let mut found = report.holders;
    // It applies to all databases: it keeps the old rows of all catalogs.
    found.retain(|one| one.identity == slot);
    // Dropped first, because a remaining slot prevents the drop of its database.
    batch(
        &empty,
        &format!("SELECT pg_drop_replication_slot('{slot}')"),
    )
    .await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].kind.as_str(), &found[0].database_name),
        ("replication_slot", &None)
    );
    assert!(found[0].is_catalog_only && found[0].state.as_deref() == Some("inactive"));
    assert_eq!(found[0].age_seconds, None);
}

async fn ages_are_reported_by_database_and_table(empty: EmptyDatabase) {
    let database = empty.superuser().await;
    for sql in [
        "CREATE SCHEMA s",
        "CREATE TABLE s.own (x text) WITH (autovacuum_freeze_max_age = 100000, autovacuum_enabled = false)",
        "CREATE TABLE s.frozen (x integer)",
    ] {
        run(&database, sql).await;
    }
    for _ in 0..20 {
        run(&database, "SELECT pg_current_xact_id()").await;
    }
    run(&database, "VACUUM (FREEZE) s.frozen").await;
    let monitor = monitor_of(&empty.url).await;
    let databases = monitor.database_ages().await.unwrap().into_value().unwrap();
    assert!(databases.iter().any(|one| one.database_name == "template0"));
    assert!(databases.is_sorted_by(|a, b| a.transaction_age >= b.transaction_age));
    assert_eq!(databases[0].transaction_age_max, 200_000_000);
    assert!(databases.iter().all(|one| one.level() == AgeLevel::Young));
    assert!(databases[0].transactions_left() > 2_000_000_000);
    let schemas = ["s".to_owned()];
    let tables = monitor
        .table_ages(Some(&schemas))
        .await
        .unwrap()
        .into_value()
        .unwrap();
    let described: Vec<_> = tables
        .iter()
        .map(|one| (one.table_name.as_str(), one.transaction_age_max))
        .collect();
    assert_eq!(described, [("own", 100_000), ("frozen", 200_000_000)]);
    assert!(tables[0].transaction_age >= 20);
    let all = monitor
        .table_ages(None)
        .await
        .unwrap()
        .into_value()
        .unwrap();
    assert!(all.len() > 50 && all.iter().any(|one| one.schema_name == "pg_catalog"));
}

async fn plain_role_is_told_that_details_are_hidden(bank: TestBank) {
    let superuser = bank.superuser().await;
    let holder = superuser
        .begin_with(TransactionOptions::default().with_isolation(IsolationLevel::RepeatableRead))
        .await
        .unwrap();
    let pid: i32 = holder
        .fetch_value(statement("SELECT pg_backend_pid()", []))
        .await
        .unwrap();
    let sees = async |config: DatabaseConfig| {
        let monitor = Monitor::connect(config, MonitorLimits::default())
            .await
            .unwrap();
        let report = monitor.horizon().await.unwrap().into_value().unwrap();
        let found = report
            .holders
            .iter()
            .find(|one| one.process_id == Some(pid))
            .unwrap();
        assert!(monitor.database_ages().await.unwrap().value().is_some());
        assert!(monitor.table_ages(None).await.unwrap().value().is_some());
        (
            report.sees_session_details,
            found.age_seconds.is_some(),
            found.state.is_some(),
        )
    };
    assert_eq!(sees(bank.config()).await, (false, false, false));
    let as_monitor = DatabaseConfig::from_url(bank.url())
        .unwrap()
        .with_role("pg_monitor");
    assert_eq!(sees(as_monitor).await, (true, true, true));
}

/// Returns the holders in this database; other tests run beside this one.
async fn holders(monitor: &Monitor, name: &str) -> Vec<HorizonHolderRow> {
    let report = monitor.horizon().await.unwrap().into_value().unwrap();
    assert!(report.sees_session_details);
    report
        .holders
        .into_iter()
        .filter(|one| one.database_name.as_deref() == Some(name))
        .collect()
}

/// Runs statements as psql sends them, which a pool would reject.
async fn batch(empty: &EmptyDatabase, sql: &str) {
    let (client, connection) = tokio_postgres::connect(&empty.url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    for one in sql.split("; ") {
        client
            .batch_execute(one)
            .await
            .unwrap_or_else(|error| panic!("{one}: {error:?}"));
    }
}

async fn run(on: &impl Executor, sql: &str) {
    if let Err(error) = on.execute(statement(sql, [])).await {
        panic!("{sql}: {error}");
    }
}
