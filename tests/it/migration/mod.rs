//! The rollout of the schema.

mod bookkeeping;
mod catalogue;
mod command;
mod concurrency;
mod drift;
mod embedded;
mod hazards;
mod ordinary_owner;
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
    let options = RolloutOptions {
        schema: schema.clone(),
        lock_timeout: std::time::Duration::from_millis(100),
        lock_attempts: 8,
        lock_pause: std::time::Duration::from_millis(50),
        ..RolloutOptions::default()
    };
    Rollout::connect(&database.url, options).await.unwrap()
}

pub(crate) const FIRST: SqlMigration = SqlMigration {
    name: "m1_first",
    up: "CREATE SCHEMA shop; CREATE TABLE shop.item (id integer PRIMARY KEY)",
    down: "DROP TABLE shop.item; DROP SCHEMA shop",
    transactional: true,
};

pub(crate) const SECOND: SqlMigration = SqlMigration {
    name: "m2_second",
    up: "ALTER TABLE shop.item ADD COLUMN price integer",
    down: "ALTER TABLE shop.item DROP COLUMN price",
    transactional: true,
};

pub(crate) const FUNCTION: Object = Object {
    name: "shop/one",
    since: "m1_first",
    create: "CREATE OR REPLACE FUNCTION shop.one() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    drop: "DROP FUNCTION IF EXISTS shop.one()",
};

/// Returns a small schema with these migrations and objects.
pub(crate) fn shop(migrations: &[SqlMigration], objects: &[Object]) -> Schema {
    Schema {
        names: vec!["shop"],
        migrations: migrations.to_vec(),
        objects: objects.to_vec(),
        catalogue: None,
    }
}
