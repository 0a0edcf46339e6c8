//! The error of a query that cannot run.

use std::path::PathBuf;

use neobank_db::{ConfigError, DatabaseError};
use thiserror::Error;

/// An error that prevents a query from running.
///
/// A problem that only leaves one section of a report empty, such as a missing privilege, is no
/// error but [`Section::NotAvailable`](crate::Section).
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum OpsError {
    /// The configuration of the connection is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The connection failed, or the server rejected a query for a reason other than a missing
    /// privilege.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The server is older than the oldest supported version.
    #[error("the server is PostgreSQL {major}.{minor}; 15 or newer is needed")]
    UnsupportedVersion {
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
    },
    /// An invalid limit, threshold or parameter of a query.
    #[error("{field} is {value}, but must be {expected}")]
    Invalid {
        /// The field, such as `connections.usage_warning_percent`.
        field: String,
        /// The given value.
        value: String,
        /// The valid values.
        expected: String,
    },
    /// An unknown key in the file of thresholds.
    #[error("{field} (set to {value}) is not a threshold; the known keys are: {known}")]
    UnknownThreshold {
        /// The key, with its table.
        field: String,
        /// The key's value.
        value: String,
        /// The known keys of that table.
        known: String,
    },
    /// A file of thresholds that cannot be read, or is not TOML.
    #[error("the thresholds cannot be read{}: {reason}", path.as_ref().map(|path| format!(" from {}", path.display())).unwrap_or_default())]
    ThresholdFile {
        /// The file; none for a text.
        path: Option<PathBuf>,
        /// The problem and its place.
        reason: String,
    },
}

impl OpsError {
    /// Builds an [`OpsError::Invalid`].
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
