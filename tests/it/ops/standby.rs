//! A standby and its primary: conflicts with recovery, and autovacuum's own transactions.

use std::time::Duration;

use neobank_db::{DatabaseConfig, FromRow, Pooler, statement};
use neobank_ops::{Cause, Monitor, MonitorLimits, Section};

use super::session::Session;
use super::{monitor_of, until};
use crate::harness::{Standby, own_server};

/// Autovacuum begins at once and takes long.
const SETTINGS: [(&str, &str); 4] = [
    ("autovacuum_naptime", "1s"),
    ("autovacuum_vacuum_cost_delay", "100ms"),
    ("autovacuum_vacuum_cost_limit", "1"),
    ("autovacuum_max_workers", "1"),
];

#[derive(Debug, FromRow)]
struct Number {
    #[allow(dead_code, reason = "what is looked at is that there is none")]
    number: i64,
}

async fn recovery_conflict_affects_its_section_and_autovacuum_is_separate(version: u32) {
    let primary = own_server(version, &SETTINGS).await;
    let session = Session::open(primary.url()).await;
    for sql in [
        "CREATE TABLE public.t WITH (autovacuum_enabled = false) AS SELECT n FROM generate_series(1, 1000) AS n",
        "CREATE TABLE public.large AS SELECT n, repeat('x', 500) AS text FROM generate_series(1, 20000) AS n",
    ] {
        session.run(sql).await;
    }
    // Recovery cancels a conflicting query of the standby at once.
    let standby = Standby::of(&primary, &[("max_standby_streaming_delay", "0")]).await;
    standby.follow(&primary).await;
    let mut config = DatabaseConfig::from_url(&standby.url(primary.url())).unwrap();
    config.pooler = Pooler::Transaction;
    let limits = MonitorLimits::default().with_statement_timeout(Duration::from_secs(120));
    let monitor = Monitor::connect(config, limits).await.unwrap();
    let asked = tokio::spawn({
        let monitor = monitor.clone();
        async move {
            let sql =
                "SELECT pg_catalog.count(*) AS number FROM public.t, pg_catalog.pg_sleep(100)";
            let section: Section<Vec<Number>> = monitor.section(statement(sql, [])).await.unwrap();
            section
        }
    });
    until("recovery cancels the query", async || {
        session.run("UPDATE public.t SET n = n + 1").await;
        session.run("VACUUM public.t").await;
        asked.is_finished().then_some(())
    })
    .await;
    let section = asked.await.unwrap();
    let cause = section.reason().map(|reason| reason.cause);
    assert_eq!(cause, Some(Cause::Conflict), "{section:?}");
    // Recovery may still cancel queries; each conflict affects its own section and never the
    // report.
    until("sessions are answered", async || {
        monitor.sessions().await.unwrap().into_value()
    })
    .await;
    let own = until("the replication is answered", async || {
        monitor.replication().await.unwrap().into_value()
    })
    .await;
    assert_eq!(own.len(), 1, "{own:?}");
    assert_eq!(
        (own[0].standby.as_deref(), own[0].state.as_deref()),
        (None, Some("streaming"))
    );
    let feeding = monitor_of(primary.url()).await;
    until("the standby is fed and has replayed", async || {
        let rows = feeding.replication().await.unwrap().into_value().unwrap();
        let row = rows.first()?;
        assert_eq!((rows.len(), row.standby.is_some()), (1, true), "{rows:?}");
        (row.state.as_deref() == Some("streaming") && row.lag_bytes == Some(0)).then_some(())
    })
    .await;
    drop((monitor, feeding, standby));

    session
        .run("DELETE FROM public.large WHERE n % 2 = 0")
        .await;
    let monitor = monitor_of(primary.url()).await;
    until("autovacuum works for a while", async || {
        let totals = monitor.transaction_totals(Duration::ZERO).await.unwrap();
        let totals = totals.into_value().unwrap();
        (totals.longest_autovacuum_seconds > Some(1.0)).then(|| {
            let others = totals.longest_seconds.unwrap_or_default();
            assert!(others < 1.0, "{totals:?}");
            assert_eq!(totals.long, 0, "{totals:?}");
        })
    })
    .await;
    let rows = monitor.long_transactions(Duration::ZERO).await.unwrap();
    let rows = rows.into_value().unwrap();
    assert!(rows.iter().any(|row| row.is_autovacuum()), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovery_conflict_affects_its_section_and_autovacuum_is_separate_on_postgres_15() {
    recovery_conflict_affects_its_section_and_autovacuum_is_separate(15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovery_conflict_affects_its_section_and_autovacuum_is_separate_on_postgres_18() {
    recovery_conflict_affects_its_section_and_autovacuum_is_separate(18).await;
}
