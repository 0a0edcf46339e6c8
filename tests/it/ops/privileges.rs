//! Every query by roles with few privileges: sections without a result, never an error of the
//! whole.

use std::time::Duration;

use neobank_db::DatabaseConfig;
use neobank_ops::blocking::Class;
use neobank_ops::checks::Severity;
use neobank_ops::{Cause, Monitor, MonitorLimits, OpsError, Section, TableName, Thresholds};

use super::queries::{Subjects, queries};
use super::session::Session;
use crate::harness::TestBank;

on_both_versions!(
    plain_role_gets_public_data,
    role_with_pg_monitor_sees_all_data_of_the_server,
    every_query_has_a_result_or_a_reason,
    database_with_a_hostile_name_is_monitored,
);

/// Creates a unique role, and opens a monitor that acts as it.
async fn monitor_as(bank: &TestBank, grant: &str) -> (Monitor, String) {
    let session = Session::open(bank.url()).await;
    let role = format!("o'role \"{}\".é", session.pid);
    let quoted = format!("\"{}\"", role.replace('"', "\"\""));
    session.run(&format!("CREATE ROLE {quoted}")).await;
    if !grant.is_empty() {
        session.run(&format!("GRANT {grant} TO {quoted}")).await;
    }
    let config = DatabaseConfig::from_url(bank.url())
        .unwrap()
        .with_role(role);
    let limits = MonitorLimits::default().with_statement_timeout(Duration::from_secs(60));
    (Monitor::connect(config, limits).await.unwrap(), quoted)
}

fn cause<T: std::fmt::Debug>(section: Result<Section<T>, OpsError>) -> Option<Cause> {
    section.unwrap().reason().map(|reason| reason.cause)
}

async fn scene(bank: &TestBank) -> (Session, Session) {
    let (holder, waiter) = (
        Session::open(bank.url()).await,
        Session::open(bank.url()).await,
    );
    holder.run("CREATE TABLE public.account (id int)").await;
    holder.run("BEGIN; LOCK TABLE public.account").await;
    waiter
        .wait(
            &Session::open(bank.url()).await,
            "BEGIN; SELECT * FROM public.account",
        )
        .await;
    (holder, waiter)
}

async fn plain_role_gets_public_data(bank: TestBank) {
    let (holder, waiter) = scene(&bank).await;
    let (monitor, role) = monitor_as(&bank, "").await;
    // Every role sees the blocking graph, but not the activity of other sessions.
    let report = monitor.blocking().await.unwrap().into_value().unwrap();
    let edge = report
        .edges
        .iter()
        .find(|edge| edge.waiter.to_string() == waiter.pid.to_string())
        .unwrap();
    assert_eq!(edge.blocker.to_string(), holder.pid.to_string());
    let blocker = report.participant(&edge.blocker).unwrap();
    assert_eq!(
        (blocker.class, blocker.state.as_deref()),
        (Class::Unknown, None)
    );
    assert!(blocker.remedy.contains("pg_monitor"));
    let groups = monitor
        .connection_analysis()
        .await
        .unwrap()
        .into_value()
        .unwrap();
    assert!(groups.iter().any(|group| group.hidden > 0));
    // The server hides these without an error: an empty result would look healthy.
    assert_eq!(
        cause(monitor.idle_connections(Duration::ZERO).await),
        Some(Cause::InsufficientPrivilege)
    );
    assert_eq!(
        cause(monitor.long_transactions(Duration::ZERO).await),
        Some(Cause::InsufficientPrivilege)
    );
    let health = monitor
        .server_health(&Thresholds::default())
        .await
        .unwrap()
        .into_value()
        .unwrap();
    assert_eq!(
        (&*health[1].check_name, health[1].status),
        ("idle_in_transaction", Severity::Unknown)
    );
    let asker = Session::open(bank.url()).await;
    asker.run("SET ROLE neobank_read").await;
    let row = &asker
        .rows("SELECT status, recommendation FROM pooling.check_pool_health() WHERE check_name = 'idle_in_transaction'")
        .await[0];
    assert_eq!(
        (row.get::<_, String>(0), row.get::<_, String>(1)),
        ("UNKNOWN".to_owned(), health[1].recommendation.clone())
    );
    // The bank's own tables are not.
    assert_eq!(
        cause(monitor.deadlocks(1).await),
        Some(Cause::InsufficientPrivilege)
    );
    assert_eq!(
        cause(monitor.pool_health(&Thresholds::default()).await),
        Some(Cause::InsufficientPrivilege)
    );
    assert_eq!(
        cause(monitor.slow_statements(5).await),
        Some(Cause::Missing)
    );
    for answered in [
        cause(monitor.connection_limits().await),
        cause(monitor.server_health(&Thresholds::default()).await),
        cause(monitor.deadlock_counts().await),
        cause(monitor.deadlock_risks().await),
        cause(monitor.lock_orders().await),
        cause(monitor.cache_hits().await),
    ] {
        assert_eq!(answered, None);
    }
    drop(monitor);
    drop_role(&bank, &role).await;
}

