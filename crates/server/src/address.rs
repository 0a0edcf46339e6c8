//! The address on which the service listens, and the rule that keeps plain HTTP on this machine.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// An address on which the service listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and a port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// The path of a Unix socket, written `unix:/run/neobank/api.sock`.
    Unix(PathBuf),
}

/// The reason why the service does not listen on an address.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// The text is no address.
    #[error("{text:?} is no address such as 127.0.0.1:8080, [::1]:8080 or unix:/run/api.sock")]
    Malformed {
        /// The text that the caller gave.
        text: String,
    },
    /// Other machines can reach the address, and the service has no certificate.
    #[error(
        "{address} can be reached from other machines, and the service does not encrypt: \
         keys and amounts could be read on the way. Give it a certificate, put a proxy with TLS in \
         front of it, or allow plain HTTP explicitly"
    )]
    PlainHttp {
        /// The address.
        address: SocketAddr,
    },
}

impl ListenAddress {
    /// Returns the error of an address that other machines can reach, unless plain HTTP is allowed.
    ///
    /// # Errors
    ///
    /// [`AddressError::PlainHttp`].
    pub const fn validate(&self, allows_plain_http: bool) -> Result<(), AddressError> {
        match self {
            Self::Tcp(address) if !address.ip().is_loopback() && !allows_plain_http => {
                Err(AddressError::PlainHttp { address: *address })
            }
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let malformed = || AddressError::Malformed {
            text: neobank_domain::shortened(text),
        };
        match text.strip_prefix("unix:") {
            Some("") => Err(malformed()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| malformed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_unix_sockets_are_served_without_encryption() {
        for text in ["127.0.0.1:0", "[::1]:8080", "unix:/tmp/api.sock"] {
            let address: ListenAddress = text.parse().unwrap();
            assert_eq!(address.validate(false), Ok(()), "{text}");
        }
        for text in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80"] {
            let address: ListenAddress = text.parse().unwrap();
            let error = address.validate(false).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
            assert_eq!(address.validate(true), Ok(()), "{text}");
        }
        for text in ["", "localhost", "8080", "unix:", "127.0.0.1"] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }
}
