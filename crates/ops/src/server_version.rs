//! The server's version, on which the SQL of some queries depends.

use std::fmt;

use serde::Serialize;

use crate::error::OpsError;

/// A version of PostgreSQL, 15 or newer, in the order of versions.
///
/// The queries are tested on 15 to 18; a newer server gets the queries of 18.
///
/// # Example
///
/// ```
/// use neobank_ops::ServerVersion;
///
/// let version = ServerVersion::from_number(150_018)?;
/// assert_eq!((version.major(), version.minor()), (15, 18));
/// assert_eq!(version.to_string(), "15.18");
/// let error = ServerVersion::from_number(140_011).unwrap_err();
/// assert_eq!(error.to_string(), "the server is PostgreSQL 14.11; 15 or newer is needed");
/// # Ok::<(), neobank_ops::OpsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct ServerVersion {
    number: u32,
}

impl ServerVersion {
    /// The oldest supported major version.
    pub const OLDEST_MAJOR: u32 = 15;
    /// The newest major version on which every query was tested.
    pub const NEWEST_MAJOR: u32 = 18;

    /// Parses `server_version_num`: 150018 is 15.18.
    ///
    /// # Errors
    ///
    /// [`OpsError::UnsupportedVersion`] below 15.
    pub const fn from_number(number: u32) -> Result<Self, OpsError> {
        if number / 10_000 < Self::OLDEST_MAJOR {
            return Err(OpsError::UnsupportedVersion {
                major: number / 10_000,
                minor: number % 10_000,
            });
        }
        Ok(Self { number })
    }

    /// Returns the major version, such as 15.
    #[must_use]
    pub const fn major(self) -> u32 {
        self.number / 10_000
    }

    /// Returns the minor version, such as 18 of 15.18.
    #[must_use]
    pub const fn minor(self) -> u32 {
        self.number % 10_000
    }

    /// Returns `true` if the queries were not tested on it yet.
    #[must_use]
    pub const fn is_untried(self) -> bool {
        self.major() > Self::NEWEST_MAJOR
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major(), self.minor())
    }
}

impl From<ServerVersion> for String {
    fn from(version: ServerVersion) -> Self {
        version.to_string()
    }
}
