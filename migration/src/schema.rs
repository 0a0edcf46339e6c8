//! The definition of a schema.

use std::fmt::Write as _;

use sea_orm_migration::sea_orm::ConnectionTrait;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager};
use sha2::{Digest, Sha256};

/// Migrations, in their order, and the objects on top of them, in the order of their dependencies.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Schema {
    /// The schemas that [`Rollout::fresh`](crate::Rollout::fresh) drops.
    pub names: Vec<&'static str>,
    /// The migrations, each applied once.
    pub migrations: Vec<SqlMigration>,
    /// The objects, each applied again when it changes.
    pub objects: Vec<Object>,
    /// The catalogue of a database after all of it was applied: the text of a
    /// [`Catalogue`](crate::Catalogue). Without it, no comparison takes place.
    pub catalogue: Option<&'static str>,
}

impl Schema {
    /// Creates a schema of these migrations and objects, without a catalogue to compare with.
    #[must_use]
    pub const fn new(
        names: Vec<&'static str>,
        migrations: Vec<SqlMigration>,
        objects: Vec<Object>,
    ) -> Self {
        Self {
            names,
            migrations,
            objects,
            catalogue: None,
        }
    }

    /// Sets the catalogue of a database after all of the schema was applied.
    #[must_use]
    pub fn with_catalogue(mut self, catalogue: impl Into<Option<&'static str>>) -> Self {
        self.catalogue = catalogue.into();
        self
    }
}

/// A migration: SQL that applies it, and SQL that reverts it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SqlMigration {
    /// Its name, which begins with its date, so that names sort in the order of application.
    pub name: &'static str,
    /// Applies the migration.
    pub up: &'static str,
    /// Reverts the migration.
    pub down: &'static str,
    /// `true` if each direction is a transaction. `CREATE INDEX CONCURRENTLY` cannot run in one;
    /// such a migration
    ///
    /// * is sent statement by statement: the line `-- next statement` separates them;
    /// * may be run again after it failed half-way. `IF NOT EXISTS` is not enough for that, since a
    ///   failed build leaves an existing invalid index: `DROP INDEX CONCURRENTLY IF EXISTS` comes
    ///   first;
    /// * waits for locks without the limit of
    ///   [`lock_timeout`](crate::RolloutOptions::lock_timeout), so it must contain no statement
    ///   that production would have to wait behind.
    pub transactional: bool,
}

/// The separator of statements in a migration that is not a transaction.
const NEXT_STATEMENT: &str = "-- next statement";

/// A function, a trigger, a view or grants: replaced as a whole when its text changes.
///
/// The file's name gives its kind: `function_<name>`, `trigger_<name>` and `view_<name>` must exist
/// in the schema of their folder's name, and are applied again when they do not; `grants` are
/// applied again after every migration and after every other object, since a recreated object has
/// lost its privileges.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Object {
    /// Its name: schema and file, such as `banking/function_audit`.
    pub name: &'static str,
    /// The migration that it needs.
    pub since: &'static str,
    /// Creates or replaces it; may be run again.
    pub create: &'static str,
    /// Drops it; may be run again, and also when its dependencies are missing. The rollout skips the
    /// `REVOKE` of a file of privileges when its tables or functions are missing.
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
        self.send(manager, self.up).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.send(manager, self.down).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(self.transactional)
    }
}

impl SqlMigration {
    /// Creates a migration of which each direction is a transaction.
    #[must_use]
    pub const fn new(name: &'static str, up: &'static str, down: &'static str) -> Self {
        Self {
            name,
            up,
            down,
            transactional: true,
        }
    }

    /// Runs the statements of both directions one by one, outside a transaction.
    #[must_use]
    pub const fn without_transaction(mut self) -> Self {
        self.transactional = false;
        self
    }

    /// Returns the recorded checksum, which changes with either direction.
    pub(crate) fn checksum(&self) -> String {
        checksum(&[self.up, self.down])
    }

    /// Returns one of its two directions, as it is sent to the server.
    pub(crate) fn statements(&self, sql: &'static str) -> Vec<&'static str> {
        if self.transactional {
            vec![sql]
        } else {
            sql.split(NEXT_STATEMENT).collect()
        }
    }

    async fn send(&self, manager: &SchemaManager<'_>, sql: &'static str) -> Result<(), DbErr> {
        for statement in self.statements(sql) {
            manager
                .get_connection()
                .execute_unprepared(&normalised(statement))
                .await?;
        }
        Ok(())
    }
}

impl Object {
    /// Creates an object that needs the migration `since`.
    #[must_use]
    pub const fn new(
        name: &'static str,
        since: &'static str,
        create: &'static str,
        drop: &'static str,
    ) -> Self {
        Self {
            name,
            since,
            create,
            drop,
        }
    }

    /// Returns the recorded checksum.
    pub(crate) fn checksum(&self) -> String {
        checksum(&[self.create, self.drop])
    }
}

/// Returns `true` if an object of this name is a file of privileges.
pub(crate) fn is_grants(name: &str) -> bool {
    file(name).starts_with("grants")
}

/// Returns `true` if the server's catalog lists an object of this name.
pub(crate) fn is_in_the_catalog(name: &str) -> bool {
    ["function_", "trigger_", "view_"]
        .iter()
        .any(|kind| file(name).starts_with(kind))
}

fn file(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Returns a text with the line ends of the repository, however its files were checked out.
pub(crate) fn normalised(text: &str) -> String {
    text.replace("\r\n", "\n")
}

fn checksum(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(normalised(text).as_bytes());
        hash.update([0]);
    }
    hash.finalize()
        .iter()
        .fold(String::with_capacity(64), |mut hexadecimal, byte| {
            let _ = write!(hexadecimal, "{byte:02x}");
            hexadecimal
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_of_a_checkout_change_no_checksum() {
        assert_eq!(checksum(&["a\r\nb"]), checksum(&["a\nb"]));
        assert_ne!(checksum(&["a\nb"]), checksum(&["a b"]));
        // The boundary between two texts still counts.
        assert_ne!(checksum(&["a", "b"]), checksum(&["ab", ""]));
    }
}
