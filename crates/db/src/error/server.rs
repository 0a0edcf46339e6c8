//! The server's own error.

use std::fmt;

use thiserror::Error;
use tokio_postgres::error::DbError;

use super::sqlstate;

/// An error as the server reports it: the SQLSTATE and the names of the violated objects, for code
/// to match on.
#[derive(Clone, Error)]
#[error("{severity}: {message} (SQLSTATE {sqlstate})")]
#[non_exhaustive]
pub struct ServerError {
    /// The SQLSTATE: five characters, as in PostgreSQL's Appendix A.
    /// [`sqlstates`](crate::sqlstates) has the schema's own.
    pub sqlstate: String,
    /// `ERROR`, `FATAL` or `PANIC`, never translated.
    pub severity: String,
    /// The message for people. The server may translate it, so code must not match on it.
    pub message: String,
    /// Details, which may hold values of a row; never shown by `Display` or `Debug`.
    pub detail: Option<String>,
    /// The server's advice.
    pub hint: Option<String>,
    /// The schema of the violated object.
    pub schema: Option<String>,
    /// The table of the violated object.
    pub table: Option<String>,
    /// The violated column.
    pub column: Option<String>,
    /// The violated constraint.
    pub constraint: Option<String>,
    /// The function of the server's source that raised the error; never translated.
    pub routine: Option<String>,
}

impl ServerError {
    /// Builds the error that a database function caught and returned as a row, so that its
    /// transaction could continue.
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

    /// Returns true when a prepared statement no longer fits its tables (0A000) or no longer exists
    /// (26000).
    pub(crate) fn is_stale_plan(&self) -> bool {
        matches!(
            self.sqlstate.as_str(),
            sqlstate::FEATURE_NOT_SUPPORTED | sqlstate::INVALID_SQL_STATEMENT_NAME
        )
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
