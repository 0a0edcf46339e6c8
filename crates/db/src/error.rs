//! One error for everything that the database can answer, and its class.

use std::fmt;
use std::time::Duration;

use neobank_entity::{Constraint, sqlstates};
use thiserror::Error;
use tokio_postgres::error::{DbError, SqlState};

use crate::config::ConfigError;
use crate::pool::PoolReport;
use crate::settings::HostileSetting;

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

/// The server's own error: SQLSTATE and the names of what was violated, for code to match on.
#[derive(Clone, Error)]
#[error("{severity}: {message} (SQLSTATE {sqlstate})")]
#[non_exhaustive]
pub struct ServerError {
    /// Five characters, as in PostgreSQL's Appendix A; [`sqlstates`] has
    /// the schema's own.
    pub sqlstate: String,
    /// `ERROR`, `FATAL` or `PANIC`, never translated.
    pub severity: String,
    /// For people; may be translated, so never match on it.
    pub message: String,
    /// May hold values of the row; never shown by `Display` or `Debug`.
    pub detail: Option<String>,
    /// What the server advises.
    pub hint: Option<String>,
    /// The schema of what was violated.
    pub schema: Option<String>,
    /// The table of what was violated.
    pub table: Option<String>,
    /// The column that was violated.
    pub column: Option<String>,
    /// The constraint that was violated.
    pub constraint: Option<String>,
    /// The function of the server's source that raised it; never translated.
    pub routine: Option<String>,
}

/// What kind of failure it is, and so what a caller can do about it. Made from the SQLSTATE alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// 40001: run the whole transaction again.
    SerializationFailure,
    /// 40P01: run the whole transaction again.
    Deadlock,
    /// 55P03: a lock was not granted in time.
    LockTimeout,
    /// 57014: the statement ran into its limit, or somebody cancelled it.
    StatementCancelled,
    /// 25P03 or 25P04: the transaction was idle, or ran, for too long.
    TransactionTimeout,
    /// 23505.
    UniqueViolation,
    /// 23503.
    ForeignKeyViolation,
    /// 23514.
    CheckViolation,
    /// 23502.
    NotNullViolation,
    /// 23P01.
    ExclusionViolation,
    /// NB001, NB002 or NB003: the database's own guards of the journal refused it.
    JournalRejected,
    /// 42501.
    InsufficientPrivilege,
    /// 25006, or a transaction that wanted to write on a standby (0A000): the transaction, or the whole server, is read
    /// only.
    ReadOnly,
    /// 53300: too many connections.
    TooManyConnections,
    /// 53xxx: disk, memory or another resource is exhausted.
    InsufficientResources,
    /// 57P01, 57P02, 57P03, 57P05: the server is stopping, restarting or starting.
    ServerUnavailable,
    /// 28xxx: wrong name or password.
    InvalidAuthorization,
    /// 08xxx, or the connection broke.
    ConnectionLost,
    /// The caller's own deadline passed.
    DeadlineExceeded,
    /// 22xxx: a value that its type cannot hold.
    InvalidData,
    /// 3F000, 42P01, 42703, 42704 or 42883: the schema, table, column, type or function that a statement names is not there.
    /// The schema was not rolled out, or is another version's.
    UndefinedObject,
    /// Everything else.
    Other,
}

