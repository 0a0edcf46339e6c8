//! The position of a page in a list of transfers.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::TransferQueryError;
use crate::{AccountId, TransferId, text};

/// A position in a list of transfers that stays the same when transfers are posted.
///
/// `Display` writes it as a text, which `FromStr` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferCursor(pub(super) Position);

/// The last transfer of the page before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// In the order of the transfers' identifiers.
    OfAll(TransferId),
    /// In the order of an account's entries.
    OfAccount {
        account: AccountId,
        posted_at: DateTime<Utc>,
        entry_number: i64,
    },
}

impl fmt::Display for TransferCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Position::OfAll(transfer) => write!(formatter, "{}", transfer.as_uuid().simple()),
            Position::OfAccount {
                account,
                posted_at,
                entry_number,
            } => write!(
                formatter,
                "{}.{}.{entry_number}",
                account.as_uuid().simple(),
                posted_at.timestamp_micros(),
            ),
        }
    }
}

impl FromStr for TransferCursor {
    type Err = TransferQueryError;

    fn from_str(given: &str) -> Result<Self, TransferQueryError> {
        let identifier = |text: &str| {
            let is_simple = text.len() == 32;
            is_simple.then(|| Uuid::parse_str(text).ok()).flatten()
        };
        let parse = || match given.split_once('.') {
            None => identifier(given).map(|transfer| Position::OfAll(transfer.into())),
            Some((account, entry)) => {
                let (posted_at, entry_number) = entry.split_once('.')?;
                Some(Position::OfAccount {
                    account: identifier(account)?.into(),
                    posted_at: text::moment(posted_at)?,
                    entry_number: entry_number.parse().ok()?,
                })
            }
        };
        parse().map(Self).ok_or_else(|| TransferQueryError::Cursor {
            text: text::shortened(given),
        })
    }
}

/// Writes the text of the cursor.
impl Serialize for TransferCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
