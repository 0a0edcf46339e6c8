//! Sessions: the configuration is in force, and no other state stays on a connection.

use std::time::Duration;

use neobank_db::{
    Database, DatabaseError, ErrorClass, Executor, IsolationLevel, Pooler, TransactionOptions,
    statement,
};

use super::{insert, noted, notes};
use crate::harness::TestBank;

on_both_versions!(
    transaction_commands_are_rejected,
    configured_limits_are_in_force,
    limits_of_a_transaction_end_with_it,
    longer_limit_of_a_transaction_applies,
    reason_of_an_ended_session_is_reported,
    session_state_does_not_reach_the_next_checkout,
    stale_prepared_statement_is_prepared_again,
    statement_behind_an_abandoned_begin_times_out,
    isolation_and_access_mode_override_defaults,
    role_and_application_name_are_in_force,
    idle_connections_are_closed_down_to_the_minimum,
    two_hundred_callers_share_four_connections,
);

async fn transaction_commands_are_rejected(bank: TestBank) {
    let database = notes(&bank, 1).await;
    for sql in [
        "BEGIN",
        "COMMIT",
        "SET statement_timeout = 0",
        "/* a */ rollback",
        "LISTEN x",
    ] {
        let error = database.execute(statement(sql, [])).await.unwrap_err();
        assert!(
            matches!(error, DatabaseError::SessionStatement { .. }),
            "{sql}: {error:?}"
        );
    }
    let transaction = database.begin().await.unwrap();
    transaction.execute(insert("kept")).await.unwrap();
    assert!(transaction.execute(statement("COMMIT", [])).await.is_err());
    transaction.rollback().await.unwrap();
    assert!(!noted(&bank, "kept").await);
}

async fn configured_limits_are_in_force(bank: TestBank) {
    notes(&bank, 1).await;
    for pooler in [Pooler::None, Pooler::Transaction] {
        let mut config = bank.config();
        config.pooler = pooler;
        config.statement_timeout = Duration::from_millis(80);
        config.lock_timeout = Duration::from_millis(30);
        config.idle_in_transaction_timeout = Duration::from_millis(120);
        let database = Database::connect(config).await.unwrap();
        let error = database
            .execute(statement("SELECT pg_sleep(5)", []))
            .await
            .unwrap_err();
        assert_eq!(
            error.class(),
            ErrorClass::StatementCancelled,
            "{pooler:?} {error:?}"
        );

        let holder = bank.superuser().await.begin().await.unwrap();
        holder
            .execute(statement("LOCK TABLE scratch.note", []))
            .await
            .unwrap();
        let error = database.execute(insert("waits")).await.unwrap_err();
        assert_eq!(
            error.class(),
            ErrorClass::LockTimeout,
            "{pooler:?} {error:?}"
        );
        holder.rollback().await.unwrap();

        let transaction = database.begin().await.unwrap();
        transaction
            .execute(statement("SELECT 1", []))
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(
            transaction
                .execute(statement("SELECT 1", []))
                .await
                .is_err(),
            "{pooler:?}"
        );
        drop(transaction);
        database.execute(statement("SELECT 1", [])).await.unwrap();
    }
}

async fn limits_of_a_transaction_end_with_it(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let options =
        TransactionOptions::default().with_statement_timeout(Some(Duration::from_millis(50)));
    let transaction = database.begin_with(options).await.unwrap();
    let error = transaction
        .execute(statement("SELECT pg_sleep(5)", []))
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::StatementCancelled);
    drop(transaction);
    database
        .execute(statement("SELECT pg_sleep(0.2)", []))
        .await
        .unwrap();
}

async fn longer_limit_of_a_transaction_applies(bank: TestBank) {
    let mut config = bank.config();
    config.statement_timeout = Duration::from_millis(100);
    let database = Database::connect(config).await.unwrap();
    let options =
        TransactionOptions::default().with_statement_timeout(Some(Duration::from_secs(20)));
    let transaction = database.begin_with(options).await.unwrap();
    // Longer than the general timeout with its grace.
    transaction
        .execute(statement("SELECT pg_sleep(5.5)", []))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}

