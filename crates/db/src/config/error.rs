use thiserror::Error;

/// The error of a configuration. It names the field or variable, and its value unless that is
/// secret.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A required field has no value.
    #[error("{field} is missing")]
    Missing {
        /// The field, or the variable of the environment.
        field: String,
    },
    /// A value is not valid.
    #[error("{field} is not {expected}: {value:?}")]
    Invalid {
        /// The field, or the variable of the environment.
        field: String,
        /// The value.
        value: String,
        /// The valid values.
        expected: String,
    },
    /// A variable of the environment is not UTF-8. Its value is not shown, since it may be secret.
    #[error("{field} is not UTF-8")]
    NotUnicode {
        /// The variable.
        field: String,
    },
    /// The URL cannot be parsed. The URL itself is not shown, since it may contain a password.
    #[error("the database URL cannot be read: {reason}")]
    Url {
        /// The fault of the URL.
        reason: String,
    },
    /// Two sources name the database, and neither has precedence.
    #[error("both {first} and {second} are set; unset one")]
    Ambiguous {
        /// The first variable.
        first: String,
        /// The second variable.
        second: String,
    },
    /// The file of trusted certificate authorities cannot be used.
    #[error("the root certificates in {source_name} cannot be used: {reason}")]
    RootCertificate {
        /// The file, or the operating system's store.
        source_name: String,
        /// The fault of the source.
        reason: String,
    },
    /// A value that needs a feature of this crate that the program was built without.
    #[error(
        "{field}={value} needs the feature {feature} of neobank-db, which this program is built without"
    )]
    FeatureOff {
        /// The field.
        field: String,
        /// The value, given or by default.
        value: String,
        /// The feature.
        feature: &'static str,
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
