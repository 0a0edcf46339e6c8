//! The monitor's connection: its restrictions and limits.

use std::time::Duration;

use neobank_db::{DatabaseConfig, Executor, FromRow, Statement, statement};
use neobank_ops::{Cause, Monitor, MonitorLimits, OpsError, Section};

use super::{monitor_of, until};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    monitor_is_one_read_only_session_with_limits,
    failure_of_one_query_is_a_section_without_result,
    failure_of_the_connection_is_an_error,
    query_of_a_locked_table_ends_at_the_lock_timeout,
);

#[derive(Debug, FromRow)]
struct Settings {
    application_name: String,
    transaction_read_only: String,
    statement_timeout: String,
    lock_timeout: String,
    search_path: String,
    jit: String,
    parallel_workers: String,
    process_id: i32,
}

fn settings() -> Statement {
    statement(
        "SELECT current_setting('application_name') AS application_name,
                current_setting('transaction_read_only') AS transaction_read_only,
                current_setting('statement_timeout') AS statement_timeout,
                current_setting('lock_timeout') AS lock_timeout,
                current_setting('search_path') AS search_path,
                current_setting('jit') AS jit,
                current_setting('max_parallel_workers_per_gather') AS parallel_workers,
                pg_backend_pid() AS process_id",
        [],
    )
}

async fn monitor_is_one_read_only_session_with_limits(database: EmptyDatabase) {
    let config = DatabaseConfig::from_url(&database.url).unwrap();
    let monitor = Monitor::connect(config, MonitorLimits::default())
        .await
        .unwrap();
    assert_eq!(monitor.server_version().major(), database.version);
    let mut processes = Vec::new();
    for _ in 0..3 {
        let row: Settings = monitor.fetch(settings()).await.unwrap().remove(0);
        expect_bounds(&row);
        processes.push(row.process_id);
        // Queries of several statements, such as an exact measurement.
        let transaction = monitor.transaction().await.unwrap();
        let row: Option<Settings> = transaction.fetch_one(settings()).await.unwrap();
        expect_bounds(row.as_ref().unwrap());
        transaction.rollback().await.unwrap();
    }
    let (first, second) = tokio::join!(
        monitor.fetch::<Settings>(settings()),
        monitor.fetch::<Settings>(settings())
    );
    processes.extend([
        first.unwrap().remove(0).process_id,
        second.unwrap().remove(0).process_id,
    ]);
    processes.dedup();
    assert_eq!(processes.len(), 1, "one session asks everything");
    let patient = monitor
        .with_limits(MonitorLimits::default().with_statement_timeout(Duration::from_secs(60)))
        .unwrap();
    let row: Settings = patient.fetch(settings()).await.unwrap().remove(0);
    assert_eq!(
        (&*row.statement_timeout, row.process_id),
        ("1min", processes[0])
    );
    let write = monitor
        .fetch::<Settings>(statement("CREATE TABLE public.x ()", []))
        .await
        .unwrap_err();
    assert!(
        matches!(&write, OpsError::Database(error) if error.server().unwrap().sqlstate == "25006"),
        "{write}"
    );
}

fn expect_bounds(row: &Settings) {
    assert_eq!(row.application_name, "neobank-ops");
    assert_eq!(row.transaction_read_only, "on");
    assert_eq!(
        (&*row.statement_timeout, &*row.lock_timeout),
        ("5s", "100ms")
    );
    assert_eq!(
        (&*row.search_path, &*row.jit, &*row.parallel_workers),
        ("pg_catalog, pg_temp", "off", "0")
    );
}

#[derive(Debug, FromRow)]
struct Number {
    #[allow(dead_code)]
    n: i32,
}

fn cause(section: Section<Vec<Number>>) -> Cause {
    section
        .reason()
        .unwrap_or_else(|| panic!("{section:?}"))
        .cause
}

async fn failure_of_one_query_is_a_section_without_result(database: EmptyDatabase) {
    let monitor = monitor_of(&database.url).await;
    let brief = monitor
        .with_limits(
            MonitorLimits::default()
                .with_lock_timeout(Duration::from_millis(10))
                .with_statement_timeout(Duration::from_millis(50)),
        )
        .unwrap();
    let ask = async |monitor: &Monitor, sql: &str| {
        cause(monitor.section(statement(sql, [])).await.unwrap())
    };
    assert_eq!(
        ask(&monitor, "SELECT n FROM pg_stat_statements").await,
        Cause::Missing
    );
    assert_eq!(
        ask(&monitor, "SELECT pooling.nothing() AS n").await,
        Cause::Missing
    );
    assert_eq!(
        ask(&brief, "SELECT 1 AS n FROM pg_sleep(60)").await,
        Cause::StatementTimeout
    );
    assert_eq!(ask(&monitor, "SELEC 1").await, Cause::Failed);
    assert_eq!(ask(&monitor, "SELECT 'a' AS n").await, Cause::Unreadable);
    // The connection stays usable.
    assert_eq!(
        monitor
            .fetch::<Number>(statement("SELECT 1 AS n", []))
            .await
            .unwrap()
            .len(),
        1
    );
}

async fn failure_of_the_connection_is_an_error(database: EmptyDatabase) {
    let mut config = DatabaseConfig::from_url(&database.url).unwrap();
    config.database = "there is \"none\" like\nthis".to_owned();
    let error = Monitor::connect(config.clone(), MonitorLimits::default())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, OpsError::Database(error) if error.server().unwrap().sqlstate == "3D000"),
        "{error}"
    );
    let without = MonitorLimits::default().with_lock_timeout(Duration::ZERO);
    let error = Monitor::connect(config, without).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "lock_timeout is 0ns, but must be at least 1 ms and below statement_timeout, which is 5s"
    );
}

async fn query_of_a_locked_table_ends_at_the_lock_timeout(database: EmptyDatabase) {
    let superuser = database.superuser().await;
    superuser
        .execute(statement("CREATE TABLE public.locked AS SELECT 1 AS n", []))
        .await
        .unwrap();
    let holder = superuser.begin().await.unwrap();
    holder
        .execute(statement("LOCK TABLE public.locked", []))
        .await
        .unwrap();
    let monitor = Monitor::connect(
        DatabaseConfig::from_url(&database.url).unwrap(),
        MonitorLimits::default(),
    )
    .await
    .unwrap();
    let section = monitor
        .section(statement("SELECT n FROM public.locked", []))
        .await
        .unwrap();
    assert_eq!(cause(section), Cause::LockTimeout);
    until("no session waits", async || {
        let sql = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'public.locked'::regclass";
        let waiting: i64 = superuser.fetch_value(statement(sql, [])).await.unwrap();
        (waiting == 0).then_some(())
    })
    .await;
}
