//! An account's statement and its days.
//!
//! Days are those of the account's own time zone, or of UTC: [`Days`] says which. A range begins with its first day and
//! ends before its last: `[from, to)`.

mod daily;
mod error;
mod page;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Serialize, Serializer};

pub use daily::{DailySummary, daily_summary, daily_summary_query};
pub use error::StatementError;
pub use neobank_entity::enums::EntryType;
pub use page::{Entry, StatementPage, page, page_query};

use crate::text;

/// Whose days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Days {
    /// Those of the account's time zone.
    #[default]
    OfAccount,
    /// Those of UTC.
    OfUtc,
}

/// Which entries of a statement to read.
///
/// # Example
///
/// ```
/// use chrono::NaiveDate;
/// use neobank_domain::statements::{Days, StatementRequest};
///
/// let january = StatementRequest::through("1993-01-01".parse()?, "1993-01-31".parse()?)
///     .with_days(Days::OfUtc)
///     .with_limit(50);
/// assert_eq!(january.to, NaiveDate::from_ymd_opt(1993, 2, 1).unwrap());
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementRequest {
    /// The first day.
    pub from: NaiveDate,
    /// The day after the last.
    pub to: NaiveDate,
    /// Whose days.
    pub days: Days,
    /// How many entries at most, from 1 to [`StatementRequest::LIMIT_MAX`].
    pub limit: u32,
    /// Where the page before ended.
    pub after: Option<StatementCursor>,
    /// How many entries to pass over. A cursor is steadier and faster: an offset shifts with every new entry.
    pub offset: u32,
}

/// A place in a statement that stays when entries come. Travels as a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementCursor {
    pub(crate) posted_at: DateTime<Utc>,
    pub(crate) entry_number: i64,
}

impl StatementRequest {
    /// The most entries on one page.
    pub const LIMIT_MAX: u32 = 10_000;

    /// The first 100 entries of the days from the first to the last, both included, in days of the account.
    #[must_use]
    pub fn through(first: NaiveDate, last: NaiveDate) -> Self {
        // A range that ends before it begins stays one, and is refused.
        let to = match last.succ_opt() {
            Some(next) if first <= last => next,
            _ => last,
        };
        Self::between(first, to)
    }

    /// The first 100 entries of a range, in days of the account.
    #[must_use]
    pub const fn between(from: NaiveDate, to: NaiveDate) -> Self {
        Self {
            from,
            to,
            days: Days::OfAccount,
            limit: 100,
            after: None,
            offset: 0,
        }
    }

    /// The same with the days of another zone.
    #[must_use]
    pub const fn with_days(mut self, days: Days) -> Self {
        self.days = days;
        self
    }

    /// The same with another number of entries at most.
    #[must_use]
    pub const fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// The same from where the page before ended.
    #[must_use]
    pub const fn with_after(mut self, after: Option<StatementCursor>) -> Self {
        self.after = after;
        self
    }

    pub(crate) fn check(&self) -> Result<(), StatementError> {
        check_range(self.from, self.to)?;
        if (1..=Self::LIMIT_MAX).contains(&self.limit) {
            Ok(())
        } else {
            Err(StatementError::Limit {
                limit: self.limit,
                limit_max: Self::LIMIT_MAX,
            })
        }
    }
}

/// Days that both sides can hold: PostgreSQL's dates end later than anybody needs, and begin before Christ.
pub(crate) fn check_range(from: NaiveDate, to: NaiveDate) -> Result<(), StatementError> {
    const FIRST: Option<NaiveDate> = NaiveDate::from_ymd_opt(1, 1, 1);
    const LAST: Option<NaiveDate> = NaiveDate::from_ymd_opt(9999, 12, 31);
    if from > to || Some(from) < FIRST || Some(to) > LAST {
        return Err(StatementError::Range { from, to });
    }
    Ok(())
}

/// Its text.
impl Serialize for StatementCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for StatementCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}.{}",
            self.posted_at.timestamp_micros(),
            self.entry_number
        )
    }
}

impl FromStr for StatementCursor {
    type Err = StatementError;

    fn from_str(text: &str) -> Result<Self, StatementError> {
        let parse = || {
            let (posted_at, entry_number) = text.split_once('.')?;
            Some(Self {
                posted_at: text::moment(posted_at)?,
                entry_number: entry_number.parse().ok()?,
            })
        };
        parse().ok_or_else(|| StatementError::Cursor {
            text: text::shortened(text),
        })
    }
}
