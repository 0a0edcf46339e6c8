//! In place of TLS, without the feature `tls`: every mode with TLS is refused before a connection is opened.

use std::path::Path;

use tokio_postgres::NoTls;

use crate::config::ConfigError;

/// The authorities of an encrypted connection, of which there are none.
#[derive(Clone, Copy)]
pub(crate) enum Encryption {}

/// Returns the refusal.
pub(crate) fn verified(_: Option<&Path>) -> Result<Encryption, ConfigError> {
    Err(ConfigError::FeatureOff {
        field: "sslmode".to_owned(),
        value: "verify-full".to_owned(),
        feature: "tls",
    })
}

/// Returns nothing ever, since there is no [`Encryption`].
pub(crate) fn connect(encryption: &Encryption, _: &str) -> NoTls {
    match *encryption {}
}

/// Returns nothing: no certificate was refused.
pub(crate) fn certificate_advice(_: &(dyn std::error::Error + 'static)) -> Option<String> {
    None
}
