//! The report of a timeout.

use std::time::Duration;

use neobank_db::pool::{Advice, PoolEvent};
use neobank_db::{Database, DatabaseError, Executor, statement};

use super::{config, until};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    leak_is_reported_with_its_location,
    common_lock_wait_is_reported_with_its_statement,
    refusing_server_is_reported_and_not_stormed_afterwards,
    parameters_are_never_shown,
);

async fn timed_out(database: &Database) -> (DatabaseError, Advice) {
    let error = database
        .execute(statement("SELECT 1", []))
        .await
        .unwrap_err();
    let DatabaseError::PoolTimeout { report, .. } = &error else {
        panic!("{error:?}")
    };
    let advice = report.advice.clone();
    (error, advice)
}

async fn leak_is_reported_with_its_location(empty: EmptyDatabase) {
    let mut config = config(&empty, "leaky", 2);
    config.acquire_timeout = Duration::from_millis(200);
    let database = Database::connect(config).await.unwrap();
    let first_line = line!() + 1;
    let leaked = database.begin().await.unwrap();
    leaked
        .execute(statement("SELECT $1::text", ["1234-5678".into()]))
        .await
        .unwrap();
    let second = database
        .begin_with(neobank_db::TransactionOptions::default())
        .await
        .unwrap();
    let (error, advice) = timed_out(&database).await;
    assert_eq!(advice, Advice::HeldIdle);
    let text = error.to_string();
    assert!(
        text.contains(&format!("it/pool/timeout.rs:{first_line}:")),
        "{text}"
    );
    assert!(
        text.contains("running nothing since: SELECT ?::text"),
        "{text}"
    );
    assert!(text.contains("has sent no statement"), "{text}");
    assert!(text.contains("look for a leak"), "{text}");
    assert!(!text.contains("1234-5678"), "{text}");
    let suspects = database.leak_suspects(Duration::from_millis(150));
    assert_eq!(suspects.len(), 2);
    assert!(
        suspects[0]
            .taken_at
            .contains(&format!("timeout.rs:{first_line}:"))
    );
    assert!(suspects[0].held >= Duration::from_millis(150));
    assert!(database.leak_suspects(Duration::from_secs(60)).is_empty());
    drop((leaked, second));
}

async fn common_lock_wait_is_reported_with_its_statement(empty: EmptyDatabase) {
    let superuser = empty.superuser().await;
    superuser
        .execute(statement(
            "CREATE TABLE hot (row int PRIMARY KEY, value int)",
            [],
        ))
        .await
        .unwrap();
    superuser
        .execute(statement("INSERT INTO hot VALUES (1, 0)", []))
        .await
        .unwrap();
    let holder = superuser.begin().await.unwrap();
    holder
        .execute(statement("UPDATE hot SET value = 1", []))
        .await
        .unwrap();
    let mut config = config(&empty, "locked", 3);
    config.acquire_timeout = Duration::from_millis(300);
    let database = Database::connect(config).await.unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    for value in 0..3 {
        let database = database.clone();
        waiting.spawn(async move {
            let update = statement("UPDATE hot SET value = $1 WHERE row = 1", [value.into()]);
            database.execute(update).await
        });
    }
    until("all are in use", async || {
        database
            .leak_suspects(Duration::ZERO)
            .iter()
            .filter(|one| one.running.is_some())
            .count()
            == 3
    })
    .await;
    let (error, advice) = timed_out(&database).await;
    let expected = Advice::SameStatement {
        statement: "UPDATE hot SET value = ? WHERE row = ?".to_owned(),
    };
    assert_eq!(advice, expected, "{error}");
    assert!(error.to_string().contains("look for a lock"), "{error}");
    holder.rollback().await.unwrap();
    while let Some(ended) = waiting.join_next().await {
        ended.unwrap().unwrap();
    }
}

/// The server refuses every connection for a while, and then accepts them.
async fn refusing_server_is_reported_and_not_stormed_afterwards(empty: EmptyDatabase) {
    let mut config = config(&empty, "refused", 20);
    config.acquire_timeout = Duration::from_millis(400);
    let name = config.database.clone();
    let mut administration = config.clone();
    administration.database = "postgres".to_owned();
    administration.application_name = "administration".to_owned();
    let administration = Database::connect(administration).await.unwrap();
    let database = Database::connect(config).await.unwrap();
    let mut events = database.events();

    let sql = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
    administration.execute(statement(&sql, [])).await.unwrap();
    let sql =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'refused'";
    administration.execute(statement(sql, [])).await.unwrap();
    let mut callers = tokio::task::JoinSet::new();
    let until_when = tokio::time::Instant::now() + Duration::from_secs(2);
    for _ in 0..60 {
        let database = database.clone();
        callers.spawn(async move {
            let mut reasons = Vec::new();
            while tokio::time::Instant::now() < until_when {
                if let Err(error) = database.execute(statement("SELECT 1", [])).await {
                    reasons.push(error);
                }
            }
            reasons
        });
    }
    let mut reasons = Vec::new();
    while let Some(ended) = callers.join_next().await {
        reasons.extend(ended.unwrap());
    }
    let mut attempts = 0;
    while let Some(event) = events.try_next() {
        attempts += usize::from(matches!(event, PoolEvent::OpenFailed { .. }));
    }
    // One attempt at a time, after pauses of 10 to 20 ms, 20 to 40 ms, ... up to a second.
    assert!(
        (3..=20).contains(&attempts),
        "{attempts} attempts in two seconds"
    );
    let named = reasons.iter().filter(|error| match error {
        DatabaseError::Connect { .. } => true,
        DatabaseError::PoolTimeout { report, .. } => {
            matches!(report.advice, Advice::CannotOpen { .. })
        }
        _ => false,
    });
    assert!(
        named.count() * 10 >= reasons.len() * 9,
        "{:?}",
        reasons.last()
    );

    let sql = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true");
    administration.execute(statement(&sql, [])).await.unwrap();
    until("the pool is back", async || {
        database.execute(statement("SELECT 1", [])).await.is_ok()
    })
    .await;
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(database.begin().await.unwrap());
    }
    assert_eq!(database.status().open, 20);
}

async fn parameters_are_never_shown(empty: EmptyDatabase) {
    let mut config = config(&empty, "discreet", 1);
    config.acquire_timeout = Duration::from_millis(100);
    let database = Database::connect(config).await.unwrap();
    let transaction = database.begin().await.unwrap();
    let sql = "SELECT 'Ada Lovelace', 4711, $$4712$$ /* 4713 */ -- 4714";
    transaction.execute(statement(sql, [])).await.unwrap();
    let error = database.begin().await.unwrap_err();
    for shown in [error.to_string(), format!("{error:?}")] {
        assert!(!shown.contains("Ada") && !shown.contains("471"), "{shown}");
    }
}
