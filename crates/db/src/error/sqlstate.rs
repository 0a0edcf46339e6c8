//! PostgreSQL's own SQLSTATEs that this crate acts on (PostgreSQL's manual, Appendix A).

use tokio_postgres::error::{DbError, Severity};

pub(crate) const PROTOCOL_VIOLATION: &str = "08P01";
pub(crate) const FEATURE_NOT_SUPPORTED: &str = "0A000";
pub(crate) const INVALID_PARAMETER_VALUE: &str = "22023";
pub(crate) const NOT_NULL_VIOLATION: &str = "23502";
pub(crate) const FOREIGN_KEY_VIOLATION: &str = "23503";
pub(crate) const UNIQUE_VIOLATION: &str = "23505";
pub(crate) const CHECK_VIOLATION: &str = "23514";
pub(crate) const EXCLUSION_VIOLATION: &str = "23P01";
pub(crate) const READ_ONLY_SQL_TRANSACTION: &str = "25006";
pub(crate) const IN_FAILED_SQL_TRANSACTION: &str = "25P02";
pub(crate) const IDLE_IN_TRANSACTION_SESSION_TIMEOUT: &str = "25P03";
pub(crate) const TRANSACTION_TIMEOUT: &str = "25P04";
pub(crate) const INVALID_SQL_STATEMENT_NAME: &str = "26000";
pub(crate) const INVALID_SCHEMA_NAME: &str = "3F000";
pub(crate) const SERIALIZATION_FAILURE: &str = "40001";
pub(crate) const STATEMENT_COMPLETION_UNKNOWN: &str = "40003";
pub(crate) const DEADLOCK_DETECTED: &str = "40P01";
pub(crate) const INSUFFICIENT_PRIVILEGE: &str = "42501";
pub(crate) const UNDEFINED_COLUMN: &str = "42703";
pub(crate) const UNDEFINED_OBJECT: &str = "42704";
pub(crate) const UNDEFINED_FUNCTION: &str = "42883";
pub(crate) const UNDEFINED_TABLE: &str = "42P01";
pub(crate) const TOO_MANY_CONNECTIONS: &str = "53300";
pub(crate) const LOCK_NOT_AVAILABLE: &str = "55P03";
pub(crate) const QUERY_CANCELED: &str = "57014";
pub(crate) const ADMIN_SHUTDOWN: &str = "57P01";
pub(crate) const CRASH_SHUTDOWN: &str = "57P02";
pub(crate) const CANNOT_CONNECT_NOW: &str = "57P03";
pub(crate) const IDLE_SESSION_TIMEOUT: &str = "57P05";

/// The classes of SQLSTATEs: their first two characters.
pub(crate) mod class {
    pub(crate) const CONNECTION_EXCEPTION: &str = "08";
    pub(crate) const DATA_EXCEPTION: &str = "22";
    pub(crate) const INVALID_AUTHORIZATION: &str = "28";
    pub(crate) const INSUFFICIENT_RESOURCES: &str = "53";
    pub(crate) const SYSTEM_ERROR: &str = "58";
    pub(crate) const INTERNAL_ERROR: &str = "XX";
}

/// Returns true for an error of a statement in an aborted transaction.
pub(crate) fn is_aborted_transaction(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| code.code() == IN_FAILED_SQL_TRANSACTION)
}

/// Returns true when an answer to `COMMIT` proves that nothing was committed.
///
/// The server raises an error of severity `ERROR` before the commit is durable, except 40003 (the
/// server itself does not know) and the classes 58, XX and 08 (it failed in the middle). `FATAL`
/// and a broken connection prove nothing, because the server can be stopped after the commit became
/// durable and before it sent the answer.
pub(crate) fn proves_no_commit(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|server| {
        let code = server.code().code();
        is_error(server)
            && code != STATEMENT_COMPLETION_UNKNOWN
            && ![
                class::SYSTEM_ERROR,
                class::INTERNAL_ERROR,
                class::CONNECTION_EXCEPTION,
            ]
            .iter()
            .any(|class| code.starts_with(class))
    })
}

pub(super) fn is_error(error: &DbError) -> bool {
    matches!(error.parsed_severity(), Some(Severity::Error))
}
