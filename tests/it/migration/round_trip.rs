//! Up, down and up again.

use neobank_db::{Executor, statement};
use neobank_migration::{MigrationState, ObjectState};

use super::{FIRST, FUNCTION, SECOND, bank, rollout, shop};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    up_migrates_an_empty_database,
    each_migration_is_applied_reverted_and_applied_again,
    plan_is_what_up_runs_and_changes_nothing,
    plan_down_is_what_down_runs,
    fresh_drops_and_recreates_the_schema,
);

async fn up_migrates_an_empty_database(database: EmptyDatabase) {
    let rollout = bank(&database).await;
    let before = rollout.status().await.unwrap();
    assert!(
        before
            .migrations
            .iter()
            .all(|migration| migration.state == MigrationState::Pending)
    );
    let report = rollout.up().await.unwrap();
    assert_eq!(report.migrations.len(), before.migrations.len());
    assert_eq!(report.objects.len(), before.objects.len());
    assert!(rollout.status().await.unwrap().is_current());
    assert_eq!(
        rollout.up().await.unwrap(),
        Default::default(),
        "there was nothing to do"
    );
}

async fn each_migration_is_applied_reverted_and_applied_again(database: EmptyDatabase) {
    let rollout = bank(&database).await;
    let empty = database.dump();
    rollout.up().await.unwrap();
    let whole = database.dump();
    let count = rollout.status().await.unwrap().migrations.len();
    for steps in 1..=count {
        assert_eq!(rollout.down(steps).await.unwrap().migrations.len(), steps);
        rollout.up().await.unwrap();
        assert_eq!(
            database.dump(),
            whole,
            "after {steps} steps down and up again"
        );
    }
    rollout.down(count).await.unwrap();
    let sql =
        "SELECT count(*) FROM pg_namespace WHERE nspname IN ('banking', 'pooling', 'concurrency')";
    assert_eq!(
        database
            .superuser()
            .await
            .fetch_value::<i64>(statement(sql, []))
            .await
            .unwrap(),
        0
    );
    database
        .superuser()
        .await
        .execute(statement("DROP SCHEMA migration CASCADE", []))
        .await
        .unwrap();
    assert_eq!(database.dump(), empty, "nothing is left");
}

async fn plan_is_what_up_runs_and_changes_nothing(database: EmptyDatabase) {
    let empty = database.dump();
    let plan = bank(&database).await.plan().await.unwrap();
    assert_eq!(database.dump(), empty);
    let (client, connection) = tokio_postgres::connect(&database.url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    for step in &plan {
        // As `psql` does, which sends the statements outside a transaction one by one.
        let statements: Vec<&str> = if step.sql.starts_with("BEGIN") {
            vec![&step.sql]
        } else {
            step.sql.split_inclusive(";\n").collect()
        };
        for sql in statements {
            let executed = client.batch_execute(sql).await;
            executed.unwrap_or_else(|error| panic!("{}: {error:?}", step.title));
        }
    }
    // Run by hand, the plan gives the same schema, and the rollout recognizes it.
    let other = EmptyDatabase::on(database.version).await;
    bank(&other).await.up().await.unwrap();
    assert_eq!(database.dump(), other.dump());
    let rollout = bank(&database).await;
    assert!(rollout.status().await.unwrap().is_current());
    assert!(rollout.plan().await.unwrap().is_empty());
}

async fn plan_down_is_what_down_runs(database: EmptyDatabase) {
    let schema = shop(&[FIRST, SECOND], &[FUNCTION]);
    let rollout = rollout(&database, &schema).await;
    rollout.up().await.unwrap();
    let plan = rollout.plan_down(2).await.unwrap();
    let titles: Vec<_> = plan.iter().map(|step| step.title.as_str()).collect();
    assert_eq!(
        titles,
        ["migration m2_second down", "migration m1_first down"]
    );
    assert!(!plan[0].sql.contains("DROP FUNCTION"));
    let (function, table) = (
        plan[1].sql.find("DROP FUNCTION"),
        plan[1].sql.find("DROP TABLE"),
    );
    assert!(function.is_some() && function < table);
    let report = rollout.down(1).await.unwrap();
    assert_eq!(
        (report.migrations, report.dropped),
        (vec!["m2_second".to_owned()], vec![])
    );
    let status = rollout.status().await.unwrap();
    assert_eq!(
        status.objects[0].state,
        ObjectState::Current,
        "it does not stand on the second migration"
    );
    let report = rollout.down(5).await.unwrap();
    assert_eq!(
        (report.migrations, report.dropped),
        (vec!["m1_first".to_owned()], vec!["shop/one".to_owned()])
    );
}

async fn fresh_drops_and_recreates_the_schema(database: EmptyDatabase) {
    let mut rollout = bank(&database).await;
    rollout.up().await.unwrap();
    let whole = database.dump();
    let superuser = database.superuser().await;
    superuser
        .execute(statement("CREATE TABLE banking.stray (id integer)", []))
        .await
        .unwrap();
    superuser
        .execute(statement("SELECT banking.open_system_accounts('CZK')", []))
        .await
        .unwrap();
    rollout.fresh().await.unwrap_err();
    assert!(rollout.confirm(database.name()));
    rollout.fresh().await.unwrap();
    assert_eq!(database.dump(), whole);
    let sql = "SELECT count(*) FROM banking.accounts";
    assert_eq!(
        superuser
            .fetch_value::<i64>(statement(sql, []))
            .await
            .unwrap(),
        0
    );
}
