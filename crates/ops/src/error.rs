//! One error for everything that keeps a report from being made.

use std::path::PathBuf;

use neobank_db::{ConfigError, DatabaseError};
use thiserror::Error;

/// An error that keeps a query from being run at all.
///
/// What only keeps one section of a report from being filled, such as a privilege that is missing, is no error but
/// [`Section::NotAvailable`](crate::Section).
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum OpsError {
    /// The configuration of the connection cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The connection failed, or the server rejected a query for a reason other than a missing privilege.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The server is older than the oldest version that is supported.
    #[error("the server is PostgreSQL {major}.{minor}; 15 or newer is needed")]
    UnsupportedVersion {
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
    },
    /// A limit, a threshold or a parameter of a query that cannot be used.
    #[error("{field} is {value}, but must be {expected}")]
    Invalid {
        /// Which one, such as `connections.usage_warning_percent`.
        field: String,
        /// What was given.
        value: String,
        /// What can be used.
        expected: String,
    },
    /// An unknown key in the file of thresholds.
    #[error("{field} (set to {value}) is not a threshold; known here are: {known}")]
    UnknownThreshold {
        /// The key, with the table that it is in.
        field: String,
        /// What it is set to.
        value: String,
        /// Those that are known in that table.
        known: String,
    },
    /// A file of thresholds that cannot be read, or is not TOML.
    #[error("the thresholds cannot be read{}: {reason}", path.as_ref().map(|path| format!(" from {}", path.display())).unwrap_or_default())]
    ThresholdFile {
        /// Which file; none for a text.
        path: Option<PathBuf>,
        /// What is wrong, and where.
        reason: String,
    },
}

impl OpsError {
    /// An [`OpsError::Invalid`].
    pub(crate) fn invalid(
        field: impl Into<String>,
        value: &impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            field: field.into(),
            value: value.to_string(),
            expected: expected.into(),
        }
    }
}
