//! Statements of an account, page by page, and summaries of its days.
//!
//! [`Days`] selects the calendar: days of the account's own time zone, or of UTC. A range includes
//! the day `from` and excludes the day `to`.
//!
//! These statements are by booking time. [`page_by_value_date`] and
//! [`daily_summaries_by_value_date`] read the same by value date.

mod daily;
mod error;
mod page;
mod query;
mod value_date;
mod value_query;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Serialize, Serializer};

pub use daily::{
    DailySummary, daily_summaries, daily_summaries_query, daily_summary, daily_summary_query,
};
pub use error::StatementError;
pub use neobank_entity::enums::EntryType;
pub use page::{Entry, StatementPage, page, page_query};
pub use value_date::{
    ValueDateCursor, ValueDateEntry, ValueDatePage, ValueDateRequest,
    daily_summaries_by_value_date, page_by_value_date, page_by_value_date_query,
};

use crate::text;

/// The calendar by which a statement counts its days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Days {
    /// Days of the account's own time zone, changes of its clocks included.
    #[default]
    OfAccount,
    /// Days of UTC.
    OfUtc,
}

/// The range and the page of a statement to read.
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
#[non_exhaustive]
pub struct StatementRequest {
    /// The first day of the range.
    pub from: NaiveDate,
    /// The day after the last day of the range.
    pub to: NaiveDate,
    /// The calendar of these days.
    pub days: Days,
    /// The most entries on the page, from 1 to [`StatementRequest::LIMIT_MAX`].
    pub limit: u32,
    /// The cursor that the previous page returned.
    pub after: Option<StatementCursor>,
    /// The number of entries to skip. A cursor is faster and more stable, because an offset shifts
    /// with every new entry.
    pub offset: u32,
}

/// A position in a statement that stays the same when entries are added.
///
/// `Display` writes it as a text, which `FromStr` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementCursor {
    pub(crate) posted_at: DateTime<Utc>,
    pub(crate) entry_number: i64,
}

impl StatementRequest {
    /// The most entries on one page.
    pub const LIMIT_MAX: u32 = 10_000;

    /// Requests the newest 100 entries of a range of the account's days, both ends included.
    #[must_use]
    pub fn through(first: NaiveDate, last: NaiveDate) -> Self {
        // A range that ends before it begins is kept as it is, so that `check` rejects it.
        let to = match last.succ_opt() {
            Some(next) if first <= last => next,
            _ => last,
        };
        Self::between(first, to)
    }

    /// Requests the newest 100 entries of a range of the account's days, without the day `to`.
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

    /// Sets the calendar of the range's days.
    #[must_use]
    pub const fn with_days(mut self, days: Days) -> Self {
        self.days = days;
        self
    }

    /// Sets the most entries on the page, from 1 to [`StatementRequest::LIMIT_MAX`].
    #[must_use]
    pub const fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Sets the cursor that the previous page returned.
    #[must_use]
    pub const fn with_after(mut self, after: Option<StatementCursor>) -> Self {
        self.after = after;
        self
    }

    /// Sets the number of entries to skip.
    #[must_use]
    pub const fn with_offset(mut self, offset: u32) -> Self {
        self.offset = offset;
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

/// Checks that a range does not end before it begins, and lies within the years 1 to 9999, which
/// both PostgreSQL and `chrono` can hold.
pub(crate) fn check_range(from: NaiveDate, to: NaiveDate) -> Result<(), StatementError> {
    const FIRST: Option<NaiveDate> = NaiveDate::from_ymd_opt(1, 1, 1);
    const LAST: Option<NaiveDate> = NaiveDate::from_ymd_opt(9999, 12, 31);
    if from > to || Some(from) < FIRST || Some(to) > LAST {
        return Err(StatementError::Range { from, to });
    }
    Ok(())
}

/// Writes the text of the cursor.
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
