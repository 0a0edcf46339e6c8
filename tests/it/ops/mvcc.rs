//! Row versions and their states.

use neobank_db::{
    Database, DatabaseConfig, Executor, IsolationLevel, Transaction, TransactionOptions, statement,
};
use neobank_ops::mvcc::{self, Pages, RowVersion, RowVersions};
use neobank_ops::{Cause, OpsError, TableName};

use super::monitor_of;
use crate::harness::TestBank;

on_both_versions!(
    rust_and_sql_report_every_state,
    without_page_access_unknown_states_are_null,
    visibility_of_savepoints_comes_from_the_server,
    no_transaction_number_is_assigned,
    relation_without_rows_is_rejected,
    locked_table_is_a_reason_not_an_error,
);

/// Quotes, a dot, a newline, a dollar quote, an attempt to end a literal, and letters beyond ASCII.
const SCHEMA: &str = "sch.\"em'a\n$$";
const TABLE: &str = "t\"; DROP TABLE x; --'ž\\";

async fn rust_and_sql_report_every_state(bank: TestBank) {
    let database = prepare(&bank).await;
    let (first, second) = others(&database).await;
    let own = own(&database).await;
    let found = mvcc::row_versions(&own, &table(), Pages::default())
        .await
        .unwrap();
    assert_eq!(found.pages_not_read, None);
    let expected = [
        // Not deleted, frozen.
        "(0,1) frozen nobody [] visible",
        // Replaced by (0,11).
        "(0,2) committed committed [] -> (0,11)",
        "(0,3) committed committed []",
        // Deleted, and the deletion rolled back.
        "(0,4) committed aborted [] visible",
        "(0,5) committed in_progress [] visible",
        "(0,6) committed own []",
        "(0,7) committed nobody [FOR UPDATE] visible",
        "(0,8) committed nobody [FOR KEY SHARE, FOR SHARE] visible",
        // Locked by a transaction that has ended.
        "(0,9) committed nobody [] visible",
        // Replaced by one in progress, while another one locks its key.
        "(0,10) committed in_progress [FOR KEY SHARE] visible -> (0,16)",
        "(0,11) committed nobody [] visible",
        "(0,12) aborted nobody []",
        "(0,13) in_progress nobody []",
        // Under a released savepoint, and under one that was rolled back.
        "(0,14) in_progress nobody []",
        "(0,15) aborted nobody []",
        // It took over the lock from the version that it replaced.
        "(0,16) in_progress nobody [FOR KEY SHARE]",
        "(0,17) own nobody [] visible",
        "(0,18) own nobody [] visible",
        "(0,19) aborted nobody []",
        "(0,20) own own []",
    ];
    assert_eq!(lines(&found), expected);
    assert_eq!(by_function(&own).await, expected);
    assert_eq!(sources(&own).await, ["pages"]);
    drop((own, first, second));
}

async fn without_page_access_unknown_states_are_null(bank: TestBank) {
    let database = prepare(&bank).await;
    for sql in [
        "GRANT USAGE ON SCHEMA {s} TO neobank_app",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {t} TO neobank_app",
    ] {
        run(&database, sql).await;
    }
    let (first, second) = others(&database).await;
    let own = own(&bank.database).await;
    let found = mvcc::row_versions(&own, &table(), Pages::default())
        .await
        .unwrap();
    let why = found.pages_not_read.clone().unwrap();
    assert_eq!(why.cause, Cause::InsufficientPrivilege);
    let expected = [
        "(0,1) committed nobody [] visible",
        "(0,4) committed ? ? visible",
        "(0,5) committed ? ? visible",
        "(0,7) committed ? ? visible",
        "(0,8) committed ? ? visible",
        "(0,9) committed ? ? visible",
        "(0,10) committed ? ? visible",
        "(0,11) committed nobody [] visible",
        "(0,17) own nobody [] visible",
        "(0,18) own nobody [] visible",
    ];
    assert_eq!(lines(&found), expected);
    assert_eq!(by_function(&own).await, expected);
    assert_eq!(sources(&own).await, ["visible rows"]);
    drop((own, first, second));
    run(&database, "DROP EXTENSION pageinspect").await;
    let monitor = monitor_of(bank.url()).await;
    let found = monitor
        .row_versions(&table(), Pages::default())
        .await
        .unwrap()
        .into_value()
        .unwrap();
    assert_eq!(found.pages_not_read.unwrap().cause, Cause::Missing);
}

