//! Migrations that fail in ways that a server does not report by itself, and callers that drop a
//! call.

use std::time::{Duration, Instant};

use neobank_db::{Executor, statement};
use neobank_migration::{MigrationState, Rollout, RolloutError, RolloutOptions, SqlMigration};

use super::{FIRST, SECOND, rollout, shop};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    migration_that_commits_is_rejected,
    rollout_that_lost_its_lock_stops,
    failure_at_commit_rolls_back,
    statement_beyond_its_timeout_is_cancelled,
    invalid_index_is_built_again,
    concurrent_calls_of_one_rollout_are_serialized,
    dropped_call_releases_the_lock,
    deadlock_is_retried,
);

async fn migration_that_commits_is_rejected(database: EmptyDatabase) {
    for end in ["COMMIT", "ROLLBACK"] {
        let up = format!("CREATE TABLE shop.half (id integer); {end}");
        let ending = SqlMigration::new(SECOND.name, String::leak(up), SECOND.down);
        let rollout = rollout(&database, &shop(&[FIRST, ending], &[])).await;
        let error = rollout.up().await.unwrap_err();
        assert!(
            matches!(&error, RolloutError::TransactionEnded { step } if step.contains("m2_second")),
            "{end}: {error:?}"
        );
        let state = rollout.status().await.unwrap().migrations[1].state;
        assert_eq!(state, MigrationState::Pending, "{end}");
        let sql = "DROP TABLE IF EXISTS shop.half";
        let superuser = database.superuser().await;
        superuser.execute(statement(sql, [])).await.unwrap();
    }
}

/// The same happens behind a pooler that gives each transaction another session.
async fn rollout_that_lost_its_lock_stops(database: EmptyDatabase) {
    let letting_go = SqlMigration::new(
        FIRST.name,
        "CREATE SCHEMA shop; CREATE TABLE shop.item (id integer); SELECT pg_advisory_unlock_all()",
        FIRST.down,
    );
    let rollout = rollout(&database, &shop(&[letting_go, SECOND], &[])).await;
    let error = rollout.up().await.unwrap_err();
    assert!(matches!(error, RolloutError::LockLost), "{error:?}");
    assert!(error.to_string().contains("connect to the server directly"));
    let status = rollout.status().await.unwrap();
    assert_eq!(status.migrations[1].state, MigrationState::Pending);
}

async fn failure_at_commit_rolls_back(database: EmptyDatabase) {
    let doubled = SqlMigration::new(
        SECOND.name,
        "ALTER TABLE shop.item ADD COLUMN price integer UNIQUE DEFERRABLE INITIALLY DEFERRED;
             INSERT INTO shop.item (id, price) VALUES (1, 5), (2, 5)",
        SECOND.down,
    );
    let rollout = rollout(&database, &shop(&[FIRST, doubled], &[])).await;
    let error = rollout.up().await.unwrap_err();
    assert!(
        matches!(&error, RolloutError::Step { reason, .. } if reason.contains("23505")),
        "{error:?}"
    );
    let status = rollout.status().await.unwrap();
    assert_eq!(status.migrations[1].state, MigrationState::Pending);
    assert!(!database.dump().contains("price"));
}

