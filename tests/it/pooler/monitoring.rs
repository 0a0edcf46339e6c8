//! The monitoring queries through PgBouncer in transaction mode: each returns the same as on a
//! direct connection.

use neobank_db::{Database, DatabaseConfig, Executor, Pooler, statement};
use neobank_ops::{Cause, Monitor, MonitorLimits, TableName, Thresholds, isolation};

use super::{before, connect, drop_user};
use crate::harness::TestBank;
use crate::ops::monitor_of;
use crate::ops::queries::{IN_SQL, Subjects, queries};
use crate::ops::session::Session;

on_both_versions!(
    every_query_runs_behind_a_pooler,
    concurrent_queries_do_not_interfere,
    isolation_levels_are_executed_behind_a_pooler,
);

fn subjects() -> Subjects {
    Subjects {
        table: TableName::new("banking", "currencies"),
        index: TableName::new("banking", "currencies_pkey"),
        thresholds: Thresholds::default(),
    }
}

/// Creates a waiting and a holding session, a sample, and the extension for exact measurements; the
/// user may read it all.
async fn scene(bank: &TestBank, config: &DatabaseConfig) -> (Session, Session) {
    let (holder, waiter) = (
        Session::open(bank.url()).await,
        Session::open(bank.url()).await,
    );
    holder
        .run(&format!(
            "CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pgstattuple; CREATE EXTENSION pageinspect;
             GRANT pg_monitor, pg_stat_scan_tables TO \"{}\";
             INSERT INTO pooling.pool_stats (pool_name, client_connections, server_connections, server_active, server_idle, max_wait_ms,
                 total_requests)
             VALUES ('teller', 9, 4, 4, 0, 200, 1)",
            config.user
        ))
        .await;
    holder
        .run("BEGIN; LOCK TABLE banking.customers IN SHARE MODE")
        .await;
    waiter
        .wait(
            &Session::open(bank.url()).await,
            "UPDATE banking.customers SET phone_primary = NULL",
        )
        .await;
    (holder, waiter)
}

async fn every_query_runs_behind_a_pooler(bank: TestBank) {
    let (pgbouncer, config) = before(&bank, |_| ()).await;
    let (holder, waiter) = scene(&bank, &config).await;
    let limits = MonitorLimits::default();
    let through = Monitor::connect(config.clone(), limits).await.unwrap();
    let past = monitor_of(bank.url()).await;
    let (subjects, mut answered) = (subjects(), 0);
    for (query, ask) in queries(&through, &subjects) {
        let reason = ask().await.unwrap();
        // Only a superuser may read the pages of a table, and then only visible rows are reported.
        assert_eq!(reason, None, "{query}");
        answered += 1;
    }
    assert!(answered >= 25, "{answered}");
    // The blocking sessions are the same from both sides.
    let edges = async |monitor: &Monitor| {
        let report = monitor.blocking().await.unwrap().into_value().unwrap();
        let mut edges = report.edges;
        edges.retain(|edge| edge.waiter.to_string() == waiter.pid.to_string());
        edges
    };
    let found = edges(&through).await;
    assert_eq!(found, edges(&past).await);
    assert_eq!(found[0].blocker.to_string(), holder.pid.to_string());
    // In SQL, each statement in a transaction of its own, as psql and Grafana send them.
    let database = connect(&config).await;
    let own = Database::connect(DatabaseConfig::from_url(bank.url()).unwrap())
        .await
        .unwrap();
    for (name, sql) in IN_SQL {
        let count = format!("SELECT count(*) FROM ({sql}) AS answer");
        let rows: i64 = database
            .fetch_value(statement(&count, []))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let is_steady = ["bloat", "mvcc", "size", "config"]
            .iter()
            .any(|part| name.contains(part));
        if is_steady {
            let directly: i64 = own.fetch_value(statement(&count, [])).await.unwrap();
            assert_eq!(rows, directly, "{name}");
            assert!(rows > 0, "{name}");
        }
    }
    // Nothing stays in the server's sessions for the next client.
    let left: String = database
        .fetch_value(statement(
            "SELECT concat_ws(' ', current_setting('jit'), current_setting('transaction_read_only'), current_setting('lock_timeout'))",
            [],
        ))
        .await
        .unwrap();
    assert!(!left.contains("100ms") && left.contains("off "), "{left}");
    drop((database, own, through, past, holder, waiter, pgbouncer));
    drop_user_with_grants(&bank, &config).await;
}

/// Two server connections for eight monitors.
async fn concurrent_queries_do_not_interfere(bank: TestBank) {
    let (pgbouncer, config) = before(&bank, |_| ()).await;
    let (holder, waiter) = scene(&bank, &config).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (config, waiter) = (config.clone(), waiter.pid);
        tasks.spawn(async move {
            let monitor = Monitor::connect(config, MonitorLimits::default())
                .await
                .unwrap();
            let subjects = subjects();
            for (query, ask) in queries(&monitor, &subjects) {
                let reason = ask().await.unwrap();
                // On a busy machine an answer may come too late; it must never be another one.
                let cause = reason.map(|reason| reason.cause);
                assert!(
                    matches!(cause, None | Some(Cause::StatementTimeout)),
                    "{query}: {cause:?}"
                );
            }
            let report = monitor.blocking().await.unwrap().into_value().unwrap();
            let waits = |one: &neobank_ops::blocking::Participant| {
                one.who.to_string() == waiter.to_string() && one.wait.is_some()
            };
            assert!(report.participants.iter().any(waits));
        });
    }
    tasks.join_all().await;
    drop((holder, waiter, pgbouncer));
    drop_user_with_grants(&bank, &config).await;
}

/// Its sessions are transactions, so that it works behind PgBouncer as well.
async fn isolation_levels_are_executed_behind_a_pooler(bank: TestBank) {
    let (pgbouncer, config) = before(&bank, |config| config.pool_size = 6).await;
    Session::open(bank.url())
        .await
        .run(&format!(
            "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO %I', current_database(), '{}'); END $$",
            config.user
        ))
        .await;
    assert_eq!(config.pooler, Pooler::Transaction);
    let report = isolation::run(&config).await.unwrap();
    assert_eq!(report.cells.len(), 40);
    assert_eq!(report.surprises().count(), 0, "{report}");
    drop(pgbouncer);
    drop_user_with_grants(&bank, &config).await;
}

async fn drop_user_with_grants(bank: &TestBank, config: &DatabaseConfig) {
    Session::open(bank.url())
        .await
        .run(&format!("DROP OWNED BY \"{}\"", config.user))
        .await;
    drop_user(bank, config).await;
}