/// A snapshot contains no subtransactions, so the server's `pg_visible_in_snapshot` reports this
/// one as visible.
async fn visibility_of_savepoints_comes_from_the_server(bank: TestBank) {
    let database = prepare(&bank).await;
    let mut other = database.begin().await.unwrap();
    let mut savepoint = other.savepoint();
    run(
        savepoint.transaction(),
        "INSERT INTO {t} VALUES (20, 'late')",
    )
    .await;
    savepoint.release().await.unwrap();
    // The snapshot ends with the last transaction that has ended.
    run(&database, "SELECT pg_current_xact_id()").await;
    let asker = database
        .begin_with(TransactionOptions::default().with_isolation(IsolationLevel::RepeatableRead))
        .await
        .unwrap();
    asker.execute(statement("SELECT 1", [])).await.unwrap();
    other.commit().await.unwrap();
    let found = mvcc::row_versions(&asker, &table(), Pages::default())
        .await
        .unwrap();
    let last = "(0,13) committed nobody []";
    assert_eq!(lines(&found).last().unwrap(), last);
    assert_eq!(by_function(&asker).await.last().unwrap(), last);
    let sql = "SELECT pg_visible_in_snapshot($1::text::xid8, pg_current_snapshot())";
    let xid = found.versions.last().unwrap().xmin.to_string();
    let as_the_snapshot_says: bool = asker
        .fetch_value(statement(sql, [xid.into()]))
        .await
        .unwrap();
    assert!(as_the_snapshot_says);
}

async fn no_transaction_number_is_assigned(bank: TestBank) {
    let database = prepare(&bank).await;
    for asking in [&database, &bank.database] {
        run(&database, "GRANT USAGE ON SCHEMA {s} TO neobank_app").await;
        run(&database, "GRANT SELECT ON {t} TO neobank_app").await;
        let transaction = asking.begin().await.unwrap();
        mvcc::row_versions(&transaction, &table(), Pages::default())
            .await
            .unwrap();
        by_function(&transaction).await;
        let sql = "SELECT pg_current_xact_id_if_assigned() IS NULL";
        assert!(
            transaction
                .fetch_value::<bool>(statement(sql, []))
                .await
                .unwrap()
        );
    }
}

async fn relation_without_rows_is_rejected(bank: TestBank) {
    let database = prepare(&bank).await;
    run(&database, "CREATE VIEW {s}.\"a view\" AS SELECT 1 AS one").await;
    for (schema, name) in [
        (SCHEMA, "a view"),
        (SCHEMA, "nothing"),
        ("x'; DROP TABLE y; --", TABLE),
        ("", ""),
    ] {
        let table = TableName::new(schema, name);
        let rejected = mvcc::row_versions(&database, &table, Pages::default())
            .await
            .unwrap_err();
        assert!(
            matches!(&rejected, OpsError::Invalid { field, value, .. }
            if field == "table" && *value == table.to_string()),
            "{rejected}"
        );
        let sql = "SELECT count(*) FROM concurrency.show_mvcc_info($1)";
        let rejected = database
            .execute(statement(sql, [table.to_string().into()]))
            .await
            .unwrap_err();
        let sqlstate = &rejected.server().unwrap().sqlstate;
        assert!(
            ["42P01", "42809", "42602"].contains(&sqlstate.as_str()),
            "{rejected}"
        );
    }
    for sql in [
        "SELECT concurrency.show_mvcc_info(NULL)",
        "SELECT concurrency.show_mvcc_info('banking.accounts', -1)",
        "SELECT concurrency.show_mvcc_info('banking.accounts', 0, 10001)",
        "SELECT concurrency.show_mvcc_info('banking.accounts; DROP TABLE banking.accounts')",
    ] {
        assert!(database.execute(statement(sql, [])).await.is_err(), "{sql}");
    }
    let rejected = mvcc::row_versions(&database, &table(), Pages::new(0, 0)).await;
    assert!(matches!(rejected, Err(OpsError::Invalid { field, .. }) if field == "pages.count"));
    // Pages behind the last one are empty.
    let nothing = mvcc::row_versions(&database, &table(), Pages::new(u32::MAX, 10_000))
        .await
        .unwrap();
    assert_eq!(nothing.versions, []);
    bank.assert_sound().await;
}

async fn locked_table_is_a_reason_not_an_error(bank: TestBank) {
    let database = prepare(&bank).await;
    let holder = database.begin().await.unwrap();
    run(&holder, "LOCK TABLE {t} IN ACCESS EXCLUSIVE MODE").await;
    let monitor = neobank_ops::Monitor::connect(
        DatabaseConfig::from_url(bank.url()).unwrap(),
        neobank_ops::MonitorLimits::default(),
    )
    .await
    .unwrap();
    let section = monitor
        .row_versions(&table(), Pages::default())
        .await
        .unwrap();
    assert_eq!(section.reason().unwrap().cause, Cause::LockTimeout);
}

fn table() -> TableName {
    TableName::new(SCHEMA, TABLE)
}

/// Creates a table with eleven committed rows in known places, and one whose insertion was rolled
/// back.
async fn prepare(bank: &TestBank) -> Database {
    let database = bank.superuser().await;
    for sql in [
        "CREATE SCHEMA {s}",
        "CREATE SCHEMA \"in\"\"side\"",
        "CREATE EXTENSION pageinspect SCHEMA \"in\"\"side\"",
        "CREATE TABLE {t} (id integer PRIMARY KEY, value text) WITH (autovacuum_enabled = false)",
        "INSERT INTO {t} VALUES (1, 'old')",
        "VACUUM (FREEZE) {t}",
        "INSERT INTO {t} SELECT id, 'one' FROM generate_series(2, 10) AS id",
        "UPDATE {t} SET value = 'new' WHERE id = 2",
        "DELETE FROM {t} WHERE id = 3",
    ] {
        run(&database, sql).await;
    }
    for sql in [
        "DELETE FROM {t} WHERE id = 4",
        "INSERT INTO {t} VALUES (11, 'never')",
    ] {
        let transaction = database.begin().await.unwrap();
        run(&transaction, sql).await;
        transaction.rollback().await.unwrap();
    }
    let locker = database.begin().await.unwrap();
    run(&locker, "SELECT FROM {t} WHERE id = 9 FOR UPDATE").await;
    locker.commit().await.unwrap();
    database
}

