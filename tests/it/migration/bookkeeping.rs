//! The records of applied migrations, and rejected states.

use neobank_db::{Executor, statement};
use neobank_migration::{MigrationState, Object, ObjectState, RolloutError, SqlMigration};

use super::{FIRST, FUNCTION, SECOND, bank, rollout, shop};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    edited_migration_is_reported_and_nothing_runs,
    missing_and_out_of_order_migrations_are_reported,
    object_is_applied_again_only_after_a_change,
    removed_object_is_dropped,
    failed_migration_rolls_back_and_earlier_ones_stay,
    failed_object_rolls_back_all_objects,
    status_needs_no_privileges,
    migration_outside_a_transaction_is_applied,
);

async fn edited_migration_is_reported_and_nothing_runs(database: EmptyDatabase) {
    rollout(&database, &shop(&[FIRST], &[]))
        .await
        .up()
        .await
        .unwrap();
    let edited = SqlMigration::new(
        FIRST.name,
        "CREATE SCHEMA shop; CREATE TABLE shop.item (id bigint PRIMARY KEY)",
        FIRST.down,
    );
    let rollout = rollout(&database, &shop(&[edited, SECOND], &[FUNCTION])).await;
    let status = rollout.status().await.unwrap();
    assert_eq!(status.migrations[0].state, MigrationState::Edited);
    assert!(status.problems()[0].contains("m1_first"));
    let before = database.dump();
    for outcome in [
        rollout.up().await.err(),
        rollout.down(1).await.err(),
        rollout.plan().await.err(),
    ] {
        let Some(RolloutError::Inconsistent { problems }) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(problems[0].contains("m1_first"), "{problems:?}");
    }
    assert!(database.dump() == before, "the schema differs");
}

async fn missing_and_out_of_order_migrations_are_reported(database: EmptyDatabase) {
    rollout(&database, &shop(&[FIRST, SECOND], &[]))
        .await
        .up()
        .await
        .unwrap();
    let older = rollout(&database, &shop(&[FIRST], &[])).await;
    assert_eq!(
        older.status().await.unwrap().migrations[1].state,
        MigrationState::Missing
    );
    assert!(matches!(
        older.up().await,
        Err(RolloutError::Inconsistent { .. })
    ));
    let between = SqlMigration::new("m1_later_found", "SELECT 1", "SELECT 1");
    let mixed = rollout(&database, &shop(&[FIRST, between, SECOND], &[])).await;
    assert_eq!(
        mixed.status().await.unwrap().migrations[1].state,
        MigrationState::OutOfOrder
    );
    assert!(matches!(
        mixed.up().await,
        Err(RolloutError::Inconsistent { .. })
    ));
}

async fn object_is_applied_again_only_after_a_change(database: EmptyDatabase) {
    let touched = async || {
        let sql = "SELECT xmin::text FROM pg_proc WHERE proname = 'one'";
        database
            .superuser()
            .await
            .fetch_value::<String>(statement(sql, []))
            .await
            .unwrap()
    };
    rollout(&database, &shop(&[FIRST], &[FUNCTION]))
        .await
        .up()
        .await
        .unwrap();
    let first = touched().await;
    assert!(
        rollout(&database, &shop(&[FIRST], &[FUNCTION]))
            .await
            .up()
            .await
            .unwrap()
            .objects
            .is_empty()
    );
    assert_eq!(touched().await, first);
    let changed = Object::new(
        FUNCTION.name,
        FUNCTION.since,
        "CREATE OR REPLACE FUNCTION shop.one() RETURNS integer LANGUAGE sql AS 'SELECT 2'",
        FUNCTION.drop,
    );
    let rollout = rollout(&database, &shop(&[FIRST], &[changed])).await;
    assert_eq!(
        rollout.status().await.unwrap().objects[0].state,
        ObjectState::Changed
    );
    assert_eq!(rollout.up().await.unwrap().objects, ["shop/one"]);
    let answer: i32 = database
        .superuser()
        .await
        .fetch_value(statement("SELECT shop.one()", []))
        .await
        .unwrap();
    assert_eq!(answer, 2);
}

async fn removed_object_is_dropped(database: EmptyDatabase) {
    rollout(&database, &shop(&[FIRST], &[FUNCTION]))
        .await
        .up()
        .await
        .unwrap();
    let rollout = rollout(&database, &shop(&[FIRST], &[])).await;
    assert_eq!(
        rollout.status().await.unwrap().objects[0].state,
        ObjectState::Removed
    );
    assert_eq!(rollout.up().await.unwrap().dropped, ["shop/one"]);
    let gone = "SELECT to_regproc('shop.one') IS NULL";
    assert!(
        database
            .superuser()
            .await
            .fetch_value::<bool>(statement(gone, []))
            .await
            .unwrap()
    );
    assert!(rollout.status().await.unwrap().is_current());
}

