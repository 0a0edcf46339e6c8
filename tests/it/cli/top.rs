//! `neobank top` against live servers: its samples, and the targets of its signals.

use std::time::Duration;

use neobank_cli::top::{Sample, sample};
use neobank_db::DatabaseConfig;
use neobank_ops::live::{SessionRow, Signal, SignalOutcome, Target};
use neobank_ops::{Cause, Monitor, MonitorLimits, Section};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, NoTls};

use crate::harness::EmptyDatabase;

on_empty_databases!(
    sample_contains_sessions_blocking_connections_and_counters,
    cancellation_hits_only_the_chosen_statement,
    termination_hits_only_the_chosen_session,
    stale_target_is_not_signalled,
    missing_privilege_is_shown,
);

struct Worker {
    client: std::sync::Arc<Client>,
    process_id: i32,
}

impl Worker {
    async fn connect(database: &EmptyDatabase, application_name: &str) -> Self {
        let mut config: tokio_postgres::Config = database.url.parse().unwrap();
        let (client, connection) = config
            .application_name(application_name)
            .connect(NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        let row = client.query_one("SELECT pg_backend_pid()", &[]).await;
        Self {
            process_id: row.unwrap().get(0),
            client: std::sync::Arc::new(client),
        }
    }

    async fn run(&self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await
    }

    fn send(&self, sql: &'static str) -> JoinHandle<Result<(), Error>> {
        let client = std::sync::Arc::clone(&self.client);
        tokio::spawn(async move { client.batch_execute(sql).await })
    }
}

async fn monitor_of(url: &str) -> Monitor {
    let limits = MonitorLimits::default()
        .with_statement_timeout(Duration::from_secs(60))
        .with_lock_timeout(Duration::from_secs(30));
    Monitor::connect(DatabaseConfig::from_url(url).unwrap(), limits)
        .await
        .unwrap()
}

/// Samples until a session is in the expected state.
async fn until(
    monitor: &Monitor,
    process_id: i32,
    fits: impl Fn(&SessionRow) -> bool,
) -> (Sample, SessionRow) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let sample = sample(monitor).await.unwrap();
        let sessions = sample.sessions.value().unwrap();
        let found = sessions
            .iter()
            .find(|session| session.process_id == process_id && fits(session));
        if let Some(session) = found.cloned() {
            return (sample, session);
        }
        assert!(tokio::time::Instant::now() < deadline, "never seen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn is_running(session: &SessionRow) -> bool {
    session.state.as_deref() == Some("active")
}

fn target(session: &SessionRow) -> Target {
    Target::new(session.process_id, session.backend_start.unwrap())
        .with_statement_started_at(session.statement_started_at)
}

async fn signal(monitor: &Monitor, signal: Signal, target: &Target) -> SignalOutcome {
    let outcome = monitor.signal(signal, target).await.unwrap();
    outcome.into_value().unwrap()
}

async fn sample_contains_sessions_blocking_connections_and_counters(database: EmptyDatabase) {
    let monitor = monitor_of(&database.url).await;
    let holder = Worker::connect(&database, "holder").await;
    let waiter = Worker::connect(&database, "waiter \u{1b}[2J").await;
    holder
        .run("CREATE TABLE public.hot (id int); INSERT INTO public.hot VALUES (1)")
        .await
        .unwrap();
    holder
        .run("BEGIN; UPDATE public.hot SET id = 1")
        .await
        .unwrap();
    let before = sample(&monitor).await.unwrap();
    let _waiting = waiter.send("UPDATE public.hot SET id = 2");
    let (sample, waiting) = until(&monitor, waiter.process_id, |session| {
        session.wait_event_type.as_deref() == Some("Lock")
    })
    .await;
    assert_eq!(waiting.state.as_deref(), Some("active"));
    assert_eq!(
        waiting.statement.as_deref(),
        Some("UPDATE public.hot SET id = 2")
    );
    assert!(waiting.statement_age_milliseconds.is_some());
    assert!(waiting.transaction_age_milliseconds >= waiting.statement_age_milliseconds);
    let sessions = sample.sessions.value().unwrap();
    assert_eq!(sessions.iter().filter(|session| session.is_own).count(), 1);
    let of_holder = |session: &&SessionRow| session.process_id == holder.process_id;
    let idle = sessions.iter().find(of_holder).unwrap();
    assert_eq!(idle.state.as_deref(), Some("idle in transaction"));
    assert_eq!(idle.statement_age_milliseconds, None);
    assert_eq!(idle.application_name.as_deref(), Some("holder"));

    let blocking = sample.blocking.value().unwrap();
    let of = |process_id: i32| {
        let line = blocking
            .iter()
            .find(|line| line.process_id == Some(process_id));
        line.unwrap_or_else(|| panic!("{blocking:?}"))
    };
    let (root, below) = (of(holder.process_id), of(waiter.process_id));
    assert_eq!(
        (root.depth, root.place, root.waiters),
        (0, "blocks", Some(1))
    );
    assert_eq!((below.depth, below.place), (1, "waits"));
    assert!(
        below
            .lock
            .as_deref()
            .unwrap()
            .contains("\"public\".\"hot\"")
    );

    assert!(sample.places.value().unwrap().used >= 3);
    let (now, earlier) = (
        sample.counters.value().unwrap(),
        before.counters.value().unwrap(),
    );
    // Other tests drop their databases with their commits, so the sum may fall.
    assert!(now.commits > 0 && now.taken_at > earlier.taken_at);
}

async fn cancellation_hits_only_the_chosen_statement(database: EmptyDatabase) {
    let monitor = monitor_of(&database.url).await;
    let worker = Worker::connect(&database, "worker").await;
    let sleeping = worker.send("SELECT pg_sleep(600)");
    let (_, seen) = until(&monitor, worker.process_id, is_running).await;
    let first = target(&seen);
    assert_eq!(
        signal(&monitor, Signal::Cancel, &first).await,
        SignalOutcome::Sent
    );
    let error = sleeping.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    // The session continues, and its next statement is not the chosen one.
    let next = worker.send("SELECT pg_sleep(600) /* next */");
    let (_, seen) = until(&monitor, worker.process_id, |session| {
        is_running(session) && session.statement.as_deref().unwrap().contains("next")
    })
    .await;
    assert_eq!(
        signal(&monitor, Signal::Cancel, &first).await,
        SignalOutcome::StatementOver
    );
    assert!(!next.is_finished());
    assert_eq!(
        signal(&monitor, Signal::Cancel, &target(&seen)).await,
        SignalOutcome::Sent
    );
    assert!(next.await.unwrap().is_err());
    let (_, idle) = until(&monitor, worker.process_id, |session| !is_running(session)).await;
    assert_eq!(
        signal(&monitor, Signal::Cancel, &target(&idle)).await,
        SignalOutcome::StatementOver
    );
    worker.run("SELECT 1").await.unwrap();
}

async fn termination_hits_only_the_chosen_session(database: EmptyDatabase) {
    let monitor = monitor_of(&database.url).await;
    let worker = Worker::connect(&database, "worker").await;
    worker.run("BEGIN").await.unwrap();
    let (_, seen) = until(&monitor, worker.process_id, |session| !is_running(session)).await;
    assert_eq!(
        signal(&monitor, Signal::Terminate, &target(&seen)).await,
        SignalOutcome::Sent
    );
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while signal(&monitor, Signal::Terminate, &target(&seen)).await != SignalOutcome::Gone {
        assert!(tokio::time::Instant::now() < deadline, "it never ends");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(worker.run("SELECT 1").await.is_err());
}

async fn stale_target_is_not_signalled(database: EmptyDatabase) {
    let monitor = monitor_of(&database.url).await;
    let worker = Worker::connect(&database, "worker").await;
    let sleeping = worker.send("SELECT pg_sleep(600)");
    let (sample, seen) = until(&monitor, worker.process_id, is_running).await;
    // The process identifier belonged to an earlier session.
    let mut earlier = target(&seen);
    earlier.backend_start -= chrono::TimeDelta::microseconds(1);
    for kind in [Signal::Cancel, Signal::Terminate] {
        assert_eq!(signal(&monitor, kind, &earlier).await, SignalOutcome::Gone);
    }
    let sessions = sample.sessions.value().unwrap();
    let own = sessions.iter().find(|session| session.is_own).unwrap();
    for kind in [Signal::Cancel, Signal::Terminate] {
        assert_eq!(
            signal(&monitor, kind, &target(own)).await,
            SignalOutcome::OwnSession
        );
    }
    assert!(!sleeping.is_finished());
    assert_eq!(
        signal(&monitor, Signal::Terminate, &target(&seen)).await,
        SignalOutcome::Sent
    );
    assert!(sleeping.await.unwrap().is_err());
}

async fn missing_privilege_is_shown(database: EmptyDatabase) {
    let worker = Worker::connect(&database, "worker").await;
    let name = database
        .url
        .rsplit('/')
        .next()
        .unwrap()
        .split('?')
        .next()
        .unwrap();
    let (watcher, plain) = (format!("watcher_{name}"), format!("plain_{name}"));
    worker
        .run(&format!(
            "CREATE ROLE {watcher}; GRANT pg_monitor TO {watcher}; CREATE ROLE {plain}"
        ))
        .await
        .unwrap();
    let as_role = async |role: &str| {
        let config = DatabaseConfig::from_url(&database.url)
            .unwrap()
            .with_role(role);
        Monitor::connect(
            config,
            MonitorLimits::default().with_statement_timeout(Duration::from_secs(60)),
        )
        .await
        .unwrap()
    };
    let sleeping = worker.send("SELECT pg_sleep(600)");
    let monitor = as_role(&watcher).await;
    let (_, seen) = until(&monitor, worker.process_id, is_running).await;
    for kind in [Signal::Cancel, Signal::Terminate] {
        let section = monitor.signal(kind, &target(&seen)).await.unwrap();
        let cause = section.reason().map(|reason| reason.cause);
        assert_eq!(cause, Some(Cause::InsufficientPrivilege), "{section:?}");
    }
    let monitor = as_role(&plain).await;
    let sample = sample(&monitor).await.unwrap();
    let sessions = sample.sessions.value().unwrap();
    let hidden = sessions
        .iter()
        .find(|session| session.process_id == worker.process_id)
        .unwrap();
    assert_eq!((hidden.backend_start, &hidden.state), (None, &None));
    assert_eq!(
        hidden.statement.as_deref(),
        Some("<insufficient privilege>")
    );
    assert!(matches!(sample.counters, Section::Available { .. }));
    assert!(!sleeping.is_finished());
    worker_ends(&database, &seen).await;
    assert!(sleeping.await.unwrap().is_err());
    let superuser = Worker::connect(&database, "superuser").await;
    superuser
        .run(&format!("DROP ROLE {watcher}, {plain}"))
        .await
        .unwrap();
}

async fn worker_ends(database: &EmptyDatabase, seen: &SessionRow) {
    let monitor = monitor_of(&database.url).await;
    assert_eq!(
        signal(&monitor, Signal::Terminate, &target(seen)).await,
        SignalOutcome::Sent
    );
}