async fn role_with_pg_monitor_sees_all_data_of_the_server(bank: TestBank) {
    let (holder, waiter) = scene(&bank).await;
    let (monitor, role) = monitor_as(&bank, "pg_monitor").await;
    let report = monitor.blocking().await.unwrap().into_value().unwrap();
    let of = |session: &Session| {
        let found = report
            .participants
            .iter()
            .find(|one| one.who.to_string() == session.pid.to_string());
        found.unwrap().clone()
    };
    assert_eq!(of(&holder).class, Class::IdleInTransaction);
    assert_eq!(
        of(&waiter).query.as_deref(),
        Some("BEGIN; SELECT * FROM public.account")
    );
    let groups = monitor
        .connection_analysis()
        .await
        .unwrap()
        .into_value()
        .unwrap();
    assert!(groups.iter().all(|group| group.hidden == 0));
    let idle = monitor
        .idle_connections(Duration::ZERO)
        .await
        .unwrap()
        .into_value()
        .unwrap();
    assert!(idle.iter().any(|row| row.process_id == holder.pid));
    let long = monitor
        .long_transactions(Duration::ZERO)
        .await
        .unwrap()
        .into_value()
        .unwrap();
    assert!(long.iter().any(|row| row.process_id == holder.pid));
    // It may read what the bank grants it; that grant belongs to another role.
    assert_eq!(
        cause(monitor.deadlocks(1).await),
        Some(Cause::InsufficientPrivilege)
    );
    Session::open(bank.url())
        .await
        .run(&format!("GRANT neobank_read TO {role}"))
        .await;
    assert_eq!(cause(monitor.deadlocks(1).await), None);
    assert_eq!(
        cause(monitor.pool_health(&Thresholds::default()).await),
        Some(Cause::NoData)
    );
    drop(monitor);
    drop_role(&bank, &role).await;
}

/// No role makes a query fail: queries without the privilege are n/a, each for its own reason, and
/// the others are not.
async fn every_query_has_a_result_or_a_reason(bank: TestBank) {
    let session = Session::open(bank.url()).await;
    session
        .run("CREATE EXTENSION pgstattuple; CREATE EXTENSION pageinspect; CREATE EXTENSION pg_stat_statements")
        .await;
    let subjects = Subjects {
        table: TableName::new("banking", "currencies"),
        index: TableName::new("banking", "currencies_pkey"),
        thresholds: Thresholds::default(),
    };
    for (grant, expected) in [
        (
            "",
            &[
                ("consumer_lags", Cause::InsufficientPrivilege),
                ("deadlock_total", Cause::InsufficientPrivilege),
                ("deadlocks", Cause::InsufficientPrivilege),
                ("idle_connections", Cause::InsufficientPrivilege),
                ("idle_totals", Cause::InsufficientPrivilege),
                ("long_transactions", Cause::InsufficientPrivilege),
                ("measure_index", Cause::InsufficientPrivilege),
                ("measure_table", Cause::InsufficientPrivilege),
                ("pool_health", Cause::InsufficientPrivilege),
                ("pool_samples", Cause::InsufficientPrivilege),
                ("row_versions", Cause::InsufficientPrivilege),
                ("sealing_lag", Cause::InsufficientPrivilege),
                ("transaction_totals", Cause::InsufficientPrivilege),
            ][..],
        ),
        (
            "pg_monitor",
            &[
                ("deadlock_total", Cause::InsufficientPrivilege),
                ("deadlocks", Cause::InsufficientPrivilege),
                ("pool_health", Cause::InsufficientPrivilege),
                ("pool_samples", Cause::InsufficientPrivilege),
                ("row_versions", Cause::InsufficientPrivilege),
            ],
        ),
        (
            "pg_monitor, neobank_read",
            &[("pool_health", Cause::NoData)],
        ),
    ] {
        let (monitor, role) = monitor_as(&bank, grant).await;
        let mut not_available = Vec::new();
        for (query, ask) in queries(&monitor, &subjects) {
            let reason = ask()
                .await
                .unwrap_or_else(|error| panic!("{grant}: {query}: {error}"));
            if let Some(reason) = reason {
                assert!(!reason.detail.is_empty());
                not_available.push((query, reason.cause));
            }
        }
        not_available.sort_by_key(|one| one.0);
        assert_eq!(not_available, expected, "{grant}");
        drop(monitor);
        drop_role(&bank, &role).await;
    }
}

async fn drop_role(bank: &TestBank, role: &str) {
    let session = Session::open(bank.url()).await;
    session.run(&format!("DROP ROLE {role}")).await;
}

async fn database_with_a_hostile_name_is_monitored(bank: TestBank) {
    let session = Session::open(bank.url()).await;
    let name = format!("a \"b\".c'; --\n{} é", session.pid);
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    session
        .run(&format!("CREATE DATABASE {quoted} TEMPLATE template0"))
        .await;
    let mut config = DatabaseConfig::from_url(bank.url()).unwrap();
    config.database.clone_from(&name);
    let limits = MonitorLimits::default().with_statement_timeout(Duration::from_secs(60));
    let monitor = Monitor::connect(config.clone(), limits).await.unwrap();
    let client = neobank_db::Database::connect(config).await.unwrap();
    let held = client.begin().await.unwrap();
    neobank_db::Executor::execute(&held, neobank_db::statement("SELECT 1", []))
        .await
        .unwrap();
    let groups = monitor
        .connection_analysis()
        .await
        .unwrap()
        .into_value()
        .unwrap();
    let group = groups
        .iter()
        .find(|group| group.database.as_deref() == Some(&name))
        .unwrap();
    assert_eq!((group.total_connections, group.idle_in_transaction), (1, 1));
    let hits = monitor.cache_hits().await.unwrap().into_value().unwrap();
    assert!(
        hits.iter()
            .any(|row| row.database.as_deref() == Some(&name))
    );
    assert_eq!(cause(monitor.blocking().await), None);
    assert_eq!(cause(monitor.deadlock_risks().await), None);
    assert_eq!(cause(monitor.deadlocks(1).await), Some(Cause::Missing));
    held.rollback().await.unwrap();
    client.close();
    drop((client, monitor));
    session
        .run(&format!("DROP DATABASE {quoted} WITH (FORCE)"))
        .await;
}
