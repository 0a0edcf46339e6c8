use thiserror::Error;

/// What is wrong with a configuration. Names the field or variable, and its value unless it is secret.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A part that has no default is not there.
    #[error("{field} is missing")]
    Missing {
        /// The field, or the variable of the environment.
        field: String,
    },
    /// A value that cannot be used.
    #[error("{field} is not {expected}: {value:?}")]
    Invalid {
        /// The field, or the variable of the environment.
        field: String,
        /// What was given.
        value: String,
        /// What can be used instead.
        expected: String,
    },
    /// The URL as a whole cannot be read. The URL itself is not shown, since it may hold a password.
    #[error("the database URL cannot be read: {reason}")]
    Url {
        /// What is wrong.
        reason: String,
    },
    /// Two sources say where the database is, and nobody could know which one counts.
    #[error("both {first} and {second} are set; unset one")]
    Ambiguous {
        /// One variable.
        first: String,
        /// The other.
        second: String,
    },
    /// The file of trusted authorities cannot be used.
    #[error("the root certificates in {source_name} cannot be used: {reason}")]
    RootCertificate {
        /// The file, or the operating system's store.
        source_name: String,
        /// What is wrong.
        reason: String,
    },
}

impl ConfigError {
    pub(crate) fn missing(field: &str) -> Self {
        Self::Missing {
            field: field.to_owned(),
        }
    }

    pub(crate) fn invalid(field: &str, value: impl Into<String>, expected: &str) -> Self {
        Self::Invalid {
            field: field.to_owned(),
            value: value.into(),
            expected: expected.to_owned(),
        }
    }

    pub(crate) fn url(reason: impl Into<String>) -> Self {
        Self::Url {
            reason: reason.into(),
        }
    }
}
