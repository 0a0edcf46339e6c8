//! The types of the events that webhooks get.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::events::EventRecord;
use crate::ledger::HoldEventType;
use crate::shortened;

/// The type of an event, as messages name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum WebhookEventType {
    /// A transfer was posted.
    TransferPosted,
    /// A hold begins to reserve its amount.
    HoldAuthorised,
    /// A transfer takes an amount of a hold.
    HoldCaptured,
    /// The rest of a hold is available again.
    HoldReleased,
    /// The rest of a hold is available again, because its time has run out.
    HoldExpired,
}

/// A text that names no type of event.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{text:?} is no type of event; the types are {}",
    WebhookEventType::join(&WebhookEventType::ALL)
)]
#[non_exhaustive]
pub struct NotAnEventType {
    /// The text, shortened.
    pub text: String,
}

impl WebhookEventType {
    /// Every type.
    pub const ALL: [Self; 5] = [
        Self::TransferPosted,
        Self::HoldAuthorised,
        Self::HoldCaptured,
        Self::HoldReleased,
        Self::HoldExpired,
    ];

    /// Returns the type's name, such as `transfer.posted`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TransferPosted => "transfer.posted",
            Self::HoldAuthorised => "hold.authorised",
            Self::HoldCaptured => "hold.captured",
            Self::HoldReleased => "hold.released",
            Self::HoldExpired => "hold.expired",
        }
    }

    /// Returns the type of a record; `None` for a kind that this version does not know.
    #[must_use]
    pub const fn of(record: &EventRecord) -> Option<Self> {
        match record {
            EventRecord::Transfer(_) => Some(Self::TransferPosted),
            EventRecord::HoldEvent(change) => match change.event_type {
                HoldEventType::Authorised => Some(Self::HoldAuthorised),
                HoldEventType::Captured => Some(Self::HoldCaptured),
                HoldEventType::Released => Some(Self::HoldReleased),
                HoldEventType::Expired => Some(Self::HoldExpired),
                _ => None,
            },
        }
    }

    /// Returns the names with a space between them.
    #[must_use]
    pub fn join(types: &[Self]) -> String {
        let names: Vec<&str> = types.iter().map(|one| one.as_str()).collect();
        names.join(" ")
    }

    /// Reads names with spaces between them; an empty text has none.
    pub(super) fn split(text: &str) -> Result<Vec<Self>, NotAnEventType> {
        text.split_terminator(' ').map(str::parse).collect()
    }
}

impl fmt::Display for WebhookEventType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for WebhookEventType {
    type Err = NotAnEventType;

    fn from_str(text: &str) -> Result<Self, NotAnEventType> {
        let found = Self::ALL.into_iter().find(|one| one.as_str() == text);
        found.ok_or_else(|| NotAnEventType {
            text: shortened(text),
        })
    }
}

/// Writes the type's name.
impl Serialize for WebhookEventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_they_are_written() {
        let all = WebhookEventType::join(&WebhookEventType::ALL);
        assert_eq!(
            WebhookEventType::split(&all),
            Ok(WebhookEventType::ALL.to_vec())
        );
        assert_eq!(WebhookEventType::split(""), Ok(Vec::new()));
        for wrong in ["transfer", "transfer.posted  hold.expired"] {
            assert!(WebhookEventType::split(wrong).is_err(), "{wrong:?}");
        }
    }
}
