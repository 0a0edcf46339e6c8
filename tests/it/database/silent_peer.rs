//! Servers that stop answering, which must not occupy a slot of the pool.

use std::process::Command;
use std::time::{Duration, Instant};

use neobank_db::{Database, DatabaseError, Executor, statement};

use super::{assert_all_come_back, insert, noted, notes};
use crate::harness::TestBank;

on_both_versions!(
    stopped_backend_frees_its_slot,
    peer_that_never_answers_times_out,
    absent_server_is_named,
    silent_first_host_leaves_time_for_the_second,
);

fn signal(signal: &str, process: i32) {
    let status = Command::new("kill")
        .args([signal, &process.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

async fn stopped_backend_frees_its_slot(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let process: i32 = database
        .fetch_value(statement("SELECT pg_backend_pid()", []))
        .await
        .unwrap();
    signal("-STOP", process);
    let outcome = tokio::time::timeout(
        Duration::from_millis(50),
        database.execute(insert("unheard")),
    )
    .await;
    assert!(outcome.is_err(), "the backend is stopped");
    // While the backend is still stopped, the only slot of the pool is free again.
    let started = Instant::now();
    database.execute(insert("kept")).await.unwrap();
    let waited = started.elapsed();
    signal("-CONT", process);
    assert!(waited < Duration::from_secs(4), "{waited:?}");
    assert!(noted(&bank, "kept").await);
    assert_all_come_back(&database).await;
}

async fn peer_that_never_answers_times_out(bank: TestBank) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = bank.config();
    config.hosts = vec!["127.0.0.1".to_owned()];
    config.ports = vec![listener.local_addr().unwrap().port()];
    config.connect_timeout = Duration::from_millis(200);
    let started = Instant::now();
    let error = Database::connect(config).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Connect { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

async fn absent_server_is_named(bank: TestBank) {
    let mut config = bank.config().with_password("canary-5512");
    config.hosts = vec!["127.0.0.1".to_owned(), config.hosts[0].clone()];
    let real = config.ports[0];
    config.ports = vec![1, real];
    // The first host refuses the connection; the second is the server and rejects the password.
    let error = Database::connect(config.clone()).await.unwrap_err();
    assert_eq!(
        error.class(),
        neobank_db::ErrorClass::InvalidAuthorization,
        "{error:?}"
    );
    assert!(!format!("{error} {error:?}").contains("canary"));
    config = bank.config();
    config.hosts.insert(0, "127.0.0.1".to_owned());
    config.ports.insert(0, 1);
    Database::connect(config)
        .await
        .unwrap()
        .execute(statement("SELECT 1", []))
        .await
        .unwrap();
}

async fn silent_first_host_leaves_time_for_the_second(bank: TestBank) {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = bank.config();
    config.hosts.insert(0, "127.0.0.1".to_owned());
    config.ports.insert(0, silent.local_addr().unwrap().port());
    config.connect_timeout = Duration::from_millis(500);
    Database::connect(config)
        .await
        .unwrap()
        .execute(statement("SELECT 1", []))
        .await
        .unwrap();
}
