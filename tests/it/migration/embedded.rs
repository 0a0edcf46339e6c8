//! The migrations in the hands of sea-orm-migration: each knows what the other applied.

use neobank_migration::{MigrationState, Migrator, ObjectState};
use sea_orm_migration::MigratorTrait;
use sea_orm_migration::sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};

use super::bank;
use crate::harness::EmptyDatabase;

on_empty_databases!(
    it_sees_what_a_roll_out_applied,
    a_roll_out_goes_on_where_it_stopped,
);

async fn it_sees_what_a_roll_out_applied(database: EmptyDatabase) {
    bank(&database).await.up().await.unwrap();
    let embedded = embedded(&database).await;
    let pending = Migrator::get_pending_migrations_read_only(&embedded).await;
    assert!(pending.unwrap().is_empty());
    let whole = database.dump();
    Migrator::up(&embedded, None).await.unwrap();
    assert_eq!(database.dump(), whole);
}

async fn a_roll_out_goes_on_where_it_stopped(database: EmptyDatabase) {
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
}

async fn embedded(database: &EmptyDatabase) -> DatabaseConnection {
    let mut options = ConnectOptions::new(&database.url);
    options.set_schema_search_path("migration");
    Database::connect(options).await.unwrap()
}
