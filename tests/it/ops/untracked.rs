//! Sessions whose activity the server does not track: they are reported, not omitted.

use std::time::Duration;

use neobank_db::pool::Sampler;
use neobank_db::{Database, DatabaseConfig, Executor, statement};
use neobank_ops::blocking::{Class, Who};
use neobank_ops::checks::Severity;
use neobank_ops::health::PoolVerdict;
use neobank_ops::{Monitor, Thresholds};

use super::session::Session;
use super::{monitor_of, until};
use crate::cli::program::run;

/// The server is the test's own: other tests judge all sessions of theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn untracked_sessions_are_reported() {
    for version in [15, 18] {
        let server = crate::harness::own_server(version, &[]).await;
        crate::harness::migrate(server.url()).await;
        some_sessions(server.url()).await;
        a_pool(server.url()).await;
        tokio::task::spawn_blocking(move || server.stop().unwrap())
            .await
            .unwrap();
    }
}

async fn untracked(url: &str) -> Session {
    let session = Session::open(url).await;
    session.run("SET track_activities = off").await;
    session
}

async fn some_sessions(url: &str) {
    let observer = Session::open(url).await;
    observer.run("CREATE TABLE public.account (id int)").await;
    let open = Session::open(url).await;
    open.run("BEGIN; SELECT 1").await;
    let monitor = monitor_of(url).await;
    well_known(&monitor, url).await;
    let (holder, at_rest, waiter) = (
        untracked(url).await,
        untracked(url).await,
        Session::open(url).await,
    );
    holder.run("BEGIN; LOCK TABLE public.account").await;
    waiter
        .wait(&observer, "BEGIN; SELECT * FROM public.account")
        .await;
    connections(&monitor, &observer).await;
    idle(&monitor, &observer, [holder.pid, at_rest.pid], open.pid).await;
    transactions(&monitor, holder.pid).await;
    blocking(&monitor, &observer, holder.pid).await;
    health(&monitor, &observer).await;
    for (subject, said) in [
        ("idle", "the activity of 2 sessions is unknown"),
        ("transactions", "the activity of 1 session is unknown"),
        ("health", "2 sessions are not tracked"),
        ("connections", "the activity of 2 sessions is unknown"),
    ] {
        let shown = run(url, &["ops", subject]).await;
        assert!(shown.out.contains(said), "{subject}: {}", shown.out);
        let check = run(url, &["ops", subject, "--check"]).await;
        // The use of connections is known nevertheless, and the tests' server is not durable.
        let code = match subject {
            "connections" => 0,
            "health" => 2,
            _ => 3,
        };
        assert_eq!(check.code, code, "{subject}: {}", check.out);
    }
}

/// Without such a session, the same checks are ok.
async fn well_known(monitor: &Monitor, url: &str) {
    for subject in ["idle", "transactions"] {
        let check = run(url, &["ops", subject, "--check"]).await;
        assert_eq!(check.code, 0, "{subject}: {}", check.out);
    }
    let health = monitor.server_health(&Thresholds::default()).await.unwrap();
    assert_eq!(health.value().unwrap()[1].status, Severity::Ok);
}

async fn connections(monitor: &Monitor, observer: &Session) {
    let rows = monitor.connection_analysis().await.unwrap();
    let rows = rows.into_value().unwrap();
    let sum = |of: fn(&neobank_ops::connections::ConnectionRow) -> i64| rows.iter().map(of).sum();
    let (untracked, other, hidden): (i64, i64, i64) = (
        sum(|row| row.untracked),
        sum(|row| row.other),
        sum(|row| row.hidden),
    );
    assert_eq!((untracked, other, hidden), (2, 0, 0));
    let sql = "SELECT sum(untracked)::int8, sum(other)::int8 FROM pooling.v_connection_analysis";
    let view = &observer.rows(sql).await[0];
    assert_eq!((view.get::<_, i64>(0), view.get::<_, i64>(1)), (2, 0));
}

async fn idle(monitor: &Monitor, observer: &Session, unknown: [i32; 2], known: i32) {
    let rows = monitor.idle_connections(Duration::ZERO).await.unwrap();
    let rows = rows.into_value().unwrap();
    let (tracked, untracked): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.is_tracked());
    assert!(tracked.iter().any(|row| row.process_id == known));
    let mut found: Vec<i32> = untracked.iter().map(|row| row.process_id).collect();
    found.sort_unstable();
    let mut unknown = unknown;
    unknown.sort_unstable();
    assert_eq!(found, unknown);
    assert!(rows.is_sorted_by_key(|row| !row.is_tracked()));
    for row in untracked {
        assert_eq!((row.idle_seconds, row.state_change), (None, None));
    }
    let view = observer
        .rows("SELECT pid FROM pooling.v_idle_connections WHERE state = 'disabled' AND idle_seconds IS NULL ORDER BY pid")
        .await;
    let view: Vec<i32> = view.iter().map(|row| row.get(0)).collect();
    assert_eq!(view, unknown);
}

