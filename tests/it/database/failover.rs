//! A primary and its standby, with the standby first in the URL: writes reach the primary,
//! whichever server fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use neobank_db::{Database, DatabaseConfig, Executor, statement};
use tokio::task::JoinSet;

use crate::harness::{Node, pair};

const APPLICATION: &str = "failover test";

/// Connects a pool whose first host is the standby.
async fn connect(primary: &Node, standby: &Node, attrs: &str) -> Database {
    let mut config = DatabaseConfig::from_url(primary.url()).unwrap();
    config.hosts = vec!["127.0.0.1".to_owned(); 2];
    config.ports = vec![standby.port(), primary.port()];
    if !attrs.is_empty() {
        let url = format!("{}?target_session_attrs={attrs}", primary.url());
        config.target_session_attrs = DatabaseConfig::from_url(&url).unwrap().target_session_attrs;
    }
    config.application_name = APPLICATION.to_owned();
    config.pool_max = 8;
    Database::connect(config).await.unwrap()
}

/// Sixteen callers that write repeatedly, and the numbers of their successes and failures.
struct Callers {
    written: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Callers {
    fn of(database: &Database) -> Self {
        let mut callers = Self {
            written: Arc::default(),
            failed: Arc::default(),
            is_over: Arc::default(),
            tasks: JoinSet::new(),
        };
        for _ in 0..16 {
            let database = database.clone();
            let (written, failed) = (Arc::clone(&callers.written), Arc::clone(&callers.failed));
            let is_over = Arc::clone(&callers.is_over);
            callers.tasks.spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let insert = statement("INSERT INTO public.note DEFAULT VALUES", []);
                    let count = match database.execute(insert).await {
                        Ok(_) => &written,
                        Err(_) => &failed,
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
        callers
    }

    /// Returns the time until every caller writes and none of a hundred calls fails.
    async fn until_well(&self) -> Duration {
        let started = Instant::now();
        let (mut since, mut written, mut failed) = (started, self.written(), self.failed());
        while self.written() < written + 100 {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{} written, {} failed",
                self.written(),
                self.failed()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
            if self.failed() > failed {
                (since, written, failed) = (Instant::now(), self.written(), self.failed());
            }
        }
        since.duration_since(started)
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Ends the callers, and returns the number of acknowledged rows.
    async fn end(mut self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.written()
    }
}

const SESSIONS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'failover test'";

/// Creates the table, and waits until the standby has it.
async fn table(primary: &Node, standby: &Node) {
    let superuser = primary.superuser().await;
    let create = "CREATE TABLE public.note (id bigint GENERATED ALWAYS AS IDENTITY)";
    superuser.execute(statement(create, [])).await.unwrap();
    let there = "SELECT count(*) FROM pg_class WHERE relname = 'note'";
    let deadline = Instant::now() + Duration::from_secs(60);
    while standby.number(there).await == 0 {
        assert!(Instant::now() < deadline, "the standby does not follow");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn restart(node: Node, pause: Duration) -> Node {
    tokio::task::spawn_blocking(move || {
        let mut node = node;
        node.stop();
        std::thread::sleep(pause);
        node.start();
        node
    })
    .await
    .unwrap()
}

async fn restarted_primary_is_found_again(version: u32) {
    let [mut primary, standby] = pair(version).await;
    table(&primary, &standby).await;
    let mut best = Duration::MAX;
    for attrs in ["", "read-write", "prefer-primary"] {
        let database = connect(&primary, &standby, attrs).await;
        let callers = Callers::of(&database);
        callers.until_well().await;
        assert_eq!(callers.failed(), 0, "{attrs}: the standby was taken");
        let written = callers.written();
        // The standby answers all the time.
        primary = restart(primary, Duration::from_secs(2)).await;
        assert!(callers.failed() > 0, "{attrs}: {written} written");
        best = best.min(callers.until_well().await);
        let sessions = standby.number(SESSIONS).await;
        assert_eq!(sessions, 0, "{attrs}: sessions on the standby");
        let written = callers.end().await;
        let sql = "SELECT count(*) FROM public.note";
        let rows = primary.number(sql).await.unsigned_abs();
        assert!(rows >= written, "{attrs}: {rows} of {written}");
        primary
            .superuser()
            .await
            .execute(statement("TRUNCATE public.note", []))
            .await
            .unwrap();
        database.close();
    }
    // The machine may be busy with other work, but not three times.
    assert!(best <= Duration::from_secs(2), "{best:?}");
}

async fn promoted_standby_replaces_the_old_primary(version: u32) {
    let [mut primary, standby] = pair(version).await;
    table(&primary, &standby).await;
    let database = connect(&primary, &standby, "").await;
    let callers = Callers::of(&database);
    callers.until_well().await;
    assert_eq!(callers.failed(), 0, "the standby was taken");
    primary = tokio::task::spawn_blocking(move || {
        primary.stop();
        primary
    })
    .await
    .unwrap();
    let superuser = standby.superuser().await;
    let promote = statement("SELECT pg_promote()", []);
    assert!(superuser.fetch_value::<bool>(promote).await.unwrap());
    let taken = callers.until_well().await;
    assert!(taken < Duration::from_secs(20), "{taken:?}");
    // The old primary returns as a standby of the new one: nothing changes.
    primary.follow(&standby);
    let failed = callers.failed();
    primary = tokio::task::spawn_blocking(move || {
        primary.start();
        primary
    })
    .await
    .unwrap();
    callers.until_well().await;
    assert_eq!(callers.failed(), failed);
    assert!(standby.number(SESSIONS).await > 0);
    assert_eq!(primary.number(SESSIONS).await, 0);
    callers.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_primary_is_found_again_on_postgres_15() {
    restarted_primary_is_found_again(15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_primary_is_found_again_on_postgres_18() {
    restarted_primary_is_found_again(18).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promoted_standby_replaces_the_old_primary_on_postgres_15() {
    promoted_standby_replaces_the_old_primary(15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promoted_standby_replaces_the_old_primary_on_postgres_18() {
    promoted_standby_replaces_the_old_primary(18).await;
}