async fn reason_of_an_ended_session_is_reported(bank: TestBank) {
    let mut config = bank.config();
    config.idle_in_transaction_timeout = Duration::from_millis(100);
    let database = Database::connect(config).await.unwrap();
    let transaction = database.begin().await.unwrap();
    let select = || statement("SELECT 1", []);
    transaction.execute(select()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let error = transaction.execute(select()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::TransactionTimeout, "{error:?}");
    assert!(error.to_string().contains("25P03"), "{error}");
}

async fn session_state_does_not_reach_the_next_checkout(bank: TestBank) {
    let database = notes(&bank, 1).await;
    for sql in [
        ";COMMIT",
        "--x\rCOMMIT",
        "DEALLOCATE ALL",
        "PREPARE x AS SELECT 1",
        "SELECT set_config('statement_timeout', '0', false)",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_catalog . pg_try_advisory_lock_shared /* a */ (1)",
        "CREATE TEMPORARY TABLE note (text text)",
        "SELECT 1 AS x INTO TEMP y",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    ] {
        let rejected = |outcome: Result<u64, DatabaseError>| {
            assert!(
                matches!(outcome, Err(DatabaseError::SessionStatement { .. })),
                "{sql}: {outcome:?}"
            );
        };
        rejected(database.execute(statement(sql, [])).await);
        let transaction = database.begin().await.unwrap();
        rejected(transaction.execute(statement(sql, [])).await);
        transaction.execute(insert(sql)).await.unwrap();
        transaction.rollback().await.unwrap();
        assert!(!noted(&bank, sql).await);
    }
    let transaction = database.begin().await.unwrap();
    for sql in [
        "SELECT set_config('lock_timeout', '77', true)",
        "SELECT pg_advisory_xact_lock(1)",
        "SELECT 'set_config(pg_advisory_lock(1)', \"text\" FROM scratch.note",
    ] {
        transaction.execute(statement(sql, [])).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let left: String = database
        .fetch_value(statement("SELECT current_setting('lock_timeout')", []))
        .await
        .unwrap();
    assert_ne!(left, "77ms");
}

async fn stale_prepared_statement_is_prepared_again(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let read = async || {
        let transaction = database.begin().await?;
        let all = transaction
            .prepare("SELECT * FROM scratch.note", &[])
            .await?;
        let rows = transaction.read_prepared(&all, &[]).await.map(|_| ());
        transaction.rollback().await?;
        rows
    };
    read().await.unwrap();
    bank.superuser()
        .await
        .execute(statement(
            "ALTER TABLE scratch.note ADD COLUMN more integer",
            [],
        ))
        .await
        .unwrap();
    let first = read().await;
    assert!(first.is_err(), "the server was expected to reject the plan");
    read().await.unwrap();
}

async fn statement_behind_an_abandoned_begin_times_out(bank: TestBank) {
    use std::future::Future;
    let mut config = bank.config();
    config.statement_timeout = Duration::from_millis(100);
    let database = Database::connect(config).await.unwrap();
    let transaction = database.begin().await.unwrap();
    let mut left = std::pin::pin!(transaction.execute(statement("SELECT 1", [])));
    let polled = left
        .as_mut()
        .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(polled.is_pending());
    let second = tokio::time::timeout(
        Duration::from_secs(8),
        transaction.execute(statement("SELECT 2", [])),
    )
    .await
    .expect("the limit of a statement");
    assert!(second.is_err(), "{second:?}");
}

async fn isolation_and_access_mode_override_defaults(bank: TestBank) {
    let superuser = bank.superuser().await;
    let name: String = superuser
        .fetch_value(statement("SELECT current_database()", []))
        .await
        .unwrap();
    for setting in [
        "default_transaction_isolation = 'serializable'",
        "default_transaction_read_only = on",
    ] {
        superuser
            .execute(statement(
                &format!("ALTER DATABASE {name} SET {setting}"),
                [],
            ))
            .await
            .unwrap();
    }
    let database = Database::connect(bank.config()).await.unwrap();
    for (isolation, shown) in [
        (IsolationLevel::ReadCommitted, "read committed"),
        (IsolationLevel::RepeatableRead, "repeatable read"),
        (IsolationLevel::Serializable, "serializable"),
    ] {
        for read_only in [true, false] {
            let options = TransactionOptions::default()
                .with_isolation(isolation)
                .with_read_only(read_only);
            let transaction = database.begin_with(options).await.unwrap();
            let sql = "SELECT current_setting('transaction_isolation') || ' ' || current_setting('transaction_read_only')";
            let found: String = transaction.fetch_value(statement(sql, [])).await.unwrap();
            assert_eq!(
                found,
                format!("{shown} {}", if read_only { "on" } else { "off" })
            );
        }
    }
}

async fn role_and_application_name_are_in_force(bank: TestBank) {
    bank.superuser()
        .await
        .execute(statement("CREATE ROLE \"odd \\ \"\" role\"", []))
        .await
        .ok();
    for pooler in [Pooler::None, Pooler::Transaction] {
        let mut config = neobank_db::DatabaseConfig::from_url(bank.url())
            .unwrap()
            .with_role("odd \\ \" role");
        config.pooler = pooler;
        config.application_name = "teller's desk".to_owned();
        let database = Database::connect(config).await.unwrap();
        let sql = "SELECT current_user || '/' || current_setting('application_name')";
        let found: String = database.fetch_value(statement(sql, [])).await.unwrap();
        assert_eq!(found, "odd \\ \" role/teller's desk", "{pooler:?}");
    }
}

async fn idle_connections_are_closed_down_to_the_minimum(bank: TestBank) {
    let mut config = bank.config();
    config.pool_min = 2;
    config.pool_max = 6;
    config.idle_timeout = Duration::from_millis(100);
    let database = Database::connect(config).await.unwrap();
    assert_eq!(database.status().open, 2);
    let mut out = Vec::new();
    for _ in 0..6 {
        out.push(database.begin().await.unwrap());
    }
    drop(out);
    assert_eq!(database.status().open, 6);
    for _ in 0..200 {
        if database.status().open == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{:?}", database.status());
}

async fn two_hundred_callers_share_four_connections(bank: TestBank) {
    let database = notes(&bank, 4).await;
    let mut running = tokio::task::JoinSet::new();
    for caller in 0..200 {
        let database = database.clone();
        running.spawn(async move { database.execute(insert(&format!("caller {caller}"))).await });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap().unwrap();
    }
    let kept: i64 = database
        .fetch_value(statement("SELECT count(*) FROM scratch.note", []))
        .await
        .unwrap();
    assert_eq!((kept, database.status().open), (200, 4));
}
