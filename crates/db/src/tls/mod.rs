//! The protection of connections: TLS by rustls, and none without the feature `tls`.

#[cfg(not(feature = "tls"))]
mod off;
#[cfg(feature = "tls")]
mod pinned;
#[cfg(feature = "tls")]
mod rustls;

#[cfg(not(feature = "tls"))]
use off as library;
#[cfg(feature = "tls")]
use rustls as library;

pub(crate) use library::{Encryption, certificate_advice, connect};

use crate::config::{ConfigError, TlsMode};

/// The protection of a connection: none, or TLS with the certificate authorities already loaded.
#[derive(Clone)]
pub(crate) enum Connector {
    Plain,
    Tls(Encryption),
}

impl Connector {
    /// # Errors
    ///
    /// [`ConfigError::RootCertificate`], and [`ConfigError::FeatureOff`] for a mode with TLS in a
    /// build without the feature `tls`.
    pub(crate) fn new(mode: &TlsMode) -> Result<Self, ConfigError> {
        match mode {
            TlsMode::Disable => Ok(Self::Plain),
            TlsMode::VerifyFull { root_certificate } => {
                library::verified(root_certificate.as_deref()).map(Self::Tls)
            }
        }
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Plain => "Plain",
            Self::Tls(_) => "Tls",
        })
    }
}

#[cfg(all(test, not(feature = "tls")))]
mod tests {
    use super::*;
    use crate::DatabaseConfig;

    #[test]
    fn without_the_feature_a_mode_with_tls_is_rejected_and_plain_is_not() {
        // The first names the mode, and the second has it by default.
        for url in [
            "postgresql://a@localhost/b?sslmode=verify-full",
            "postgresql://a@db.example/b",
        ] {
            let config = DatabaseConfig::from_url(url).unwrap();
            let error = Connector::new(&config.tls).unwrap_err();
            assert!(
                matches!(error, ConfigError::FeatureOff { feature: "tls", .. }),
                "{error:?}"
            );
            assert!(error.to_string().contains("sslmode"), "{error}");
        }
        let plain =
            DatabaseConfig::from_url("postgresql://a@db.example/b?sslmode=disable").unwrap();
        assert!(matches!(Connector::new(&plain.tls), Ok(Connector::Plain)));
    }
}
