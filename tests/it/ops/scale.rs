//! Every query on a server with 500 connections, 5,000 tables and a hundred waiters on one row.

use std::time::{Duration, Instant};

use neobank_db::{FromRow, statement};
use neobank_ops::{TableName, Thresholds};

use super::queries::{IN_SQL, Subjects, expect_all_of_the_schema, queries};
use super::session::Session;
use super::{monitor_of, until};

const CONNECTIONS: usize = 500;
const TABLES: usize = 5_000;
const WAITERS: usize = 100;

/// The time limit of a query: 200 ms on an idle machine, as in its own step of the checks; twice as
/// long beside other tests, which take caches as well as processors.
fn limit() -> Duration {
    let milliseconds = std::env::var("NEOBANK_QUERY_MILLISECONDS");
    Duration::from_millis(milliseconds.map_or(400, |text| text.parse().unwrap()))
}

/// The number of attempts: other work of the machine only makes a query slower, so one fast attempt
/// is enough.
const TRIES: usize = 30;

/// A fixed amount of work for a processor, and its time on the machine of the stated limit. A
/// slower machine, and one whose processors share a core with others, gets proportionally more
/// time.
const YARDSTICK: &str = "SELECT count(*) FROM pg_catalog.generate_series(1, 10000) AS n
    WHERE pg_catalog.md5(n::text) > '8'";
const YARDSTICK_TIME: Duration = Duration::from_micros(7_600);

/// All of it runs in one thread, whose waits for a processor can be measured.
#[tokio::test(flavor = "current_thread")]
async fn every_query_is_fast_on_a_crowded_server() {
    for version in [15, 18] {
        let server = crate::harness::own_server(
            version,
            &[
                ("max_connections", "700"),
                ("max_locks_per_transaction", "256"),
                ("autovacuum", "off"),
                ("shared_preload_libraries", "pg_stat_statements"),
            ],
        )
        .await;
        ask_everything(version, server.url()).await;
        tokio::task::spawn_blocking(move || server.stop().unwrap())
            .await
            .unwrap();
    }
}

#[derive(FromRow)]
struct OwnSession {
    process_id: i32,
}

