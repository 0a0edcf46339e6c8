//! The position of a page in a list of changes.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::ChangeLogError;
use crate::shortened;

/// A position in a list of changes that stays the same when changes are made.
///
/// `Display` writes it as a text, which `FromStr` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeCursor(pub(super) i64);

impl fmt::Display for ChangeCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for ChangeCursor {
    type Err = ChangeLogError;

    fn from_str(given: &str) -> Result<Self, ChangeLogError> {
        let number = given.parse().ok().filter(|number| *number > 0);
        number.map(Self).ok_or_else(|| ChangeLogError::Cursor {
            text: shortened(given),
        })
    }
}

/// Writes the text of the cursor.
impl Serialize for ChangeCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
