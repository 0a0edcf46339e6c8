//! Access tokens of an `OpenID` Connect issuer: JWTs by RFC 9068, which take the place of a key.

mod fetch;
mod keys;
mod signature;
mod token;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use axum::http::Uri;
use thiserror::Error;

pub(crate) use self::token::{Denial, Grant};
use fetch::Fetcher;
use keys::Keys;

/// An issuer whose access tokens the service takes, and how it recognises them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuerOptions {
    /// The issuer's identifier, which a token has as `iss`: an address with `https`, or with `http`
    /// on this machine.
    pub issuer: String,
    /// The name of this service at the issuer, which a token has in `aud`.
    pub audience: String,
    /// The issuer's name in actors: `oidc:NAME/SUBJECT`. Its host by default.
    pub name: Option<String>,
    /// The address or the file of the issuer's keys (a JWK set); `None` finds the address at the
    /// issuer.
    pub keys: Option<String>,
}

impl IssuerOptions {
    /// Returns the options of an issuer whose keys are found by its configuration.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            name: None,
            keys: None,
        }
    }
}

/// The reason why the service does not take the tokens of an issuer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssuerError {
    /// The issuer or the address of its keys is no address that can be trusted.
    #[error("{text:?} is no address with https, or with http on this machine, and without a query")]
    Address {
        /// The address.
        text: String,
    },
    /// The audience is empty.
    #[error("an audience is needed: tokens for other services are not for this one")]
    Audience,
    /// The name cannot stand in actors.
    #[error("{text:?} is no name of an issuer: 1 to 60 letters, digits, dots and dashes")]
    Name {
        /// The name.
        text: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be used: {0}")]
    Tls(String),
    /// The keys could not be read.
    #[error("the keys of the issuer were not read: {0}")]
    Keys(String),
}

/// An issuer, with its keys as they were read last. Clones share the keys.
#[derive(Clone)]
pub struct Issuer {
    shared: Arc<Shared>,
}

struct Shared {
    options: IssuerOptions,
    name: String,
    keys: Arc<Keys>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Issuer({:?})", self.shared.options.issuer)
    }
}

impl Issuer {
    /// Returns an issuer whose keys are read when the first token arrives.
    ///
    /// # Errors
    ///
    /// [`IssuerError`] if an option cannot be used.
    pub fn new(options: IssuerOptions) -> Result<Self, IssuerError> {
        signature::install();
        let issuer = fetch::trusted(&options.issuer)?;
        if options.audience.trim().is_empty() {
            return Err(IssuerError::Audience);
        }
        let name = options
            .name
            .as_deref()
            .or(issuer.host())
            .unwrap_or_default();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        if !(1..=60).contains(&name.len()) || !name.bytes().all(is_plain) {
            let text = neobank_domain::shortened(name);
            return Err(IssuerError::Name { text });
        }
        let name = name.to_owned();
        let source = match &options.keys {
            None => keys::Source::Issuer(options.issuer.clone()),
            Some(text) if text.contains("://") => keys::Source::Address(fetch::trusted(text)?),
            Some(path) => keys::Source::File(PathBuf::from(path)),
        };
        let keys = Arc::new(Keys::new(source, Fetcher::new()?));
        Ok(Self {
            shared: Arc::new(Shared {
                options,
                name,
                keys,
            }),
        })
    }

    /// Reads the issuer's keys, and returns their number.
    ///
    /// # Errors
    ///
    /// [`IssuerError::Keys`] if the issuer does not answer, or has no key that can be used.
    pub async fn read_keys(&self) -> Result<usize, IssuerError> {
        self.shared.keys.read_now().await.map_err(IssuerError::Keys)
    }

    /// Returns what a token grants.
    pub(crate) async fn verify(&self, token: &str) -> Result<Grant, Denial> {
        token::verify(&self.shared, token).await
    }
}

/// Returns true for the host of an address of this machine.
fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}
