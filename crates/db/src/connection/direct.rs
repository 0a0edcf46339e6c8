//! One connection outside of any pool, for consoles and for the detection of poolers.

use std::time::Duration;

use neobank_entity::Statement;
use tokio_postgres::{Row, SimpleQueryMessage};

use super::Connection;
use crate::config::{DatabaseConfig, Pooler};
use crate::error::DatabaseError;
use crate::executor::{Executor, convert, typed};
use crate::tls::Connector;

/// A connection outside of any pool. It is closed when this value is dropped.
///
/// [`DirectConnection::open`] changes no setting of the session, so it also works with servers
/// other than PostgreSQL, such as PgBouncer's console. [`DirectConnection::open_session`] gives the
/// session the role and the limits of the configuration, as a pool does. In both cases the client
/// waits [`DatabaseConfig::statement_timeout`] for the answer to a statement and then closes the
/// connection; [`DirectConnection::without_limit`] removes this limit.
pub struct DirectConnection {
    pub(crate) connection: Connection,
    limit: Option<Duration>,
}

impl std::fmt::Debug for DirectConnection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DirectConnection")
            .finish_non_exhaustive()
    }
}

/// A row of the simple query protocol: texts by column name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRow(Vec<(String, Option<String>)>);

impl TextRow {
    /// Builds a row from columns and their values.
    #[must_use]
    pub const fn new(columns: Vec<(String, Option<String>)>) -> Self {
        Self(columns)
    }

    /// Returns the text of a column; `None` when there is no such column, or when it is null.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| name == column)
            .and_then(|(_, text)| text.as_deref())
    }

    /// Returns the names of the columns, in the server's order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl DirectConnection {
    /// Opens a connection. Uses the hosts, ports, database, user, password, TLS mode, connect
    /// timeout and statement timeout of the configuration.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Config`], [`DatabaseError::Connect`].
    pub async fn open(config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        let mut config = config.clone();
        // Otherwise the session's limits are sent as startup options, which a pooler rejects or
        // ignores.
        config.pooler = Pooler::Transaction;
        Self::open_session(&config).await
    }

    /// Opens a connection whose session has the role and the limits of the configuration, as those
    /// of a pool have.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Config`], [`DatabaseError::Connect`].
    pub async fn open_session(config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        config.validate()?;
        let connection = Connection::open(config, &Connector::new(&config.tls)?).await?;
        Ok(Self {
            connection,
            limit: Some(config.statement_timeout),
        })
    }

    /// Removes the client's limit on each statement. The server's own limit remains.
    #[must_use]
    pub const fn without_limit(mut self) -> Self {
        self.limit = None;
        self
    }

    /// Returns true when the connection is closed, by either side.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.connection.client().is_closed()
    }

    /// Runs statements in the simple query protocol, including `BEGIN`, `COMMIT` and session
    /// settings. The server runs them in one transaction unless they contain transaction commands.
    ///
    /// The text is sent as it is: never insert a value that does not come from the program itself.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: the server's error, or [`DatabaseError::NoAnswer`].
    pub async fn batch(&self, sql: &str) -> Result<(), DatabaseError> {
        self.limited(self.connection.client().batch_execute(sql))
            .await
    }

    /// Sends a text in the simple query protocol, and returns the rows of all its statements.
    ///
    /// The text is sent as it is: never build it from outside input.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: the server's error, or [`DatabaseError::NoAnswer`].
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

    /// Prepares a statement under a name that the driver chooses. When the result is dropped, the
    /// driver deallocates the statement; behind a pooler another backend may receive that request.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: the server's error, or [`DatabaseError::NoAnswer`].
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
    /// [`DatabaseError`]: the server's error, or [`DatabaseError::NoAnswer`].
    pub async fn run(&self, statement: &DirectStatement) -> Result<u64, DatabaseError> {
        self.limited(self.connection.client().execute(&statement.0, &[]))
            .await
    }

    /// Returns true when the process that answers is the one that was announced when the connection
    /// was opened; `None` where the announced process is unknown. PostgreSQL announces its backend.
    /// A pooler announces an invented process, in every mode, because the backend changes.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: the server's error, or [`DatabaseError::NoAnswer`].
    pub async fn is_announced_backend(&self) -> Result<Option<bool>, DatabaseError> {
        let Some(announced) = self.connection.announced_process_id().await else {
            return Ok(None);
        };
        let rows = self
            .simple_query("SELECT pg_catalog.pg_backend_pid() AS process_id")
            .await?;
        let actual = rows.last().and_then(|row| row.get("process_id"));
        Ok(Some(actual == Some(announced.to_string().as_str())))
    }

    async fn limited<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        let answer = match self.limit {
            None => work.await,
            Some(limit) => match tokio::time::timeout(limit, work).await {
                Ok(answer) => answer,
                Err(_) => {
                    self.connection.close();
                    return Err(DatabaseError::NoAnswer { waited: limit });
                }
            },
        };
        answer.map_err(|error| {
            let failure = DatabaseError::from_driver(&error);
            match (&failure, self.connection.end()) {
                // The server may have reported the reason before this statement was sent.
                (DatabaseError::ConnectionLost { server: None, .. }, Some(end)) => end,
                _ => failure,
            }
        })
    }
}

impl Executor for DirectConnection {
    async fn query(&self, mut statement: Statement) -> Result<Vec<Row>, DatabaseError> {
        let parameters = convert(&mut statement)?;
        let client = self.connection.client();
        self.limited(client.query_typed(&statement.sql, &typed(&parameters)))
            .await
    }

    async fn execute(&self, mut statement: Statement) -> Result<u64, DatabaseError> {
        let parameters = convert(&mut statement)?;
        let client = self.connection.client();
        self.limited(client.execute_typed(&statement.sql, &typed(&parameters)))
            .await
    }
}

/// A statement that was prepared on a [`DirectConnection`].
#[derive(Debug)]
pub struct DirectStatement(tokio_postgres::Statement);
