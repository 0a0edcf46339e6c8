//! The rollout of the schema.

mod bookkeeping;
mod catalogue;
mod command;
mod concurrency;
mod drift;
mod embedded;
mod hazards;
mod ordinary_owner;
mod renames;
mod round_trip;
mod settings;
mod trust;

use neobank_migration::{Object, Rollout, RolloutOptions, Schema, SqlMigration};

use crate::harness::EmptyDatabase;

/// Returns a rollout of the bank's own schema.
pub(crate) async fn bank(database: &EmptyDatabase) -> Rollout {
    Rollout::connect(&database.url, RolloutOptions::default())
        .await
        .unwrap()
}

/// Returns a rollout of another schema, with a short lock timeout.
pub(crate) async fn rollout(database: &EmptyDatabase, schema: &Schema) -> Rollout {
    let options = RolloutOptions::default()
        .with_schema(schema.clone())
        .with_lock_timeout(std::time::Duration::from_millis(100))
        .with_lock_attempts(8)
        .with_lock_pause(std::time::Duration::from_millis(50));
    Rollout::connect(&database.url, options).await.unwrap()
}

pub(crate) const FIRST: SqlMigration = SqlMigration::new(
    "m1_first",
    "CREATE SCHEMA shop; CREATE TABLE shop.item (id integer PRIMARY KEY)",
    "DROP TABLE shop.item; DROP SCHEMA shop",
);

pub(crate) const SECOND: SqlMigration = SqlMigration::new(
    "m2_second",
    "ALTER TABLE shop.item ADD COLUMN price integer",
    "ALTER TABLE shop.item DROP COLUMN price",
);

pub(crate) const FUNCTION: Object = Object::new(
    "shop/one",
    "m1_first",
    "CREATE OR REPLACE FUNCTION shop.one() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "DROP FUNCTION IF EXISTS shop.one()",
);

/// Returns a small schema with these migrations and objects.
pub(crate) fn shop(migrations: &[SqlMigration], objects: &[Object]) -> Schema {
    Schema::new(vec!["shop"], migrations.to_vec(), objects.to_vec())
}
