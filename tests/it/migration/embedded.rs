//! The migrations through sea-orm-migration: each migrator sees the migrations that the other
//! applied.

use std::sync::Arc;

use neobank_db::{DatabaseConfig, DirectConnection};
use neobank_migration::{MigrationState, Migrator, ObjectState};
use sea_orm_migration::MigratorTrait;
use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection};

use super::bank;
use crate::harness::EmptyDatabase;

on_empty_databases!(
    embedded_migrator_sees_migrations_of_a_rollout,
    rollout_continues_where_the_embedded_migrator_stopped,
);

async fn embedded_migrator_sees_migrations_of_a_rollout(database: EmptyDatabase) {
    bank(&database).await.up().await.unwrap();
    let embedded = embedded(&database).await;
    let pending = Migrator::get_pending_migrations_read_only(&embedded).await;
    assert!(pending.unwrap().is_empty());
    let whole = database.dump();
    Migrator::up(&embedded, None).await.unwrap();
    assert_eq!(database.dump(), whole);
}

async fn rollout_continues_where_the_embedded_migrator_stopped(database: EmptyDatabase) {
    let embedded = embedded(&database).await;
    let schema = "CREATE SCHEMA migration";
    embedded.execute_unprepared(schema).await.unwrap();
    Migrator::up(&embedded, None).await.unwrap();
    let rollout = bank(&database).await;
    let report = rollout.up().await.unwrap();
    assert!(report.migrations.is_empty(), "{report:?}");
    let status = rollout.status().await.unwrap();
    assert!(
        status
            .migrations
            .iter()
            .all(|migration| migration.state == MigrationState::Applied)
    );
    assert!(
        status
            .objects
            .iter()
            .all(|object| object.state == ObjectState::Current)
    );
    assert_eq!(status.violations().collect::<Vec<_>>(), [] as [&_; 0]);
}

async fn embedded(database: &EmptyDatabase) -> DatabaseConnection {
    let config = DatabaseConfig::from_url(&database.url).unwrap();
    let connection = DirectConnection::open(&config).await.unwrap();
    let path = "SET search_path = migration";
    connection.batch(path).await.unwrap();
    Arc::new(connection).into_sea_orm()
}
