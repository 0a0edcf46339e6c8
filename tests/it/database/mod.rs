//! Connections and transactions, tested against the faults of widely used drivers.

mod autocommit;
mod cancellation;
mod commit;
mod deadline;
mod dropped;
mod failover;
mod in_doubt;
mod retry;
mod rows;
mod savepoint;
mod servers;
mod session;
mod settings;
mod silent_peer;
mod standby;
mod tls;

use neobank_db::{Database, Executor, statement};

use crate::harness::TestBank;

/// Connects a pool of this size over a table of notes that an application may write.
pub(crate) async fn notes(bank: &TestBank, pool_max: usize) -> Database {
    let superuser = bank.superuser().await;
    for sql in [
        "CREATE SCHEMA IF NOT EXISTS scratch",
        "CREATE TABLE IF NOT EXISTS scratch.note (text text PRIMARY KEY)",
        "GRANT USAGE ON SCHEMA scratch TO neobank_app",
        "GRANT ALL ON scratch.note TO neobank_app",
    ] {
        superuser.execute(statement(sql, [])).await.unwrap();
    }
    let mut config = bank.config();
    config.pool_max = pool_max;
    config.acquire_timeout = std::time::Duration::from_secs(5);
    config.recovery_timeout = std::time::Duration::from_secs(1);
    Database::connect(config).await.unwrap()
}

pub(crate) fn insert(text: &str) -> neobank_db::Statement {
    statement("INSERT INTO scratch.note (text) VALUES ($1)", [text.into()])
}

pub(crate) async fn noted(bank: &TestBank, text: &str) -> bool {
    let sql = "SELECT EXISTS (SELECT FROM scratch.note WHERE text = $1)";
    bank.superuser()
        .await
        .fetch_value(statement(sql, [text.into()]))
        .await
        .unwrap()
}

/// Waits until every connection is returned, and fails after four seconds.
pub(crate) async fn assert_all_come_back(database: &Database) {
    for _ in 0..400 {
        let status = database.status();
        if status.idle == status.open && status.waiting == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("connections are still out: {:?}", database.status());
}

/// Fails when a session of the application is in a transaction or holds a lock on a table.
pub(crate) async fn assert_nothing_left(bank: &TestBank) {
    let sql = "SELECT count(*) FROM pg_stat_activity AS a
         WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.application_name = 'neobank'
           AND (a.state <> 'idle' OR EXISTS (SELECT FROM pg_locks AS l WHERE l.pid = a.pid))";
    let mut config = neobank_db::DatabaseConfig::from_url(bank.url()).unwrap();
    config.application_name = "watcher".to_owned();
    let watcher = Database::connect(config).await.unwrap();
    for _ in 0..300 {
        if watcher
            .fetch_value::<i64>(statement(sql, []))
            .await
            .unwrap()
            == 0
        {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("a session was left in a transaction");
}
