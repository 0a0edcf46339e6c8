//! The classes of failures.

use neobank_entity::sqlstates;

use super::{DatabaseError, ServerError, sqlstate};

/// The class of a failure, which determines what a caller can do about it. Derived from the
/// SQLSTATE alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// 40001: the transaction conflicts with another one. Run the whole transaction again.
    SerializationFailure,
    /// 40P01: the server chose the transaction as the victim of a deadlock. Run the whole
    /// transaction again.
    Deadlock,
    /// 55P03: a lock was not granted within its timeout.
    LockTimeout,
    /// 57014: the statement exceeded its timeout, or another session cancelled it.
    StatementCancelled,
    /// 25P03 or 25P04: the transaction was idle, or ran, for longer than its timeout.
    TransactionTimeout,
    /// 23505: a row with this key exists.
    UniqueViolation,
    /// 23503: a referenced row does not exist, or a row that is still referenced would be deleted.
    ForeignKeyViolation,
    /// 23514: a row fails a check constraint.
    CheckViolation,
    /// 23502: a column that must have a value has none.
    NotNullViolation,
    /// 23P01: a row conflicts with another by an exclusion constraint.
    ExclusionViolation,
    /// NB001, NB002 or NB003: the database's own invariants of the journal rejected the change.
    JournalRejected,
    /// 42501: the role lacks a privilege.
    InsufficientPrivilege,
    /// 25006, or a write transaction on a standby (0A000): the transaction or the whole server is
    /// read only.
    ReadOnly,
    /// 53300: the server has no free connection slot.
    TooManyConnections,
    /// 53xxx: the server lacks disk space, memory or another resource.
    InsufficientResources,
    /// 57P01, 57P02, 57P03, 57P05: the server is stopping, restarting or starting, or ended an idle
    /// session.
    ServerUnavailable,
    /// 28xxx: the server rejected the role or its password.
    InvalidAuthorization,
    /// 08xxx, or the connection broke.
    ConnectionLost,
    /// The deadline of the caller passed.
    DeadlineExceeded,
    /// 22xxx: a value does not fit its type.
    InvalidData,
    /// 3F000, 42P01, 42703, 42704 or 42883: a schema, table, column, type or function that the
    /// statement names does not exist. The schema was not rolled out, or is of another version.
    UndefinedObject,
    /// Any other failure.
    Other,
}

impl DatabaseError {
    /// Returns the class of the failure.
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
    /// Returns the class of the failure, by its SQLSTATE.
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
            | sqlstates::CHANGE_REJECTED => ErrorClass::JournalRejected,
            sqlstate::INSUFFICIENT_PRIVILEGE => ErrorClass::InsufficientPrivilege,
            sqlstate::INVALID_SCHEMA_NAME
            | sqlstate::UNDEFINED_TABLE
            | sqlstate::UNDEFINED_COLUMN
            | sqlstate::UNDEFINED_OBJECT
            | sqlstate::UNDEFINED_FUNCTION => ErrorClass::UndefinedObject,
            sqlstate::READ_ONLY_SQL_TRANSACTION => ErrorClass::ReadOnly,
            // During recovery the check of a setting rejects READ WRITE and SERIALIZABLE with this
            // code.
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
