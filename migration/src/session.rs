//! The one connection of a rollout.

use std::time::Duration;

use neobank_db::driver::{FromSql, Row};
use neobank_db::{
    DatabaseConfig, DatabaseError, DirectConnection, Executor, Pooler, Value, statement,
};

use crate::error::RolloutError;

/// The limit of the client's wait for the network to accept sent data. The server's response may
/// take longer: a migration may run for hours.
const NETWORK_LIMIT: Duration = Duration::from_secs(60);

/// The SQLSTATE with which poolers reject the settings of a new connection.
const PROTOCOL_VIOLATION: &str = "08P01";

/// Settings that change the meaning of SQL or its run time. Defaults of a role and a database
/// (`ALTER ROLE … SET`) must not change them. The path is the first: every later statement finds
/// the server's own functions and operators.
pub(crate) const SETTINGS: [(&str, &str); 16] = [
    ("search_path", "pg_catalog, pg_temp"),
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("standard_conforming_strings", "on"),
    ("transform_null_equals", "off"),
    ("check_function_bodies", "on"),
    ("row_security", "off"),
    ("default_transaction_deferrable", "off"),
    ("synchronous_commit", "on"),
    ("default_tablespace", "''"),
    ("default_table_access_method", "heap"),
    ("client_min_messages", "warning"),
    ("array_nulls", "on"),
    ("\"TimeZone\"", "'UTC'"),
    ("\"DateStyle\"", "'ISO, MDY'"),
    ("\"IntervalStyle\"", "'postgres'"),
];

/// PostgreSQL 17 and newer have this limit; older servers would reject its name.
pub(crate) const TRANSACTION_TIMEOUT: &str =
    "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings
     WHERE name = 'transaction_timeout'";

/// A session that keeps its state: no pooler stands between it and the server.
#[derive(Debug)]
pub(crate) struct Session {
    connection: DirectConnection,
    /// The database's name from the server.
    pub(crate) database: String,
    /// The session's role.
    pub(crate) role: String,
    pub(crate) is_superuser: bool,
    /// The encoding of the database's texts.
    pub(crate) encoding: String,
}

impl Session {
    /// Connects, and makes the session independent of the defaults of its role and database.
    pub(crate) async fn open(config: &DatabaseConfig) -> Result<Self, RolloutError> {
        if config.pooler == Pooler::Transaction {
            return Err(RolloutError::Pooler);
        }
        let mut config = config.clone();
        // These settings come with the connection, so that a role's default does not apply even to
        // the first statement.
        config.statement_timeout = NETWORK_LIMIT;
        config.lock_timeout = NETWORK_LIMIT;
        config.idle_in_transaction_timeout = NETWORK_LIMIT;
        let connection = DirectConnection::open_session(&config)
            .await
            .map_err(of_connecting)?
            .without_limit();
        prepare(connection)
            .await
            .map_err(|error| RolloutError::database(&error))?
            .ok_or(RolloutError::Pooler)
    }

    /// Returns the connection as an executor.
    pub(crate) const fn executor(&self) -> &DirectConnection {
        &self.connection
    }

    /// Sends statements unchanged.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), DatabaseError> {
        self.connection.batch(sql).await
    }

    /// Returns every row.
    pub(crate) async fn rows(
        &self,
        sql: &str,
        parameters: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Row>, DatabaseError> {
        self.connection.query(statement(sql, parameters)).await
    }

    /// Returns the first column of the first row.
    pub(crate) async fn value<T: for<'a> FromSql<'a>>(
        &self,
        sql: &str,
        parameters: impl IntoIterator<Item = Value>,
    ) -> Result<T, DatabaseError> {
        let rows = self.rows(sql, parameters).await?;
        column(rows.first().ok_or(DatabaseError::NoRow)?, 0)
    }
}

/// Returns a row's column.
pub(crate) fn column<T: for<'a> FromSql<'a>>(row: &Row, place: usize) -> Result<T, DatabaseError> {
    row.try_get(place).map_err(|error| DatabaseError::Row {
        reason: error.to_string(),
    })
}

/// Returns `None` behind a pooler, which announces a process that is not the server's.
async fn prepare(connection: DirectConnection) -> Result<Option<Session>, DatabaseError> {
    const WHO: &str = "SELECT pg_catalog.current_database()::text,
            current_user::text, role.rolsuper,
            pg_catalog.pg_encoding_to_char(database.encoding)::text
        FROM pg_catalog.pg_roles AS role, pg_catalog.pg_database AS database
        WHERE role.rolname = current_user AND database.datname = pg_catalog.current_database()";
    let settings: String = SETTINGS
        .iter()
        .map(|(name, value)| format!("SET {name} = {value};"))
        .collect();
    // Checked before any setting, so that none stays on a pooler's connection.
    if connection.is_announced_backend().await? == Some(false) {
        return Ok(None);
    }
    connection.batch(&settings).await?;
    connection.batch(TRANSACTION_TIMEOUT).await?;
    let rows = connection.query(statement(WHO, [])).await?;
    let row = rows.first().ok_or(DatabaseError::NoRow)?;
    Ok(Some(Session {
        database: column(row, 0)?,
        role: column(row, 1)?,
        is_superuser: column(row, 2)?,
        encoding: column(row, 3)?,
        connection,
    }))
}

fn of_connecting(error: DatabaseError) -> RolloutError {
    match error {
        DatabaseError::Config(error) => RolloutError::Url {
            reason: error.to_string(),
        },
        error
            if error
                .server()
                .is_some_and(|s| s.sqlstate == PROTOCOL_VIOLATION) =>
        {
            RolloutError::Pooler
        }
        DatabaseError::Connect { reason, .. } => RolloutError::Connect { reason },
        error => RolloutError::Connect {
            reason: crate::error::reason(&error),
        },
    }
}
