//! One error for everything that the database can answer, and its class.

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

/// Why a statement, a transaction or a connection failed.
///
/// `Display` shows neither parameters nor the server's `DETAIL`, since both can hold customers' data.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A setting makes what is read or written untrue; see
    /// [`DatabaseConfig::refuse_hostile_settings`](crate::DatabaseConfig).
    #[error("the database is not used while its settings endanger the data: {0}")]
    HostileSetting(Box<HostileSetting>),
    /// A pooler stands before the server that the configuration does not name, or that lets no
    /// transaction run.
    #[error("the database is not used: {objection}")]
    Pooler {
        /// What stands there, and what to do.
        objection: &'static str,
    },
    /// A connection could not be opened.
    #[error("no connection to the database: {reason}")]
    Connect {
        /// What the network or the server said.
        reason: String,
        /// The server's own answer, when it gave one (a wrong password, too many connections).
        server: Option<Box<ServerError>>,
    },
    /// Every connection was in use for longer than [`DatabaseConfig::acquire_timeout`](crate::DatabaseConfig).
    #[error(
        "no connection became free within {waited:?}: {in_use} of {pool_max} are in use and {waiting} callers wait; {report}"
    )]
    PoolTimeout {
        /// How long the caller waited.
        waited: Duration,
        /// Connections in use at the end of the wait.
        in_use: usize,
        /// Connections at most.
        pool_max: usize,
        /// Callers that were waiting.
        waiting: usize,
        /// Who has the connections, and what to do.
        report: Box<PoolReport>,
    },
    /// As many callers waited already as may: [`DatabaseConfig::waiters_max`](crate::DatabaseConfig).
    #[error(
        "too many callers wait for a connection: {waiting}, and {in_use} of {pool_max} are in use; send fewer callers"
    )]
    PoolOverloaded {
        /// Connections in use.
        in_use: usize,
        /// Connections at most.
        pool_max: usize,
        /// Callers that wait.
        waiting: usize,
    },
    /// The pool has been closed.
    #[error("the pool is closed")]
    PoolClosed,
    /// The server refused a statement.
    #[error(transparent)]
    Server(#[from] Box<ServerError>),
    /// The connection broke, or the server ended it, while a statement ran. Whether the statement took effect is not
    /// known when it ran on its own; inside a transaction it did not, unless the commit was already sent.
    #[error("the connection to the database was lost: {reason}")]
    ConnectionLost {
        /// What was seen.
        reason: String,
        /// The server's own reason, when it gave one before it ended the session.
        server: Option<Box<ServerError>>,
    },
    /// The server did not answer within the statement's limit and some grace; the connection has been closed.
    #[error("the server did not answer within {waited:?}")]
    NoAnswer {
        /// How long the answer was waited for.
        waited: Duration,
    },
    /// The [deadline](crate::Database::with_deadline) passed; nothing was committed.
    #[error("the deadline passed before {before}")]
    DeadlineExceeded {
        /// What was not done, or not done in time.
        before: String,
        /// The server's own answer, when it was the server that noticed.
        server: Option<Box<ServerError>>,
    },
    /// The commit of a transaction in which a statement had failed: the server rolled everything back.
    #[error("the transaction was rolled back, because a statement in it had failed")]
    TransactionAborted,
    /// The commit was sent and its answer never came: the transaction may have happened or not.
    #[error("the commit's outcome is not known: {reason}")]
    CommitUnknown {
        /// What was seen instead of an answer.
        reason: String,
    },
    /// The commit is durable on this server, and was not confirmed by the standby that it waits for, because somebody
    /// cancelled the wait. If this server is lost before the standby has it, so is the transaction.
    #[error("the transaction is committed, but the standby has not confirmed it")]
    CommittedNotReplicated,
    /// A statement that must return one row returned none.
    #[error("the statement returned no row")]
    NoRow,
    /// A row does not have the columns or the types that were asked for.
    #[error("the row cannot be read: {reason}")]
    Row {
        /// The column and what is wrong with it.
        reason: String,
    },
    /// The statement would open or end a transaction, or leave a setting to the connection's next owner.
    #[error(
        "{command} is not a statement for a pool: use begin, commit, savepoint, or SET LOCAL in a transaction"
    )]
    SessionStatement {
        /// Its first word.
        command: String,
    },
    /// A parameter cannot be sent.
    #[error("the parameter cannot be sent: {reason}")]
    Parameter {
        /// What is wrong with it.
        reason: String,
    },
}

impl DatabaseError {
    /// The server's own error, where there is one.
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

    /// Returns the constraint of NeoBank's own schema that was violated; `None` for any other failure, and for a constraint
    /// that this version does not know.
    #[must_use]
    pub fn violated(&self) -> Option<Constraint> {
        let server = self.server()?;
        Constraint::find(server.schema.as_deref()?, server.constraint.as_deref()?)
    }

    /// Returns the name of the constraint that was violated, whosever it is.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        self.server()
            .and_then(|server| server.constraint.as_deref())
    }

    pub(crate) fn from_driver(error: &tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            // After FATAL and PANIC the server closes the connection.
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
                    // The driver could not write the message, so nothing was sent.
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