async fn statement_beyond_its_timeout_is_cancelled(database: EmptyDatabase) {
    let slow = SqlMigration::new(
        SECOND.name,
        "ALTER TABLE shop.item ADD COLUMN price integer; SELECT pg_sleep(20)",
        SECOND.down,
    );
    let options = RolloutOptions::default()
        .with_schema(shop(&[FIRST, slow], &[]))
        .with_statement_timeout(Duration::from_millis(200));
    let started = Instant::now();
    let rollout = Rollout::connect(&database.url, options).await.unwrap();
    let error = rollout.up().await.unwrap_err();
    assert!(error.to_string().contains("57014"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(!database.dump().contains("price"));
}

async fn invalid_index_is_built_again(database: EmptyDatabase) {
    let index = SqlMigration::new(
        "m2_index",
        "DROP INDEX CONCURRENTLY IF EXISTS shop.item_price_key;
             -- next statement
             CREATE UNIQUE INDEX CONCURRENTLY item_price_key ON shop.item (price)",
        "DROP INDEX CONCURRENTLY IF EXISTS shop.item_price_key",
    )
    .without_transaction();
    let priced = SqlMigration::new(
        FIRST.name,
        "CREATE SCHEMA shop; CREATE TABLE shop.item (id integer PRIMARY KEY, price integer);
             INSERT INTO shop.item VALUES (1, 5), (2, 5)",
        FIRST.down,
    );
    let superuser = database.superuser().await;
    let mut rollout = rollout(&database, &shop(&[priced, index], &[])).await;
    let error = rollout.up().await.unwrap_err();
    let RolloutError::PartOfStep { step, reason } = &error else {
        panic!("{error:?}")
    };
    assert!(step.contains("m2_index") && reason.contains("23505"));
    let state = rollout.status().await.unwrap().migrations[1].state;
    assert_eq!(state, MigrationState::Pending);

    let mend = "UPDATE shop.item SET price = id";
    superuser.execute(statement(mend, [])).await.unwrap();
    rollout.up().await.unwrap();
    let valid =
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'shop.item_price_key'::regclass";
    let is_valid: bool = superuser.fetch_value(statement(valid, [])).await.unwrap();
    assert!(is_valid);
    assert!(rollout.confirm(database.name()));
    assert_eq!(rollout.down(1).await.unwrap().migrations, ["m2_index"]);
}

async fn concurrent_calls_of_one_rollout_are_serialized(database: EmptyDatabase) {
    let rollout = rollout(&database, &shop(&[FIRST, SECOND], &[])).await;
    let (one, two) = tokio::join!(rollout.up(), rollout.up());
    assert_eq!(
        one.unwrap().migrations.len() + two.unwrap().migrations.len(),
        2
    );
}

async fn dropped_call_releases_the_lock(database: EmptyDatabase) {
    let slow = SqlMigration::new(
        SECOND.name,
        "ALTER TABLE shop.item ADD COLUMN price integer; SELECT pg_sleep(1)",
        SECOND.down,
    );
    let schema = shop(&[FIRST, slow], &[]);
    let given_up = rollout(&database, &schema).await;
    let limit = Duration::from_millis(700);
    let outcome = tokio::time::timeout(limit, given_up.up()).await;
    assert!(outcome.is_err(), "{outcome:?}");
    // The value still works, and releases the lock afterwards.
    let status = given_up.status().await.unwrap();
    assert_eq!(status.migrations[1].state, MigrationState::Pending);
    assert_eq!(given_up.up().await.unwrap().migrations, ["m2_second"]);
    assert_eq!(given_up.down(1).await.unwrap().migrations, ["m2_second"]);

    let outcome = tokio::time::timeout(limit, given_up.up()).await;
    assert!(outcome.is_err(), "{outcome:?}");
    drop(given_up);
    let other = rollout(&database, &schema).await;
    assert_eq!(other.up().await.unwrap().migrations, ["m2_second"]);
}

async fn deadlock_is_retried(database: EmptyDatabase) {
    let two_tables = SqlMigration::new(
        FIRST.name,
        "CREATE SCHEMA shop; CREATE TABLE shop.item (id integer PRIMARY KEY);
             CREATE TABLE shop.orders (id integer PRIMARY KEY)",
        FIRST.down,
    );
    // Its second lock comes late, so that the other session has time to take its own.
    let both = SqlMigration::new(
        SECOND.name,
        "LOCK TABLE shop.item; SELECT pg_sleep(1); LOCK TABLE shop.orders",
        SECOND.down,
    );
    rollout(&database, &shop(std::slice::from_ref(&two_tables), &[]))
        .await
        .up()
        .await
        .unwrap();
    let options = RolloutOptions::default()
        .with_schema(shop(&[two_tables, both], &[]))
        .with_lock_timeout(Duration::from_secs(20))
        .with_lock_pause(Duration::from_millis(50));
    let rollout = Rollout::connect(&database.url, options).await.unwrap();
    let migrating = tokio::spawn(async move { rollout.up().await });
    let superuser = database.superuser().await;
    let other = superuser.begin().await.unwrap();
    // The other session never checks for a deadlock, so the rollout is the victim.
    for sql in [
        "SET LOCAL deadlock_timeout = '1min'",
        "LOCK TABLE shop.orders",
        "LOCK TABLE shop.item",
    ] {
        other.execute(statement(sql, [])).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    other.rollback().await.unwrap();
    assert_eq!(migrating.await.unwrap().unwrap().migrations, ["m2_second"]);
}
