//! The position of a page in a list of holds.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use thiserror::Error;
use uuid::Uuid;

use super::Hold;
use crate::{HoldId, text};

/// A position in a list of holds that stays the same when holds are made.
///
/// `Display` writes it as a text, which `FromStr` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldCursor {
    pub(super) authorised_at: DateTime<Utc>,
    pub(super) hold: HoldId,
}

/// A text that is not a cursor of a list of holds.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("not a cursor of a list of holds: {text:?}")]
#[non_exhaustive]
pub struct NotAHoldCursor {
    /// The text, cut to 80 characters.
    pub text: String,
}

impl From<&Hold> for HoldCursor {
    /// Returns the position after a hold.
    fn from(hold: &Hold) -> Self {
        Self {
            authorised_at: hold.authorised_at,
            hold: hold.hold_id,
        }
    }
}

impl fmt::Display for HoldCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.authorised_at.timestamp_micros();
        write!(formatter, "{}.{micros}", self.hold.as_uuid().simple())
    }
}

impl FromStr for HoldCursor {
    type Err = NotAHoldCursor;

    fn from_str(given: &str) -> Result<Self, NotAHoldCursor> {
        let parse = || {
            let (hold, micros) = given.split_once('.')?;
            let is_simple = hold.len() == 32;
            let hold = is_simple.then(|| Uuid::parse_str(hold).ok()).flatten()?;
            Some(Self {
                authorised_at: text::moment(micros)?,
                hold: hold.into(),
            })
        };
        parse().ok_or_else(|| NotAHoldCursor {
            text: text::shortened(given),
        })
    }
}

/// Writes the text of the cursor.
impl Serialize for HoldCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_is_read_as_it_is_written_and_other_texts_are_not() {
        let text = "01a229a432227 7fc8979b10251bc7e9d.1764545356338774".replace(' ', "");
        let cursor: HoldCursor = text.parse().unwrap();
        assert_eq!(cursor.to_string(), text);
        for wrong in [
            "",
            "01a229a4322277fc8979b10251bc7e9d",
            "01a229a4-3222-77fc-8979-b10251bc7e9d.1",
            "01a229a4322277fc8979b10251bc7e9d.x",
            "x.1",
        ] {
            assert!(wrong.parse::<HoldCursor>().is_err(), "{wrong}");
        }
    }
}