impl DatabaseError {
    /// What kind of failure it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Server(server) => server.class(),
            Self::Connect {
                server: Some(server),
                ..
            }
            | Self::ConnectionLost {
                server: Some(server),
                ..
            } => server.class(),
            Self::Connect { server: None, .. }
            | Self::ConnectionLost { server: None, .. }
            | Self::NoAnswer { .. } => ErrorClass::ConnectionLost,
            Self::DeadlineExceeded { .. } => ErrorClass::DeadlineExceeded,
            _ => ErrorClass::Other,
        }
    }

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
            Some(server) if server.severity() == "ERROR" || is_error(server) => {
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
            (None, Some(source)) => match crate::tls::plain_words(source) {
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

impl ServerError {
    /// What kind of failure it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self.sqlstate.as_str() {
            "40001" => ErrorClass::SerializationFailure,
            "40P01" => ErrorClass::Deadlock,
            "55P03" => ErrorClass::LockTimeout,
            "57014" => ErrorClass::StatementCancelled,
            "25P03" | "25P04" => ErrorClass::TransactionTimeout,
            "23505" => ErrorClass::UniqueViolation,
            "23503" => ErrorClass::ForeignKeyViolation,
            "23514" => ErrorClass::CheckViolation,
            "23502" => ErrorClass::NotNullViolation,
            "23P01" => ErrorClass::ExclusionViolation,
            sqlstates::ENTRIES_MISSING
            | sqlstates::JOURNAL_NOT_CONTINUED
            | sqlstates::CHANGE_REFUSED => ErrorClass::JournalRejected,
            "42501" => ErrorClass::InsufficientPrivilege,
            "3F000" | "42P01" | "42703" | "42704" | "42883" => ErrorClass::UndefinedObject,
            "25006" => ErrorClass::ReadOnly,
            // During recovery the check of a setting refuses READ WRITE and SERIALIZABLE with this code.
            "0A000" if self.routine.as_deref().is_some_and(is_check_of_a_setting) => {
                ErrorClass::ReadOnly
            }
            "53300" => ErrorClass::TooManyConnections,
            "57P01" | "57P02" | "57P03" | "57P05" => ErrorClass::ServerUnavailable,
            other => match other.get(..2) {
                Some("53") => ErrorClass::InsufficientResources,
                Some("28") => ErrorClass::InvalidAuthorization,
                Some("08") => ErrorClass::ConnectionLost,
                Some("22") => ErrorClass::InvalidData,
                _ => ErrorClass::Other,
            },
        }
    }
}

impl ServerError {
    /// An error that a function of the database caught and returned as a row, so that its transaction could go on.
    #[must_use]
    pub fn caught(sqlstate: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            sqlstate: sqlstate.into(),
            severity: "ERROR".to_owned(),
            message: message.into(),
            detail: None,
            hint: None,
            schema: None,
            table: None,
            column: None,
            constraint: None,
            routine: None,
        }
    }

    /// Whether a prepared statement no longer fits its tables (0A000), or is not there any more (26000).
    pub(crate) fn is_stale_plan(&self) -> bool {
        matches!(self.sqlstate.as_str(), "0A000" | "26000")
    }
}

impl From<&DbError> for ServerError {
    fn from(error: &DbError) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            sqlstate: error.code().code().to_owned(),
            severity: error
                .parsed_severity()
                .map_or_else(|| error.severity().to_owned(), |s| s.to_string()),
            message: error.message().to_owned(),
            detail: owned(error.detail()),
            hint: owned(error.hint()),
            schema: owned(error.schema()),
            table: owned(error.table()),
            column: owned(error.column()),
            constraint: owned(error.constraint()),
            routine: owned(error.routine()),
        }
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServerError")
            .field("sqlstate", &self.sqlstate)
            .field("severity", &self.severity)
            .field("message", &self.message)
            .field("hint", &self.hint)
            .field("schema", &self.schema)
            .field("table", &self.table)
            .field("column", &self.column)
            .field("constraint", &self.constraint)
            .finish_non_exhaustive()
    }
}

fn is_check_of_a_setting(routine: &str) -> bool {
    matches!(routine, "call_bool_check_hook" | "call_enum_check_hook")
}

/// Whether the error came from a transaction that the server had already given up.
pub(crate) fn is_aborted_transaction(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION)
}

/// Whether an answer to `COMMIT` proves that nothing was committed.
///
/// An error of severity `ERROR` comes before the commit is durable, but for 40003 (the server itself does not know) and
/// for classes 58 and XX and 08 (it failed in the middle). `FATAL` and a broken connection prove nothing: the server can
/// be told to stop after the commit became durable and before its answer left.
pub(crate) fn proves_no_commit(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|server| {
        let code = server.code().code();
        is_error(server)
            && code != "40003"
            && !["58", "XX", "08"]
                .iter()
                .any(|class| code.starts_with(class))
    })
}

fn is_error(error: &DbError) -> bool {
    matches!(
        error.parsed_severity(),
        Some(tokio_postgres::error::Severity::Error)
    )
}