async fn failed_migration_rolls_back_and_earlier_ones_stay(database: EmptyDatabase) {
    let failing = SqlMigration::new(
        SECOND.name,
        "CREATE TABLE shop.half (id integer); SELECT 1 / 0",
        SECOND.down,
    );
    let rollout = rollout(&database, &shop(&[FIRST, failing], &[FUNCTION])).await;
    let error = rollout.up().await.unwrap_err();
    let RolloutError::Step { step, reason } = &error else {
        panic!("{error:?}")
    };
    assert!(
        step.contains("m2_second") && reason.contains("22012"),
        "{error}"
    );
    let status = rollout.status().await.unwrap();
    assert_eq!(status.migrations[0].state, MigrationState::Applied);
    assert_eq!(status.migrations[1].state, MigrationState::Pending);
    let gone = "SELECT to_regclass('shop.half') IS NULL AND to_regclass('shop.item') IS NOT NULL";
    assert!(
        database
            .superuser()
            .await
            .fetch_value::<bool>(statement(gone, []))
            .await
            .unwrap()
    );
}

async fn failed_object_rolls_back_all_objects(database: EmptyDatabase) {
    let failing = Object::new(
        "shop/two",
        FUNCTION.since,
        "SELECT no_such_function()",
        FUNCTION.drop,
    );
    let rollout = rollout(&database, &shop(&[FIRST], &[FUNCTION, failing])).await;
    let error = rollout.up().await.unwrap_err();
    assert!(error.to_string().contains("shop/two"), "{error}");
    let gone = "SELECT to_regproc('shop.one') IS NULL";
    assert!(
        database
            .superuser()
            .await
            .fetch_value::<bool>(statement(gone, []))
            .await
            .unwrap()
    );
    assert!(
        rollout
            .status()
            .await
            .unwrap()
            .objects
            .iter()
            .all(|object| object.state == ObjectState::Pending)
    );
}

async fn status_needs_no_privileges(database: EmptyDatabase) {
    let superuser = database.superuser().await;
    let role = format!("looks_only_{}", std::process::id());
    let create = format!("CREATE ROLE {role} LOGIN PASSWORD 'canary-8841'");
    superuser.execute(statement(&create, [])).await.ok();
    // After the rollout, roles need a grant to connect.
    let grant = format!("GRANT CONNECT ON DATABASE {} TO {role}", database.name());
    superuser.execute(statement(&grant, [])).await.unwrap();
    let url = {
        let after_host = database.url.rsplit_once('@').unwrap().1;
        format!("postgresql://{role}:canary-8841@{after_host}")
    };
    let connect = async || {
        neobank_migration::Rollout::connect(&url, Default::default())
            .await
            .unwrap()
    };
    assert!(!connect().await.status().await.unwrap().is_current());
    bank(&database).await.up().await.unwrap();
    assert!(connect().await.status().await.unwrap().is_current());
    let rejected = connect().await.fresh().await.unwrap_err();
    assert!(
        !format!("{rejected} {rejected:?}").contains("canary"),
        "{rejected:?}"
    );
    let shown = format!("{:?}", connect().await);
    assert!(!shown.contains("canary"), "{shown}");
}

async fn migration_outside_a_transaction_is_applied(database: EmptyDatabase) {
    let index = SqlMigration::new(
        "m2_index",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS item_index ON shop.item (id)",
        "DROP INDEX CONCURRENTLY IF EXISTS shop.item_index",
    )
    .without_transaction();
    let schema = shop(&[FIRST, index], &[]);
    let (one, two) = (
        rollout(&database, &schema).await,
        rollout(&database, &schema).await,
    );
    let (one, two) = tokio::join!(one.up(), two.up());
    assert_eq!(
        one.unwrap().migrations.len() + two.unwrap().migrations.len(),
        2
    );
    let there = "SELECT to_regclass('shop.item_index') IS NOT NULL";
    assert!(
        database
            .superuser()
            .await
            .fetch_value::<bool>(statement(there, []))
            .await
            .unwrap()
    );
    let back = rollout(&database, &schema).await;
    assert_eq!(back.down(1).await.unwrap().migrations, ["m2_index"]);
    assert!(
        !database
            .superuser()
            .await
            .fetch_value::<bool>(statement(there, []))
            .await
            .unwrap()
    );
}
