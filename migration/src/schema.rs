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
    /// What the catalogue of a database says after all of it was applied: the text of a
    /// [`Catalogue`](crate::Catalogue). Without it, nothing is compared.
    pub catalogue: Option<&'static str>,
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
    /// Whether each way is a transaction. `CREATE INDEX CONCURRENTLY` cannot be in one; such a migration
    ///
    /// * is sent statement by statement: between two of them stands the line `-- next statement`;
    /// * may be run again after it failed half-way. `IF NOT EXISTS` is not enough for that, since a build that failed
    ///   leaves an existing index and invalid: `DROP INDEX CONCURRENTLY IF EXISTS` comes first;
    /// * waits for locks without the limit of [`lock_timeout`](crate::RolloutOptions::lock_timeout), so it is no place
    ///   for a statement that production would have to wait behind.
    pub transactional: bool,
}

/// What stands between two statements of a migration that is not a transaction.
const NEXT_STATEMENT: &str = "-- next statement";

/// A function, a trigger, a view or grants: replaced as a whole when its text changes.
///
/// The file's name says what it is: `function_<name>`, `trigger_<name>` and `view_<name>` must exist in the schema after
/// which their folder is called, and are applied again when they do not; `grants` are applied again after every migration
/// and after every other object, since whatever is made anew has lost its privileges.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its name: schema and file, such as `banking/function_audit`.
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
    /// What is remembered of it: a change of either way changes it.
    pub(crate) fn checksum(&self) -> String {
        checksum(&[self.up, self.down])
    }

    /// One of its two ways, as it is sent to the server.
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
    /// What is remembered of it.
    pub(crate) fn checksum(&self) -> String {
        checksum(&[self.create, self.drop])
    }
}

/// Whether an object of this name is a file of privileges.
pub(crate) fn is_grants(name: &str) -> bool {
    file(name).starts_with("grants")
}

/// Whether an object of this name is something that the catalog lists.
pub(crate) fn is_in_the_catalog(name: &str) -> bool {
    ["function_", "trigger_", "view_"]
        .iter()
        .any(|kind| file(name).starts_with(kind))
}

fn file(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// A text with the line ends of the repository, however its files were checked out.
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
