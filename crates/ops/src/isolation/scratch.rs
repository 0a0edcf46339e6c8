//! A table of our own, in a schema of our own, for the time of a run.

use neobank_db::{Database, DatabaseError, ErrorClass, Executor, statement};

use super::error::IsolationError;
use super::judge::Rows;
use super::session::read;

/// The scratch schema; its name says whose it is, should a crash leave it behind.
#[derive(Debug)]
pub(super) struct Scratch {
    schema: String,
}

impl Scratch {
    /// Makes a schema with a name that nobody else has, and the table in it.
    pub(super) async fn create(database: &Database) -> Result<Self, IsolationError> {
        // Made by the server, of lower case letters and digits alone: it needs no quotes anywhere.
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

    /// Both or neither.
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

    /// The rows that every anomaly starts from.
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

    /// What is in the table now.
    pub(super) async fn rows(&self, database: &Database) -> Result<Rows, DatabaseError> {
        let sql = format!("SELECT id, value FROM {} ORDER BY id", self.table());
        read(database, &sql).await
    }

    pub(super) fn table(&self) -> String {
        format!("{}.test", self.schema)
    }

    /// The name under which a session of this run is found: at most 63 bytes, as the server keeps no more.
    pub(super) fn session_name(&self, session: &str) -> String {
        format!("{} {session}", self.schema)
    }

    /// Takes everything back.
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
