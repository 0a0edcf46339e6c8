//! The crate's error type, and its classes.

mod class;
mod server;
pub(crate) mod sqlstate;

use std::fmt;
use std::time::Duration;

use neobank_entity::Constraint;
use thiserror::Error;

use crate::config::ConfigError;
use crate::connection::HostileSetting;
use crate::pool::PoolReport;

pub use class::ErrorClass;
pub use server::ServerError;
pub(crate) use sqlstate::{is_aborted_transaction, proves_no_commit};

/// The reason why a statement, a transaction or a connection failed.
///
/// `Display` shows neither parameters nor the server's `DETAIL`, since both can hold customers'
/// data.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// A field of the configuration is missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A setting makes reads or writes untrustworthy; see
    /// [`DatabaseConfig::reject_hostile_settings`](crate::DatabaseConfig).
    #[error("the database is not used while its settings endanger the data: {0}")]
    HostileSetting(Box<HostileSetting>),
    /// A pooler was detected that the configuration does not declare, or that allows no
    /// transaction.
    #[error("the database is not used: {objection}")]
    Pooler {
        /// The pooler that was detected, and the remedy.
        objection: &'static str,
    },
    /// A connection could not be opened.
    #[error("no connection to the database: {reason}")]
    Connect {
        /// The error of the network or the server.
        reason: String,
        /// The server's own error, where it returned one (a wrong password, too many connections).
        server: Option<Box<ServerError>>,
    },
    /// Every connection was in use for longer than
    /// [`DatabaseConfig::acquire_timeout`](crate::DatabaseConfig).
    #[error(
        "no connection became free within {waited:?}: {in_use} of {pool_max} are in use and \
         {waiting} callers wait; {report}"
    )]
    PoolTimeout {
        /// The time that the caller waited.
        waited: Duration,
        /// The number of connections in use at the end of the wait.
        in_use: usize,
        /// The size of the pool, in connections.
        pool_max: usize,
        /// The number of callers that waited.
        waiting: usize,
        /// The longest checkouts, and advice.
        report: Box<PoolReport>,
    },
    /// As many callers wait already as [`DatabaseConfig::waiters_max`](crate::DatabaseConfig)
    /// allows.
    #[error(
        "too many callers wait for a connection: {waiting}, and {in_use} of {pool_max} are in use; \
         send fewer callers"
    )]
    PoolOverloaded {
        /// The number of connections in use.
        in_use: usize,
        /// The size of the pool, in connections.
        pool_max: usize,
        /// The number of callers that wait.
        waiting: usize,
    },
    /// The pool is closed.
    #[error("the pool is closed")]
    PoolClosed,
    /// The server rejected a statement.
    #[error(transparent)]
    Server(#[from] Box<ServerError>),
    /// The connection broke, or the server ended it, while a statement ran. The effect of a
    /// statement in autocommit mode is unknown; inside a transaction the statement had no effect,
    /// unless the commit was already sent.
    #[error("the connection to the database was lost: {reason}")]
    ConnectionLost {
        /// The failure that the client saw.
        reason: String,
        /// The server's own reason, where it reported one before it ended the session.
        server: Option<Box<ServerError>>,
    },
    /// The server did not answer within the statement's timeout and five seconds of grace. The
    /// client closed the connection.
    #[error("the server did not answer within {waited:?}")]
    NoAnswer {
        /// The time that the client waited for the answer.
        waited: Duration,
    },
    /// The [deadline](crate::Database::with_deadline) passed; nothing was committed.
    #[error("the deadline passed before {before}")]
    DeadlineExceeded {
        /// The step that was not done, or not done in time.
        before: String,
        /// The server's own error, where the server's timeout expired first.
        server: Option<Box<ServerError>>,
    },
    /// A statement of the transaction had failed, so the server answered the commit with a
    /// rollback.
    #[error("the transaction was rolled back, because a statement in it had failed")]
    TransactionAborted,
    /// The commit was sent and the server did not answer it: the transaction may be committed or
    /// not.
    #[error("the commit's outcome is not known: {reason}")]
    CommitUnknown {
        /// The failure that the client saw instead of an answer.
        reason: String,
    },
    /// The commit is durable on this server, but its wait for the standby's confirmation was
    /// cancelled. If this server is lost before the standby has the commit, the transaction is lost
    /// too.
    #[error("the transaction is committed, but the standby has not confirmed it")]
    CommittedNotReplicated,
    /// A statement that must return a row returned none.
    #[error("the statement returned no row")]
    NoRow,
    /// A row lacks a requested column, or a column is of another type.
    #[error("the row cannot be read: {reason}")]
    Row {
        /// The column and its fault.
        reason: String,
    },
    /// The statement begins or ends a transaction, or leaves session state to the connection's next
    /// user.
    #[error(
        "{command} is not a statement for a pool: use begin, commit, savepoint, or SET LOCAL in a \
         transaction"
    )]
    SessionStatement {
        /// The first word of the statement, or the function that it calls.
        command: String,
    },
    /// A parameter cannot be sent.
    #[error("the parameter cannot be sent: {reason}")]
    Parameter {
        /// The fault of the parameter.
        reason: String,
    },
}