/// Opens two transactions: they insert, delete, replace and lock.
async fn others(database: &Database) -> (Transaction, Transaction) {
    let mut first = database.begin().await.unwrap();
    run(&first, "INSERT INTO {t} VALUES (12, 'open')").await;
    let mut savepoint = first.savepoint();
    run(
        savepoint.transaction(),
        "INSERT INTO {t} VALUES (13, 'open')",
    )
    .await;
    savepoint.release().await.unwrap();
    let mut savepoint = first.savepoint();
    run(
        savepoint.transaction(),
        "INSERT INTO {t} VALUES (14, 'never')",
    )
    .await;
    savepoint.rollback().await.unwrap();
    for sql in [
        "DELETE FROM {t} WHERE id = 5",
        "SELECT FROM {t} WHERE id = 7 FOR UPDATE",
        "SELECT FROM {t} WHERE id = 8 FOR SHARE",
        "SELECT FROM {t} WHERE id = 10 FOR KEY SHARE",
    ] {
        run(&first, sql).await;
    }
    let second = database.begin().await.unwrap();
    run(&second, "SELECT FROM {t} WHERE id = 8 FOR KEY SHARE").await;
    run(&second, "UPDATE {t} SET value = 'newer' WHERE id = 10").await;
    (first, second)
}

/// Opens the current transaction, with work of its own.
async fn own(database: &Database) -> Transaction {
    let mut own = database.begin().await.unwrap();
    run(&own, "INSERT INTO {t} VALUES (15, 'own')").await;
    let mut savepoint = own.savepoint();
    run(
        savepoint.transaction(),
        "INSERT INTO {t} VALUES (16, 'own')",
    )
    .await;
    savepoint.release().await.unwrap();
    let mut savepoint = own.savepoint();
    run(
        savepoint.transaction(),
        "INSERT INTO {t} VALUES (17, 'never')",
    )
    .await;
    savepoint.rollback().await.unwrap();
    run(&own, "INSERT INTO {t} VALUES (18, 'not for long')").await;
    let mut savepoint = own.savepoint();
    run(
        savepoint.transaction(),
        "DELETE FROM {t} WHERE id IN (6, 18)",
    )
    .await;
    savepoint.release().await.unwrap();
    own
}

async fn run(on: &impl Executor, sql: &str) {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let sql = sql
        .replace("{t}", &table().to_string())
        .replace("{s}", &quoted(SCHEMA));
    if let Err(error) = on.execute(statement(&sql, [])).await {
        panic!("{sql}: {error}");
    }
}

/// Returns a line for each version.
fn lines(found: &RowVersions) -> Vec<String> {
    found.versions.iter().map(line).collect()
}

fn line(version: &RowVersion) -> String {
    let name = |value: serde_json::Value| value.as_str().unwrap_or("?").to_owned();
    let lockers = version.lockers.as_ref().map_or("?".to_owned(), |lockers| {
        let mut modes: Vec<String> = lockers
            .iter()
            .map(|locker| name(serde_json::to_value(locker.mode).unwrap()))
            .collect();
        modes.sort();
        format!("[{}]", modes.join(", "))
    });
    format!(
        "{} {} {} {lockers}{}{}",
        version.place,
        name(serde_json::to_value(version.creator).unwrap()),
        name(serde_json::to_value(version.remover).unwrap()),
        if version.visible { " visible" } else { "" },
        version
            .newer_version
            .as_ref()
            .map_or(String::new(), |newer| format!(" -> {newer}"))
    )
}

/// Returns the same lines from the function of the schema, which decodes the headers itself.
async fn by_function(on: &impl Executor) -> Vec<String> {
    let sql = "SELECT concat(ctid, ' ', replace(creator, ' ', '_'), ' ',
                   coalesce(replace(replace(remover, 'none', 'nobody'), ' ', '_'), '?'), ' ',
                   CASE WHEN lockers IS NULL THEN '?' ELSE (
                       SELECT concat('[', string_agg(regexp_replace(locker, ' by .*', ''), ', ' ORDER BY locker), ']')
                       FROM unnest(lockers) AS locker
                   ) END,
                   CASE WHEN visible THEN ' visible' END, ' -> ' || newer_version)
               FROM concurrency.show_mvcc_info($1)
               ORDER BY ctid";
    let rows = on
        .query(statement(sql, [table().to_string().into()]))
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn sources(on: &impl Executor) -> Vec<String> {
    let sql = "SELECT DISTINCT source FROM concurrency.show_mvcc_info($1)";
    let rows = on
        .query(statement(sql, [table().to_string().into()]))
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