/// The open transaction is known, but not its age.
async fn transactions(monitor: &Monitor, holder: i32) {
    let hour = Duration::from_secs(3600);
    let rows = monitor.long_transactions(hour).await.unwrap();
    let rows = rows.into_value().unwrap();
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row.process_id, row.started_at, row.transaction_seconds))
        .collect();
    assert_eq!(found, [(holder, None, None)]);
}

async fn blocking(monitor: &Monitor, observer: &Session, holder: i32) {
    let report = monitor.blocking().await.unwrap().into_value().unwrap();
    let who = Who::Session { process_id: holder };
    assert_eq!(report.edges.len(), 1);
    assert_eq!(report.edges[0].blocker, who);
    let blocker = report.participant(&who).unwrap();
    assert_eq!(blocker.class, Class::Untracked);
    assert!(blocker.remedy.contains("track_activities"));
    let row = &observer
        .rows("SELECT blocking_pid, blocking_class, remedy FROM concurrency.v_lock_analysis")
        .await[0];
    assert_eq!(
        (
            row.get::<_, i32>(0),
            row.get::<_, &str>(1),
            row.get::<_, &str>(2)
        ),
        (holder, "untracked", blocker.remedy.as_str())
    );
}

async fn health(monitor: &Monitor, observer: &Session) {
    let checks = monitor.server_health(&Thresholds::default()).await.unwrap();
    let check = checks.into_value().unwrap().remove(1);
    assert_eq!(check.status, Severity::Unknown);
    assert_eq!(check.current_value, "0, and 2 sessions are not tracked");
    let row = &observer
        .rows("SELECT status, current_value, recommendation FROM pooling.check_pool_health() WHERE check_name = 'idle_in_transaction'")
        .await[0];
    assert_eq!(
        (
            row.get::<_, &str>(0),
            row.get::<_, &str>(1),
            row.get::<_, &str>(2)
        ),
        (
            "UNKNOWN",
            &*check.current_value,
            check.recommendation.as_str()
        )
    );
}

/// Callers wait, and the activity of the pool's sessions is untracked: no advice to make it larger.
async fn a_pool(url: &str) {
    let observer = Session::open(url).await;
    observer
        .run("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET track_activities = off', current_database()); END $$")
        .await;
    let mut config = DatabaseConfig::from_url(url).unwrap();
    config.application_name = "teller".to_owned();
    config.pool_max = 4;
    config.acquire_timeout = Duration::from_secs(60);
    let pool = Database::connect(config).await.unwrap();
    let mut sampler = Sampler::new(&pool);
    let load: Vec<_> = (0..24)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                while let Ok(transaction) = pool.begin().await {
                    let sleep = statement("SELECT pg_catalog.pg_sleep(0.2)", []);
                    if transaction.query(sleep).await.is_err() {
                        return;
                    }
                    let _ = transaction.rollback().await;
                }
            })
        })
        .collect();
    // The monitor's own session is not tracked either now.
    let monitor = monitor_of(url).await;
    let mut thresholds = Thresholds::default();
    thresholds.pool_health.window_seconds = 10;
    let check = until("callers wait", async || {
        tokio::time::sleep(Duration::from_millis(250)).await;
        sampler.record().await.unwrap();
        let found = monitor.pool_health(&thresholds).await.unwrap();
        let found = found.into_value()?.remove(0);
        let mut words = found.current_value.split(' ');
        let waiting: u32 = words.next()?.parse().ok()?;
        let samples: u32 = words.nth(1)?.parse().ok()?;
        (samples >= 3 && waiting * 2 >= samples).then_some(found)
    })
    .await;
    assert_eq!(check.verdict, Some(PoolVerdict::Unknown), "{check:?}");
    assert!(check.recommendation.contains("track_activities"));
    let row = &observer
        .rows("SELECT verdict, recommendation FROM pooling.check_pool_health() WHERE check_name = 'pool teller'")
        .await[0];
    assert_eq!(
        (row.get::<_, &str>(0), row.get::<_, &str>(1)),
        ("unknown", check.recommendation.as_str())
    );
    let idle = monitor.idle_connections(Duration::ZERO).await.unwrap();
    let idle = idle.into_value().unwrap();
    assert!(
        idle.iter()
            .all(|row| row.application_name.as_deref() != Some(Monitor::APPLICATION_NAME))
    );
    load.iter().for_each(tokio::task::JoinHandle::abort);
    pool.close();
}
