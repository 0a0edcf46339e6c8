//! The classes of failures.

use neobank_entity::sqlstates;

use super::{DatabaseError, ServerError, sqlstate};

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
}

impl ServerError {
    /// What kind of failure it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self.sqlstate.as_str() {
            sqlstate::SERIALIZATION_FAILURE => ErrorClass::SerializationFailure,
            sqlstate::DEADLOCK_DETECTED => ErrorClass::Deadlock,
            sqlstate::LOCK_NOT_AVAILABLE => ErrorClass::LockTimeout,
            sqlstate::QUERY_CANCELED => ErrorClass::StatementCancelled,
            sqlstate::IDLE_IN_TRANSACTION_SESSION_TIMEOUT | sqlstate::TRANSACTION_TIMEOUT => {
                ErrorClass::TransactionTimeout
            }
            sqlstate::UNIQUE_VIOLATION => ErrorClass::UniqueViolation,
            sqlstate::FOREIGN_KEY_VIOLATION => ErrorClass::ForeignKeyViolation,
            sqlstate::CHECK_VIOLATION => ErrorClass::CheckViolation,
            sqlstate::NOT_NULL_VIOLATION => ErrorClass::NotNullViolation,
            sqlstate::EXCLUSION_VIOLATION => ErrorClass::ExclusionViolation,
            sqlstates::ENTRIES_MISSING
            | sqlstates::JOURNAL_NOT_CONTINUED
            | sqlstates::CHANGE_REFUSED => ErrorClass::JournalRejected,
            sqlstate::INSUFFICIENT_PRIVILEGE => ErrorClass::InsufficientPrivilege,
            sqlstate::INVALID_SCHEMA_NAME
            | sqlstate::UNDEFINED_TABLE
            | sqlstate::UNDEFINED_COLUMN
            | sqlstate::UNDEFINED_OBJECT
            | sqlstate::UNDEFINED_FUNCTION => ErrorClass::UndefinedObject,
            sqlstate::READ_ONLY_SQL_TRANSACTION => ErrorClass::ReadOnly,
            // During recovery the check of a setting refuses READ WRITE and SERIALIZABLE with this code.
            sqlstate::FEATURE_NOT_SUPPORTED
                if self.routine.as_deref().is_some_and(is_check_of_a_setting) =>
            {
                ErrorClass::ReadOnly
            }
            sqlstate::TOO_MANY_CONNECTIONS => ErrorClass::TooManyConnections,
            sqlstate::ADMIN_SHUTDOWN
            | sqlstate::CRASH_SHUTDOWN
            | sqlstate::CANNOT_CONNECT_NOW
            | sqlstate::IDLE_SESSION_TIMEOUT => ErrorClass::ServerUnavailable,
            other => match other.get(..2) {
                Some(sqlstate::class::INSUFFICIENT_RESOURCES) => ErrorClass::InsufficientResources,
                Some(sqlstate::class::INVALID_AUTHORIZATION) => ErrorClass::InvalidAuthorization,
                Some(sqlstate::class::CONNECTION_EXCEPTION) => ErrorClass::ConnectionLost,
                Some(sqlstate::class::DATA_EXCEPTION) => ErrorClass::InvalidData,
                _ => ErrorClass::Other,
            },
        }
    }
}

fn is_check_of_a_setting(routine: &str) -> bool {
    matches!(routine, "call_bool_check_hook" | "call_enum_check_hook")
}
