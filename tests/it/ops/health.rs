//! The verdicts on a pool, each driven by a load that causes it.

use std::time::Duration;

use neobank_db::pool::Sampler;
use neobank_db::{Database, Executor, statement};
use neobank_ops::checks::Severity;
use neobank_ops::health::{HealthCheck, PoolVerdict};
use neobank_ops::{Cause, Monitor, Thresholds};
use tokio::task::JoinHandle;

use super::session::Session;
use super::{monitor_of, until};
use crate::harness::TestBank;

on_both_versions!(
    pool_without_samples_has_no_verdict,
    working_pool_is_healthy,
    pool_with_waiting_callers_and_busy_sessions_is_too_small,
    pool_with_lock_waits_has_contention,
    pool_with_held_transactions_leaks,
    unused_pool_is_too_large,
    connections_of_the_server_are_judged,
    hostile_settings_are_found_in_every_place,
);

/// A pool of four under a load, with everything that its verdict needs.
struct Pool {
    bank: TestBank,
    database: Database,
    sampler: Sampler,
    monitor: Monitor,
    load: Vec<JoinHandle<()>>,
}

impl Pool {
    async fn of(bank: TestBank) -> Self {
        let mut config = bank.config();
        config.application_name = "teller's \"pool\"".to_owned();
        config.pool_max = 4;
        config.acquire_timeout = Duration::from_secs(60);
        config.lock_timeout = Duration::from_secs(60);
        config.statement_timeout = Duration::from_secs(60);
        config.idle_in_transaction_timeout = Duration::from_secs(60);
        let database = Database::connect(config).await.unwrap();
        Self {
            sampler: Sampler::new(&database),
            monitor: monitor_of(bank.url()).await,
            database,
            bank,
            load: Vec::new(),
        }
    }

    /// Starts callers that repeat a statement, each in a transaction that they then hold for a
    /// while without work.
    fn load(&mut self, callers: usize, sql: &'static str, hold: Duration) {
        for _ in 0..callers {
            let database = self.database.clone();
            self.load.push(tokio::spawn(async move {
                while let Ok(transaction) = database.begin().await {
                    if transaction.query(statement(sql, [])).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(hold).await;
                    let _ = transaction.rollback().await;
                }
            }));
        }
    }

    fn thresholds() -> Thresholds {
        let mut thresholds = Thresholds::default();
        thresholds.pool_health.held_seconds = 1;
        thresholds
    }

    /// Returns the verdict of Rust, which must equal that of SQL.
    async fn check(&self) -> HealthCheck {
        let thresholds = Self::thresholds();
        let own = self
            .monitor
            .pool_health(&thresholds)
            .await
            .unwrap()
            .into_value()
            .unwrap();
        assert_eq!(own.len(), 1, "{own:?}");
        own.into_iter().next().unwrap()
    }

    /// Samples until the verdict is the expected one, in Rust and in SQL, three times in a row, so
    /// that a fluctuating verdict fails.
    async fn expect(&mut self, verdict: PoolVerdict, status: Severity) {
        let asker = Session::open(self.bank.url()).await;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(90);
        let mut times = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            self.sampler.record().await.unwrap();
            let check = self.check().await;
            let rows = asker
                .rows("SELECT check_name, status, recommendation, verdict FROM pooling.check_pool_health(p_held_seconds => 1) WHERE check_name LIKE 'pool %'")
                .await;
            let text = |column: usize| rows[0].get::<_, String>(column);
            let word = |value: serde_json::Value| value.as_str().unwrap().to_owned();
            let is_it = check.verdict == Some(verdict)
                && text(3) == word(serde_json::to_value(verdict).unwrap());
            if is_it {
                assert_eq!(check.check_name, "pool teller's \"pool\"");
                assert_eq!(check.status, status);
                assert_eq!(
                    (text(0), text(1), text(2)),
                    (
                        check.check_name,
                        word(serde_json::to_value(status).unwrap()),
                        check.recommendation
                    )
                );
                times += 1;
                if times == 3 {
                    return;
                }
                continue;
            }
            times = 0;
            assert!(
                tokio::time::Instant::now() < deadline,
                "never {verdict:?}: {check:?}, in SQL {}",
                text(3)
            );
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.load.iter().for_each(JoinHandle::abort);
        self.database.close();
    }
}

async fn pool_without_samples_has_no_verdict(bank: TestBank) {
    let mut pool = Pool::of(bank).await;
    let section = pool
        .monitor
        .pool_health(&Thresholds::default())
        .await
        .unwrap();
    assert_eq!(section.reason().unwrap().cause, Cause::NoData);
    pool.sampler.record().await.unwrap();
    let check = pool.check().await;
    assert_eq!(
        (check.verdict, check.status),
        (Some(PoolVerdict::Unknown), Severity::Unknown)
    );
    let mut thresholds = Thresholds::default();
    thresholds.pool_health.samples_min = 0;
    let error = pool.monitor.pool_health(&thresholds).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("pool_health.samples_min is 0, but must be"),
        "{error}"
    );
}

async fn working_pool_is_healthy(bank: TestBank) {
    let mut pool = Pool::of(bank).await;
    pool.load(2, "SELECT 1", Duration::from_millis(1));
    pool.expect(PoolVerdict::Healthy, Severity::Ok).await;
}

async fn pool_with_waiting_callers_and_busy_sessions_is_too_small(bank: TestBank) {
    let mut pool = Pool::of(bank).await;
    pool.load(24, "SELECT pg_sleep(0.2)", Duration::ZERO);
    pool.expect(PoolVerdict::TooSmall, Severity::Critical).await;
}

