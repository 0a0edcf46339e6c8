//! Named locks between processes.

mod cancellation;
mod customers;
mod exclusion;
mod fencing;
mod lease;
mod names;
mod order;
mod pooler;
mod replacement;
mod session;
mod timeout;
mod transaction;

use std::time::Duration;

use neobank_db::locks::{LockName, SessionLock, SessionLockOptions, held_locks};
use neobank_db::{Database, DatabaseConfig, Executor, statement};

use crate::harness::TestBank;

pub(crate) fn name(identifier: &str) -> LockName {
    LockName::new("test", identifier).unwrap()
}

pub(crate) async fn session_lock(database: &Database, identifier: &str) -> SessionLock {
    SessionLock::acquire(
        database,
        &[name(identifier)],
        &SessionLockOptions::default(),
    )
    .await
    .unwrap()
}

/// Returns options with this timeout.
pub(crate) fn within(timeout: Duration) -> SessionLockOptions {
    SessionLockOptions::default().with_timeout(timeout)
}

/// Returns a number from the environment, for the full length of a long test.
pub(crate) fn repetitions(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |number| number.parse().unwrap())
}

/// Prints a figure for runs with `--nocapture`.
#[expect(clippy::print_stdout, reason = "it is for people")]
pub(crate) fn print_figure(figure: &str) {
    println!("{figure}");
}

/// Creates a table of numbers that an application may write.
pub(crate) async fn counters(bank: &TestBank) {
    let superuser = bank.superuser().await;
    for sql in [
        "CREATE SCHEMA scratch",
        "CREATE TABLE scratch.counter (id integer PRIMARY KEY, inside integer NOT NULL, sections bigint NOT NULL)",
        "INSERT INTO scratch.counter SELECT number, 0, 0 FROM generate_series(0, 7) AS number",
        "GRANT USAGE ON SCHEMA scratch TO neobank_app",
        "GRANT ALL ON scratch.counter TO neobank_app",
    ] {
        superuser.execute(statement(sql, [])).await.unwrap();
    }
}

/// Connects a session of its own, to observe the others.
pub(crate) async fn watcher(bank: &TestBank) -> Database {
    let mut config = DatabaseConfig::from_url(bank.url()).unwrap();
    config.application_name = "watcher".to_owned();
    Database::connect(config).await.unwrap()
}

/// Fails when an advisory lock of this database is held or waited for, or appears within a moment.
pub(crate) async fn assert_no_lock_left(bank: &TestBank) {
    let watcher = watcher(bank).await;
    let mut left = Vec::new();
    for _ in 0..300 {
        left = held_locks(&watcher).await.unwrap();
        if left.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("locks are left: {left:?}");
}

/// Waits until this many processes wait for locks.
pub(crate) async fn until_waiting(bank: &TestBank, count: usize) {
    let watcher = watcher(bank).await;
    for _ in 0..12_000 {
        let held = held_locks(&watcher).await.unwrap();
        if held.iter().filter(|lock| !lock.granted).count() >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no process waits");
}