async fn ask_everything(version: u32, url: &str) {
    let observer = Session::open(url).await;
    crate::harness::migrate(url).await;
    for first in (1..=TABLES).step_by(500) {
        let last = first + 499;
        observer
            .run(&format!(
                "DO $$ BEGIN FOR n IN {first} .. {last} LOOP
                     EXECUTE format('CREATE TABLE public.t_%s (id int PRIMARY KEY, note text NOT NULL)', n);
                     EXECUTE format('INSERT INTO public.t_%s SELECT i, ''note '' || i FROM generate_series(1, 5) AS i', n);
                 END LOOP; END $$"
            ))
            .await;
    }
    // The server does this by itself in time.
    observer.run("VACUUM (ANALYZE)").await;
    // As many statements as are counted, a sample of a pool, and the extensions of exact
    // measurements.
    observer
        .run("CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pgstattuple; CREATE EXTENSION pageinspect")
        .await;
    for first in (1..=TABLES).step_by(500) {
        let selects: Vec<String> = (first..first + 500)
            .map(|table| format!("SELECT id FROM public.t_{table}"))
            .collect();
        observer.run(&selects.join(";")).await;
    }
    observer
        .run("INSERT INTO pooling.pool_stats (pool_name, client_connections, server_connections, server_active, server_idle, max_wait_ms, total_requests) VALUES ('teller', 9, 4, 4, 0, 200, 1)")
        .await;
    observer
        .run("CREATE TABLE public.hot AS SELECT 1 AS id")
        .await;
    let mut crowd = Vec::new();
    for number in 0..CONNECTIONS {
        let session = Session::open(url).await;
        // Some hold a hundred tables, most are idle.
        if number % 25 == 0 {
            let tables: Vec<String> = (1..=100).map(|table| format!("public.t_{table}")).collect();
            session
                .run(&format!(
                    "BEGIN; LOCK TABLE {} IN ROW EXCLUSIVE MODE",
                    tables.join(", ")
                ))
                .await;
        }
        crowd.push(session);
    }
    let holder = Session::open(url).await;
    holder.run("BEGIN; UPDATE public.hot SET id = 2").await;
    for session in crowd
        .iter()
        .filter(|session| session.pid != 0)
        .skip(1)
        .step_by(4)
        .take(WAITERS)
    {
        drop(session.send("UPDATE public.hot SET id = 3"));
    }
    until("a hundred waiters", async || {
        let count = observer
            .rows("SELECT count(*) FROM pg_locks WHERE NOT granted")
            .await[0]
            .get::<_, i64>(0);
        (count >= WAITERS as i64).then_some(())
    })
    .await;
    let monitor = monitor_of(url).await;
    let report = monitor.blocking().await.unwrap().into_value().unwrap();
    assert_eq!((report.edges.len(), report.roots.len()), (WAITERS, 1));
    assert_eq!(report.roots[0].waiters_in_all, WAITERS);
    expect_all_of_the_schema(&observer).await;
    let subjects = Subjects {
        table: TableName::new("public", "t_1"),
        index: TableName::new("public", "t_1_pkey"),
        thresholds: Thresholds::default(),
    };
    let mut late = Vec::new();
    let mut print = |query: &str, took: Duration| {
        let line = format!(
            "PostgreSQL {version}: {query:<36} {:>6.1} ms",
            took.as_secs_f64() * 1000.0
        );
        println!("{line}");
        if took > limit() {
            late.push(line);
        }
    };
    let own: Vec<OwnSession> = monitor
        .fetch(statement("SELECT pg_backend_pid() AS process_id", []))
        .await
        .unwrap();
    for (query, ask) in queries(&monitor, &subjects) {
        let took = best(&observer, own[0].process_id, async || {
            // A query without a result would be fast for no reason.
            let reason = ask().await.unwrap();
            assert!(reason.is_none(), "{query}: {reason:?}");
        });
        print(query, took.await);
    }
    for (query, sql) in IN_SQL {
        let took = best(&observer, observer.pid, async || {
            drop(observer.rows(sql).await);
        });
        print(query, took.await);
    }
    assert!(late.is_empty(), "above {:?}: {late:#?}", limit());
}

/// Returns the time of the fastest of several runs. For a late one, the time in which the session's
/// process, or this thread, was ready to run and waited for a processor does not count, and the
/// rest is divided by the machine's slowness.
async fn best(observer: &Session, session: i32, ask: impl AsyncFn()) -> Duration {
    let mut best = Duration::MAX;
    for number in 0..TRIES {
        let slowness_before = slowness(observer).await;
        let (begun, before) = (Instant::now(), waited_for_processors(session));
        ask().await;
        let took = begun.elapsed();
        let waited = waited_for_processors(session).saturating_sub(before);
        let own = if took <= limit() {
            took
        } else {
            let slowness = slowness_before.min(slowness(observer).await).max(1.0);
            took.saturating_sub(waited).div_f64(slowness)
        };
        best = best.min(own);
        if number >= 2 && best <= limit() {
            break;
        }
    }
    best
}

/// Returns the time of the yardstick on this machine divided by the stated one, without waits for a
/// processor.
async fn slowness(observer: &Session) -> f64 {
    let (begun, before) = (Instant::now(), waited_for_processors(observer.pid));
    drop(observer.rows(YARDSTICK).await);
    let waited = waited_for_processors(observer.pid).saturating_sub(before);
    let took = begun.elapsed().saturating_sub(waited);
    took.as_secs_f64() / YARDSTICK_TIME.as_secs_f64()
}

/// Returns how long the session's process and this thread have waited for a processor; zero where
/// the system does not record it.
fn waited_for_processors(session: i32) -> Duration {
    let waited = |path: &str| -> Option<u64> {
        let text = std::fs::read_to_string(path).ok()?;
        text.split_whitespace().nth(1)?.parse().ok()
    };
    let theirs = waited(&format!("/proc/{session}/schedstat"));
    let ours = waited("/proc/thread-self/schedstat");
    Duration::from_nanos(theirs.into_iter().chain(ours).sum())
}
