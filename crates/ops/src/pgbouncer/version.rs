//! The versions of PgBouncer that files can be written for.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::PgbouncerError;

/// A minor release line of PgBouncer, from 1.18 on; the set of keys does not change within one. A
/// line newer than [`PgbouncerVersion::NEWEST`] is treated as having the keys of that one; no key
/// has ever been removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PgbouncerVersion(u8);

impl PgbouncerVersion {
    /// 1.18, the version of Debian 12.
    pub const OLDEST: Self = Self(18);
    /// 1.21, the first that moves named prepared statements from one server connection to another.
    pub const PREPARED_STATEMENTS: Self = Self(21);
    /// 1.25: the newest whose keys were read from its source.
    pub const NEWEST: Self = Self(25);

    /// Returns all versions whose keys were read from their source, the oldest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (Self::OLDEST.0..=Self::NEWEST.0).map(Self)
    }

    pub(super) const fn minor(self) -> u8 {
        self.0
    }
}

impl FromStr for PgbouncerVersion {
    type Err = PgbouncerError;

    /// Parses `1.25`, `1.25.2`, or the output of `SHOW VERSION`: `PgBouncer 1.25.2`.
    fn from_str(text: &str) -> Result<Self, PgbouncerError> {
        let unknown =
            || PgbouncerError::invalid("version", text, "1.18 or newer, such as 1.25 or 1.25.2");
        let numbers = text.strip_prefix("PgBouncer ").unwrap_or(text);
        let mut parts = numbers.split('.');
        let (major, minor) = (parts.next(), parts.next().ok_or_else(unknown)?);
        let is_number =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if major != Some("1")
            || !is_number(minor)
            || parts.next().is_some_and(|patch| !is_number(patch))
            || parts.next().is_some()
        {
            return Err(unknown());
        }
        match minor.parse() {
            Ok(minor @ 18..=99) => Ok(Self(minor)),
            _ => Err(unknown()),
        }
    }
}

impl std::fmt::Display for PgbouncerVersion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "1.{}", self.0)
    }
}

impl TryFrom<String> for PgbouncerVersion {
    type Error = PgbouncerError;

    fn try_from(text: String) -> Result<Self, PgbouncerError> {
        text.parse()
    }
}

impl From<PgbouncerVersion> for String {
    fn from(version: PgbouncerVersion) -> Self {
        version.to_string()
    }
}