impl DatabaseError {
    /// Returns the server's own error; `None` for a failure that the client detected.
    #[must_use]
    pub fn server(&self) -> Option<&ServerError> {
        match self {
            Self::Server(server)
            | Self::Connect {
                server: Some(server),
                ..
            }
            | Self::ConnectionLost {
                server: Some(server),
                ..
            }
            | Self::DeadlineExceeded {
                server: Some(server),
                ..
            } => Some(server),
            _ => None,
        }
    }

    /// Returns the code of the server's own error; `None` for a failure that the client detected.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        self.server().map(|server| server.sqlstate.as_str())
    }

    /// Returns the constraint of NeoBank's own schema that was violated; `None` for any other
    /// failure, and for a constraint that this version does not know.
    #[must_use]
    pub fn violated(&self) -> Option<Constraint> {
        let server = self.server()?;
        Constraint::find(server.schema.as_deref()?, server.constraint.as_deref()?)
    }

    /// Returns the name of the violated constraint, of any schema.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        self.server()
            .and_then(|server| server.constraint.as_deref())
    }

    pub(crate) fn from_driver(error: &tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            // The server closes the connection after FATAL and PANIC.
            Some(server) if server.severity() == "ERROR" || sqlstate::is_error(server) => {
                Self::Server(Box::new(ServerError::from(server)))
            }
            Some(server) => {
                let server = ServerError::from(server);
                Self::ConnectionLost {
                    reason: server.to_string(),
                    server: Some(Box::new(server)),
                }
            }
            None if error.is_closed() => Self::lost("closed"),
            None => match std::error::Error::source(error) {
                Some(source) => match source.downcast_ref::<std::io::Error>() {
                    // The driver could not encode the message, so nothing was sent.
                    Some(io) if io.kind() == std::io::ErrorKind::InvalidInput => Self::Parameter {
                        reason: source.to_string(),
                    },
                    Some(io) => Self::lost(io),
                    None => Self::Parameter {
                        reason: format!("{error}: {source}"),
                    },
                },
                None => Self::lost(error),
            },
        }
    }

    pub(crate) fn lost(reason: impl fmt::Display) -> Self {
        Self::ConnectionLost {
            reason: reason.to_string(),
            server: None,
        }
    }

    pub(crate) fn deadline(before: impl fmt::Display) -> Self {
        Self::DeadlineExceeded {
            before: before.to_string(),
            server: None,
        }
    }

    pub(crate) fn from_connect(error: &tokio_postgres::Error) -> Self {
        let server = error
            .as_db_error()
            .map(|server| Box::new(ServerError::from(server)));
        let reason = match (&server, std::error::Error::source(error)) {
            (Some(server), _) => server.to_string(),
            (None, Some(source)) => match crate::tls::certificate_advice(source) {
                Some(words) => words,
                None => format!("{error}: {source}"),
            },
            (None, None) => error.to_string(),
        };
        Self::Connect { reason, server }
    }

    pub(crate) fn row(reason: impl fmt::Display) -> Self {
        Self::Row {
            reason: reason.to_string(),
        }
    }
}
