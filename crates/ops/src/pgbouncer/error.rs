//! The reason why files cannot be written.

use thiserror::Error;

use super::PgbouncerVersion;

/// The reason why files cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PgbouncerError {
    /// A value that PgBouncer would reject or misread.
    #[error("{field} is {value:?}, but must be {expected}")]
    Invalid {
        /// The field, such as `databases.name`.
        field: String,
        /// The given value.
        value: String,
        /// The valid values.
        expected: String,
    },
    /// A key that this version of PgBouncer does not know, so that it would not start.
    #[error("PgBouncer {version} has no setting {key:?}")]
    UnknownSetting {
        /// The key.
        key: String,
        /// The version that the files are for.
        version: PgbouncerVersion,
    },
    /// Named prepared statements in a mode in which this version would mix those of different
    /// clients.
    #[error(
        "max_prepared_statements is {value}, but PgBouncer {version} does not follow prepared statements in {mode} mode: \
         it needs 1.21 and the mode transaction, or must be 0"
    )]
    PreparedStatements {
        /// The given value.
        value: u32,
        /// The version that the files are for.
        version: PgbouncerVersion,
        /// The pool's mode.
        mode: &'static str,
    },
    /// The pools may open more connections than the server has for them.
    #[error(
        "the pools may open {needed} connections, but the server has {available} for them: \
         {max_connections} less {reserved} that are reserved or others'"
    )]
    TooManyConnections {
        /// Connections that all pools of all instances may open.
        needed: u64,
        /// Connections available to them.
        available: u64,
        /// The server's `max_connections`.
        max_connections: u32,
        /// Connections that are reserved, or needed by others.
        reserved: u64,
    },
    /// PgBouncer may need more file descriptors than its process may have.
    #[error(
        "PgBouncer may need {needed} file descriptors (max_client_conn {clients}, {servers} to servers, {own} of its own), \
         but its limit is {limit}"
    )]
    TooManyFiles {
        /// File descriptors that it may need.
        needed: u64,
        /// Of them, for clients.
        clients: u32,
        /// Of them, for servers.
        servers: u64,
        /// Of them, for itself.
        own: u64,
        /// The limit of its process.
        limit: u32,
    },
}

impl PgbouncerError {
    pub(super) fn invalid(field: &str, value: &str, expected: &str) -> Self {
        Self::Invalid {
            field: field.to_owned(),
            value: value.to_owned(),
            expected: expected.to_owned(),
        }
    }
}
