use sea_orm_migration::{MigrationTrait, MigratorTrait};

use crate::neobank::schema;

/// The bank's migrations for programs that embed sea-orm-migration.
///
/// It keeps its table `seaql_migrations` where [`Rollout`](crate::Rollout) keeps it when the
/// connection's `search_path` is `migration`; each then sees the migrations that the other applied.
/// It applies only migrations, without the functions, triggers and grants on top of them, and
/// without the lock, the limits and the checksums of a rollout: call
/// [`Rollout::up`](crate::Rollout::up) afterwards.
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
