//! The choice of a server, and the protection of the password.

use std::time::{Duration, Instant};

use neobank_db::{
    Database, DatabaseConfig, DatabaseError, Executor, TargetSessionAttrs, statement,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::TestBank;

on_both_versions!(
    unresponsive_host_leaves_time_for_the_next,
    writer_skips_a_read_only_server,
    pool_leaves_a_server_that_became_read_only,
);

/// Starts a server that sends this authentication request, and then returns what it received.
async fn asking(demand: &'static [u8]) -> (u16, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let received = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let length = client.read_u32().await.unwrap();
        let mut startup = vec![0; length as usize - 4];
        client.read_exact(&mut startup).await.unwrap();
        client.write_all(demand).await.unwrap();
        let mut answer = vec![0; 200];
        let count = client.read(&mut answer).await.unwrap_or(0);
        answer.truncate(count);
        answer
    });
    (port, received)
}

#[tokio::test]
async fn password_is_not_sent_in_clear_or_by_md5_without_tls() {
    let clear = b"R\0\0\0\x08\0\0\0\x03";
    let md5 = b"R\0\0\0\x0c\0\0\0\x05salt";
    for (demand, word) in [(&clear[..], "in clear"), (&md5[..], "MD5")] {
        let (port, received) = asking(demand).await;
        let url = format!("postgresql://teller:canary@127.0.0.1:{port}/bank");
        let error = Database::connect(DatabaseConfig::from_url(&url).unwrap()).await;
        let error = error.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(received.await.unwrap(), Vec::<u8>::new(), "{word}");
    }
    // A client that allows the method by name sends the password.
    let (port, received) = asking(clear).await;
    let url = format!("postgresql://teller:canary@127.0.0.1:{port}/bank?require_auth=password");
    let _ = Database::connect(DatabaseConfig::from_url(&url).unwrap()).await;
    let received = received.await.unwrap();
    assert!(
        received.windows(6).any(|part| part == b"canary"),
        "{received:?}"
    );
}

async fn unresponsive_host_leaves_time_for_the_next(bank: TestBank) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = bank.config();
    config.hosts.insert(0, "127.0.0.1".to_owned());
    config
        .ports
        .insert(0, listener.local_addr().unwrap().port());
    config.connect_timeout = Duration::from_secs(1);
    config.target_session_attrs = TargetSessionAttrs::ReadWrite;
    let database = Database::connect(config).await.unwrap();
    let one: i32 = database
        .fetch_value(statement("SELECT 1", []))
        .await
        .unwrap();
    assert_eq!(one, 1);
}

async fn writer_skips_a_read_only_server(bank: TestBank) {
    let mut config = bank.config();
    config.target_session_attrs = TargetSessionAttrs::Standby;
    let error = Database::connect(config.clone()).await.unwrap_err();
    assert!(error.to_string().contains("not a standby"), "{error}");
    config.target_session_attrs = TargetSessionAttrs::ReadOnly;
    let error = Database::connect(config.clone()).await.unwrap_err();
    assert!(error.to_string().contains("may write"), "{error}");
    config.target_session_attrs = TargetSessionAttrs::PreferStandby;
    Database::connect(config).await.unwrap();
}

async fn pool_leaves_a_server_that_became_read_only(bank: TestBank) {
    let mut config = bank.config();
    config.target_session_attrs = TargetSessionAttrs::ReadWrite;
    config.pool_max = 1;
    let database = Database::connect(config).await.unwrap();
    let process = async || {
        let process: i32 = database
            .fetch_value(statement("SELECT pg_backend_pid()", []))
            .await
            .unwrap();
        process
    };
    let before = process().await;
    assert_eq!(process().await, before);
    let name = database.config().database.clone();
    let set = |value: &str| {
        let sql = format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = {value}");
        statement(&sql, [])
    };
    bank.superuser().await.execute(set("on")).await.unwrap();
    bank.superuser()
        .await
        .execute(statement(
            "SELECT pg_terminate_backend($1)",
            [before.into()],
        ))
        .await
        .unwrap();
    // No server accepts writes now, and the error names the reason.
    let started = Instant::now();
    loop {
        match database.execute(statement("SELECT 1", [])).await {
            Err(DatabaseError::Connect { reason, .. }) if reason.contains("read only") => break,
            other => assert!(started.elapsed() < Duration::from_secs(60), "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut config = bank.superuser().await.config().clone();
    config.target_session_attrs = TargetSessionAttrs::Any;
    let transaction = Database::connect(config).await.unwrap();
    let transaction = transaction.begin().await.unwrap();
    transaction.execute(set("off")).await.unwrap();
    transaction.commit().await.unwrap();
    let started = Instant::now();
    while database.execute(statement("SELECT 1", [])).await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(60));
    }
}
