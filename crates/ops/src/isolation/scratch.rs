//! The scratch table of a run, in a schema of its own.

use neobank_db::{Database, DatabaseError, ErrorClass, Executor, statement};

use super::error::IsolationError;
use super::judge::Rows;
use super::session::read;

/// The scratch schema, whose name identifies this library in case a crash leaves it behind.
#[derive(Debug)]
pub(super) struct Scratch {
    schema: String,
}

impl Scratch {
    /// Creates a schema with a unique name, and the table in it.
    pub(super) async fn create(database: &Database) -> Result<Self, IsolationError> {
        // The server generates the name from lower case letters and digits, so it never needs
        // quotes.
        let schema: String = database
            .fetch_value(statement(
                "SELECT 'neobank_isolation_' || pg_catalog.left(pg_catalog.translate(pg_catalog.gen_random_uuid()::text, '-', ''), 16)",
                [],
            ))
            .await?;
        let scratch = Self { schema };
        match scratch.build(database).await {
            Ok(()) => Ok(scratch),
            Err(error) if error.class() == ErrorClass::InsufficientPrivilege => {
                Err(not_allowed(database).await)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Creates schema and table in one transaction.
    async fn build(&self, database: &Database) -> Result<(), DatabaseError> {
        let transaction = database.begin().await?;
        for sql in [
            format!("CREATE SCHEMA {}", self.schema),
            format!(
                "CREATE TABLE {} (id integer PRIMARY KEY, value integer NOT NULL)",
                self.table()
            ),
        ] {
            transaction.execute(statement(&sql, [])).await?;
        }
        transaction.commit().await
    }

    /// Restores the initial rows of every anomaly.
    pub(super) async fn reset(&self, database: &Database) -> Result<(), DatabaseError> {
        let transaction = database.begin().await?;
        for sql in [
            format!("TRUNCATE {}", self.table()),
            format!(
                "INSERT INTO {} (id, value) VALUES (1, 10), (2, 20)",
                self.table()
            ),
        ] {
            transaction.execute(statement(&sql, [])).await?;
        }
        transaction.commit().await
    }

    /// Returns the current rows of the table.
    pub(super) async fn rows(&self, database: &Database) -> Result<Rows, DatabaseError> {
        let sql = format!("SELECT id, value FROM {} ORDER BY id", self.table());
        read(database, &sql).await
    }

    pub(super) fn table(&self) -> String {
        format!("{}.test", self.schema)
    }

    /// Returns the name that identifies a session of this run: at most 63 bytes, the server's
    /// limit.
    pub(super) fn session_name(&self, session: &str) -> String {
        format!("{} {session}", self.schema)
    }

    /// Drops the schema.
    pub(super) async fn drop(self, database: &Database) -> Result<(), IsolationError> {
        let sql = format!("DROP SCHEMA {} CASCADE", self.schema);
        match database.execute(statement(&sql, [])).await {
            Ok(_) => Ok(()),
            Err(source) => Err(IsolationError::LeftBehind {
                schema: self.schema,
                source,
            }),
        }
    }
}

async fn not_allowed(database: &Database) -> IsolationError {
    let config = database.config();
    IsolationError::NotAllowed {
        role: config.role.as_ref().unwrap_or(&config.user).clone(),
        database: config.database.clone(),
    }
}
