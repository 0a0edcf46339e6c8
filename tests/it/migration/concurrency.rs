//! Concurrent rollouts, and a rollout beside production.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use neobank_db::{Executor, statement};
use neobank_migration::RolloutError;

use super::{FIRST, SECOND, bank, rollout, shop};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    eight_concurrent_rollouts_give_one_schema,
    production_does_not_queue_behind_a_rollout,
    locked_table_fails_the_rollout_without_changes,
    killed_rollout_does_not_block_the_next,
    rollout_waiting_too_long_reports_the_lock,
);

async fn eight_concurrent_rollouts_give_one_schema(database: EmptyDatabase) {
    let rollouts = join_all((0..8).map(|_| bank(&database))).await;
    let reports = join_all(rollouts.iter().map(|rollout| rollout.up())).await;
    let worked = reports
        .iter()
        .filter(|report| !report.as_ref().unwrap().migrations.is_empty())
        .count();
    assert_eq!(worked, 1, "{reports:?}");
    let alone = EmptyDatabase::on(database.version).await;
    bank(&alone).await.up().await.unwrap();
    assert!(database.dump() == alone.dump(), "the schema differs");
    // It can be spawned: its future is Send.
    let rollout = bank(&database).await;
    tokio::spawn(async move { rollout.up().await })
        .await
        .unwrap()
        .unwrap();
}

async fn production_does_not_queue_behind_a_rollout(database: EmptyDatabase) {
    rollout(&database, &shop(&[FIRST], &[]))
        .await
        .up()
        .await
        .unwrap();
    let superuser = database.superuser().await;
    let holder = superuser.begin().await.unwrap();
    holder
        .execute(statement("SELECT id FROM shop.item", []))
        .await
        .unwrap();
    // ALTER TABLE needs the table alone, and every later session would wait behind it.
    let migrating = {
        let rollout = rollout(&database, &shop(&[FIRST, SECOND], &[])).await;
        tokio::spawn(async move { rollout.up().await })
    };
    let mut longest = Duration::ZERO;
    let until = Instant::now() + Duration::from_millis(600);
    while Instant::now() < until {
        let started = Instant::now();
        superuser
            .execute(statement("SELECT id FROM shop.item", []))
            .await
            .unwrap();
        longest = longest.max(started.elapsed());
    }
    assert!(
        longest < Duration::from_secs(1),
        "a query waited {longest:?} behind a rollout of 100 ms"
    );
    assert!(!migrating.is_finished());
    holder.rollback().await.unwrap();
    assert_eq!(migrating.await.unwrap().unwrap().migrations, ["m2_second"]);
}

async fn locked_table_fails_the_rollout_without_changes(database: EmptyDatabase) {
    rollout(&database, &shop(&[FIRST], &[]))
        .await
        .up()
        .await
        .unwrap();
    let before = database.dump();
    let holder = database.superuser().await.begin().await.unwrap();
    holder
        .execute(statement("SELECT id FROM shop.item", []))
        .await
        .unwrap();
    let options = neobank_migration::RolloutOptions::default()
        .with_schema(shop(&[FIRST, SECOND], &[]))
        .with_lock_timeout(Duration::from_millis(30))
        .with_lock_attempts(3)
        .with_lock_pause(Duration::from_millis(10));
    let rollout = neobank_migration::Rollout::connect(&database.url, options)
        .await
        .unwrap();
    let error = rollout.up().await.unwrap_err();
    assert!(
        matches!(&error, RolloutError::Locked { attempts: 3, .. }),
        "{error:?}"
    );
    holder.rollback().await.unwrap();
    assert!(database.dump() == before, "the schema differs");
    rollout.up().await.unwrap();
}

async fn killed_rollout_does_not_block_the_next(database: EmptyDatabase) {
    rollout(&database, &shop(&[FIRST], &[]))
        .await
        .up()
        .await
        .unwrap();
    let slow = neobank_migration::SqlMigration::new(
        SECOND.name,
        "ALTER TABLE shop.item ADD COLUMN price integer; SELECT pg_sleep(30)",
        SECOND.down,
    );
    let killed = {
        let rollout = rollout(&database, &shop(&[FIRST, slow], &[])).await;
        tokio::spawn(async move { rollout.up().await })
    };
    let superuser = database.superuser().await;
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'neobank migrate' AND query LIKE '%pg_sleep%'";
    for _ in 0..6_000 {
        if superuser
            .fetch_value::<i64>(statement(kill, []))
            .await
            .unwrap()
            > 0
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(killed.await.unwrap().is_err());
    let report = rollout(&database, &shop(&[FIRST, SECOND], &[]))
        .await
        .up()
        .await
        .unwrap();
    assert_eq!(report.migrations, ["m2_second"]);
}

async fn rollout_waiting_too_long_reports_the_lock(database: EmptyDatabase) {
    let superuser = database.superuser().await;
    let other = superuser.begin().await.unwrap();
    // The key of the rollout's lock: "neobank" and a one.
    let key = i64::from_be_bytes(*b"neobank\x01");
    other
        .execute(statement("SELECT pg_advisory_xact_lock($1)", [key.into()]))
        .await
        .unwrap();
    let options =
        neobank_migration::RolloutOptions::default().with_rollout_wait(Duration::from_millis(200));
    let rollout = neobank_migration::Rollout::connect(&database.url, options)
        .await
        .unwrap();
    let error = rollout.up().await.unwrap_err();
    assert!(matches!(error, RolloutError::Busy { .. }), "{error:?}");
    other.rollback().await.unwrap();
    rollout.up().await.unwrap();
}
