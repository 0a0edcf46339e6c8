//! The build without the feature `tls`: it rejects every mode with TLS before it opens a connection.

use std::path::Path;

use tokio_postgres::NoTls;

use crate::config::ConfigError;

/// The settings of an encrypted connection. The type has no value, because there is none.
#[derive(Clone, Copy)]
pub(crate) enum Encryption {}

/// Returns the error of a mode with TLS.
pub(crate) fn verified(_: Option<&Path>) -> Result<Encryption, ConfigError> {
    Err(ConfigError::FeatureOff {
        field: "sslmode".to_owned(),
        value: "verify-full".to_owned(),
        feature: "tls",
    })
}

/// Is never called, because [`Encryption`] has no value.
pub(crate) fn connect(encryption: &Encryption, _: &str) -> NoTls {
    match *encryption {}
}

/// Returns `None`, because no certificate was verified.
pub(crate) fn certificate_advice(_: &(dyn std::error::Error + 'static)) -> Option<String> {
    None
}
