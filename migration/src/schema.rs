//! What a database is to be like.

use std::fmt::Write as _;

use sea_orm_migration::sea_orm::ConnectionTrait;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager};
use sha2::{Digest, Sha256};

/// Migrations, in their order, and the objects on top of them, in the order in which they need each other.
#[derive(Clone, Debug)]
pub struct Schema {
    /// The schemas that [`Rollout::fresh`](crate::Rollout::fresh) drops.
    pub names: Vec<&'static str>,
    /// Each applied once.
    pub migrations: Vec<SqlMigration>,
    /// Each applied again when it changes.
    pub objects: Vec<Object>,
}

/// A migration: SQL that goes up, and SQL that goes down again.
#[derive(Clone, Debug)]
pub struct SqlMigration {
    /// Its name; begins with its date, so that names sort in the order of application.
    pub name: &'static str,
    /// Brings the database one step further.
    pub up: &'static str,
    /// Brings it back.
    pub down: &'static str,
    /// Whether each way is a transaction. `CREATE INDEX CONCURRENTLY` cannot be in one: such a migration is a single
    /// statement that may be run again (`IF NOT EXISTS`).
    pub transactional: bool,
}

/// A function, a trigger, a view or grants: replaced as a whole when its text changes.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its name: schema and file.
    pub name: &'static str,
    /// The migration that it needs.
    pub since: &'static str,
    /// Makes or replaces it; may be run again.
    pub create: &'static str,
    /// Takes it away; may be run again, and also when what it stands on is gone.
    pub drop: &'static str,
}

impl MigrationName for SqlMigration {
    fn name(&self) -> &str {
        self.name
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait's signature elides it, and the macro makes another of `'_`"
)]
#[async_trait::async_trait]
impl MigrationTrait for SqlMigration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(self.up)
            .await
            .map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(self.down)
            .await
            .map(drop)
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(self.transactional)
    }
}

impl SqlMigration {
    /// What is remembered of it: a change of either way changes it.
    pub(crate) fn checksum(&self) -> String {
        checksum(&[self.up, self.down])
    }
}

impl Object {
    pub(crate) fn checksum(&self) -> String {
        checksum(&[self.create])
    }
}

fn checksum(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    hash.finalize()
        .iter()
        .fold(String::with_capacity(64), |mut hexadecimal, byte| {
            let _ = write!(hexadecimal, "{byte:02x}");
            hexadecimal
        })
}
