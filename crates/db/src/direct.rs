//! One connection outside of any pool, for consoles and for probes of what stands between us and the server.

use std::time::Duration;

use tokio_postgres::SimpleQueryMessage;

use crate::config::{DatabaseConfig, Pooler};
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::tls::Connector;

/// A connection of its own, which is closed with this value. It sets nothing in the session, so that it also opens where
/// there is no PostgreSQL behind, as on the console of PgBouncer. Statements have no limit in the server but the one of
/// the role; here each has [`DatabaseConfig::statement_timeout`], after which the connection is closed.
pub struct DirectConnection {
    connection: Connection,
    limit: Duration,
}

impl std::fmt::Debug for DirectConnection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DirectConnection")
            .finish_non_exhaustive()
    }
}

/// A row of the simple query protocol: texts by the name of their column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRow(Vec<(String, Option<String>)>);

impl TextRow {
    /// A row of these columns and values.
    #[must_use]
    pub const fn new(columns: Vec<(String, Option<String>)>) -> Self {
        Self(columns)
    }

    /// The text in the column of this name; none when there is no such column, or when it is null.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| name == column)
            .and_then(|(_, text)| text.as_deref())
    }

    /// The names of its columns, in the server's order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl DirectConnection {
    /// Opens a connection. Of the configuration, host, database, user, password, TLS and the limits on connecting and on a
    /// statement count.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Config`], [`DatabaseError::Connect`].
    pub async fn open(config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        config.validate()?;
        let mut config = config.clone();
        // Without it the session's limits travel as options, which a pooler refuses or forgets.
        config.pooler = Pooler::Transaction;
        let connection = Connection::open(&config, &Connector::new(&config.tls)?).await?;
        Ok(Self {
            connection,
            limit: config.statement_timeout,
        })
    }

    /// Sends a text in the simple query protocol, and returns the rows of all its statements.
    ///
    /// The text is sent as it is: never make it from something that somebody gave.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: what the server refused, or [`DatabaseError::NoAnswer`].
    pub async fn simple_query(&self, sql: &'static str) -> Result<Vec<TextRow>, DatabaseError> {
        let messages = self
            .limited(self.connection.client().simple_query(sql))
            .await?;
        let mut rows = Vec::new();
        for message in messages {
            if let SimpleQueryMessage::Row(row) = message {
                let columns = row.columns().iter().enumerate();
                rows.push(TextRow(
                    columns
                        .map(|(place, column)| {
                            (column.name().to_owned(), row.get(place).map(str::to_owned))
                        })
                        .collect(),
                ));
            }
        }
        Ok(rows)
    }

    /// Prepares a statement under a name of the driver's. When it is dropped, the server is asked to forget it; behind a
    /// pooler that may be another backend.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: what the server refused, or [`DatabaseError::NoAnswer`].
    pub async fn prepare(&self, sql: &'static str) -> Result<DirectStatement, DatabaseError> {
        let statement = self
            .limited(self.connection.client().prepare_typed(sql, &[]))
            .await?;
        Ok(DirectStatement(statement))
    }

    /// Runs a prepared statement without parameters, and returns the number of its rows.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: what the server refused, or [`DatabaseError::NoAnswer`].
    pub async fn run(&self, statement: &DirectStatement) -> Result<u64, DatabaseError> {
        self.limited(self.connection.client().execute(&statement.0, &[]))
            .await
    }

    /// The process id that the other side announced when the connection was opened; none where it is encrypted, because the
    /// driver does not tell. PostgreSQL announces the backend's, which `pg_backend_pid()` also says; a pooler makes one up,
    /// because the backend changes.
    pub async fn announced_process_id(&self) -> Option<i32> {
        self.connection.announced_process_id().await
    }

    async fn limited<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        match tokio::time::timeout(self.limit, work).await {
            Ok(answer) => answer.map_err(|error| DatabaseError::from_driver(&error)),
            Err(_) => {
                self.connection.close();
                Err(DatabaseError::NoAnswer { waited: self.limit })
            }
        }
    }
}

/// A statement that was prepared on a [`DirectConnection`].
#[derive(Debug)]
pub struct DirectStatement(tokio_postgres::Statement);
