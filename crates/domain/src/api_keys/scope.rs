//! The permissions of a key.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::shortened;

/// A permission of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// Reads customers, accounts, transfers, holds and statements.
    AccountsRead,
    /// Moves money from one customer's account to another, and back.
    TransfersWrite,
    /// Creates, captures and releases holds.
    HoldsWrite,
    /// Makes postings, journal entries and exchanges, and reverses them.
    AdjustmentsWrite,
    /// Creates and changes customers, accounts and preferences.
    CustomersWrite,
    /// Reads the sealed order of events.
    EventsRead,
    /// Reads the change log and runs the auditor.
    AuditRead,
    /// Has every permission.
    Admin,
}

/// A text that names no scope.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text:?} is no scope; the scopes are {}", Scope::join(&Scope::ALL))]
#[non_exhaustive]
pub struct NotAScope {
    /// The text, shortened.
    pub text: String,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 8] = [
        Self::AccountsRead,
        Self::TransfersWrite,
        Self::HoldsWrite,
        Self::AdjustmentsWrite,
        Self::CustomersWrite,
        Self::EventsRead,
        Self::AuditRead,
        Self::Admin,
    ];

    /// Returns the scope's name, such as `accounts:read`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountsRead => "accounts:read",
            Self::TransfersWrite => "transfers:write",
            Self::HoldsWrite => "holds:write",
            Self::AdjustmentsWrite => "adjustments:write",
            Self::CustomersWrite => "customers:write",
            Self::EventsRead => "events:read",
            Self::AuditRead => "audit:read",
            Self::Admin => "admin",
        }
    }

    /// Returns the names with a space between them.
    #[must_use]
    pub fn join(scopes: &[Self]) -> String {
        let names: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
        names.join(" ")
    }

    /// Reads names with spaces between them.
    pub(super) fn split(text: &str) -> Result<Vec<Self>, NotAScope> {
        text.split(' ').map(str::parse).collect()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| NotAScope {
            text: shortened(text),
        })
    }
}

/// Writes the scope's name.
impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written() {
        let all = Scope::join(&Scope::ALL);
        assert_eq!(Scope::split(&all), Ok(Scope::ALL.to_vec()));
        for wrong in ["", "accounts", "ADMIN", "admin  admin"] {
            assert!(Scope::split(wrong).is_err(), "{wrong:?}");
        }
    }
}
