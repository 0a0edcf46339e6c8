use sea_orm_migration::{MigrationTrait, MigratorTrait};

use crate::neobank::schema;

/// The bank's migrations for those who embed sea-orm-migration.
///
/// It keeps its table `seaql_migrations` where [`Rollout`](crate::Rollout) keeps it when the connection's `search_path`
/// is `migration`; then each knows what the other applied. It applies migrations alone, without the functions, triggers
/// and grants that stand on them, and without the lock, the limits and the checksums of a roll-out: let
/// [`Rollout::up`](crate::Rollout::up) follow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        schema()
            .migrations
            .into_iter()
            .map(|migration| Box::new(migration) as Box<dyn MigrationTrait>)
            .collect()
    }
}