async fn pool_with_lock_waits_has_contention(bank: TestBank) {
    let mut pool = Pool::of(bank).await;
    // Each has the lock for a while: the others wait for it, and callers for the others.
    pool.load(
        24,
        "SELECT pg_advisory_xact_lock(7), pg_sleep(0.2)",
        Duration::ZERO,
    );
    pool.expect(PoolVerdict::Contention, Severity::Critical)
        .await;
}

async fn pool_with_held_transactions_leaks(bank: TestBank) {
    let mut pool = Pool::of(bank).await;
    pool.load(24, "SELECT 1", Duration::from_secs(20));
    pool.expect(PoolVerdict::Leak, Severity::Critical).await;
}

async fn unused_pool_is_too_large(bank: TestBank) {
    let mut pool = Pool::of(bank).await;
    // Four connections for a moment; then no caller comes.
    let mut held = Vec::new();
    for _ in 0..4 {
        let transaction = pool.database.begin().await.unwrap();
        transaction.query(statement("SELECT 1", [])).await.unwrap();
        held.push(transaction);
    }
    for transaction in held {
        transaction.rollback().await.unwrap();
    }
    until("the connections come back", async || {
        (pool.database.status().idle == 4).then_some(())
    })
    .await;
    pool.sampler = Sampler::new(&pool.database);
    pool.expect(PoolVerdict::TooLarge, Severity::Warning).await;
}

async fn connections_of_the_server_are_judged(bank: TestBank) {
    let monitor = monitor_of(bank.url()).await;
    let open = Session::open(bank.url()).await;
    open.run("BEGIN").await;
    let mut thresholds = Thresholds::default();
    thresholds.connections.usage_warning_percent = 1;
    thresholds.connections.usage_critical_percent = 100;
    thresholds.transactions.idle_warning_seconds = 0;
    thresholds.transactions.idle_critical_seconds = 86_400;
    let mut crowd = Vec::new();
    for _ in 0..8 {
        crowd.push(Session::open(bank.url()).await);
    }
    let checks = monitor
        .server_health(&thresholds)
        .await
        .unwrap()
        .into_value()
        .unwrap();
    let found: Vec<_> = checks
        .iter()
        .map(|check| (&*check.check_name, check.status))
        .collect();
    assert_eq!(
        found,
        [
            ("connection_utilization", Severity::Warning),
            ("idle_in_transaction", Severity::Warning)
        ]
    );
    thresholds.transactions.idle_critical_seconds = 0;
    let checks = monitor
        .server_health(&thresholds)
        .await
        .unwrap()
        .into_value()
        .unwrap();
    assert_eq!(checks[1].status, Severity::Critical);
    let sql = "SELECT check_name, status, recommendation FROM pooling.check_pool_health(
                   p_usage_warning_percent => 1, p_usage_critical_percent => 100, p_idle_warning_seconds => 0, p_idle_critical_seconds => 0)
               WHERE verdict IS NULL ORDER BY check_name";
    let rows = crowd[0].rows(sql).await;
    let theirs: Vec<(String, String, String)> = rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let ours: Vec<(String, String, String)> = checks
        .into_iter()
        .map(|check| {
            let status = serde_json::to_value(check.status)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned();
            (check.check_name, status, check.recommendation)
        })
        .collect();
    assert_eq!(ours, theirs);
}

async fn hostile_settings_are_found_in_every_place(bank: TestBank) {
    let name = bank.config().database;
    let role = format!("\"odd role {name}\"");
    let session = Session::open(bank.url()).await;
    let found = async || {
        let monitor = monitor_of(bank.url()).await;
        let checks = monitor
            .setting_health()
            .await
            .unwrap()
            .into_value()
            .unwrap();
        let lines = checks.into_iter().map(|check| {
            format!(
                "{} {:?}: {}",
                check.check_name, check.status, check.current_value
            )
        });
        // Another test's role may have defaults in every database.
        lines
            .filter(|line| line.contains(&name) || line.contains("command line"))
            .collect::<Vec<_>>()
    };
    let server = [
        "setting fsync Critical: off (command line)",
        "setting full_page_writes Critical: off (command line)",
        "setting synchronous_commit Warning: off (command line)",
    ];
    assert_eq!(found().await, server);
    session
        .run(&format!(
            "CREATE ROLE {role};
             ALTER ROLE {role} SET session_replication_role = replica;
             ALTER ROLE {role} IN DATABASE {name} SET synchronous_commit = 'false';
             ALTER DATABASE {name} SET zero_damaged_pages = 'yes';
             ALTER DATABASE {name} SET statement_timeout = '1ms';
             ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
        ))
        .await;
    let mut expected = vec![
        server[0].to_owned(),
        server[1].to_owned(),
        format!("setting session_replication_role Critical: replica (ALTER ROLE {role} SET)"),
        format!("setting zero_damaged_pages Critical: yes (ALTER DATABASE {name} SET)"),
        format!(
            "setting synchronous_commit Warning: false (ALTER ROLE {role} IN DATABASE {name} SET)"
        ),
        server[2].to_owned(),
    ];
    let mut lines = found().await;
    expected.sort();
    lines.sort();
    assert_eq!(lines, expected);
    session
        .run(&format!("ALTER DATABASE {name} RESET ALL"))
        .await;
    session.run(&format!("DROP ROLE {role}")).await;
}
