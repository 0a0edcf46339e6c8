//! The conditions and the page of a list of changes.

use chrono::{DateTime, Datelike, Utc};

use super::{ChangeCursor, ChangeLogError};
use crate::ledger::Actor;
use crate::{AccountId, CustomerId};

/// The conditions and the page of a list of changes.
///
/// A change is listed when it meets every condition that is set; without conditions, all are
/// listed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangeFilter {
    /// The account that was changed.
    pub account: Option<AccountId>,
    /// The customer that was changed, with its preferences and all of its accounts.
    pub customer: Option<CustomerId>,
    /// The person or program that asked for the change.
    pub actor: Option<Actor>,
    /// The first moment of the range of times.
    pub from: Option<DateTime<Utc>>,
    /// The first moment after the range of times.
    pub until: Option<DateTime<Utc>>,
    /// The most changes on the page, from 1 to [`ChangeFilter::LIMIT_MAX`].
    pub limit: u32,
    /// The cursor that the previous page returned, with the same conditions.
    pub after: Option<ChangeCursor>,
}

impl Default for ChangeFilter {
    fn default() -> Self {
        Self {
            account: None,
            customer: None,
            actor: None,
            from: None,
            until: None,
            limit: 100,
            after: None,
        }
    }
}

impl ChangeFilter {
    /// The most changes on one page.
    pub const LIMIT_MAX: u32 = 1_000;

    /// Sets the account that was changed.
    #[must_use]
    pub fn with_account(mut self, account: impl Into<Option<AccountId>>) -> Self {
        self.account = account.into();
        self
    }

    /// Sets the customer that was changed, or whose preferences or accounts were.
    #[must_use]
    pub fn with_customer(mut self, customer: impl Into<Option<CustomerId>>) -> Self {
        self.customer = customer.into();
        self
    }

    /// Sets the person or program that asked for the change.
    #[must_use]
    pub fn with_actor(mut self, actor: impl Into<Option<Actor>>) -> Self {
        self.actor = actor.into();
        self
    }

    /// Sets the first moment of the range of times.
    #[must_use]
    pub fn with_from(mut self, from: impl Into<Option<DateTime<Utc>>>) -> Self {
        self.from = from.into();
        self
    }

    /// Sets the first moment after the range of times.
    #[must_use]
    pub fn with_until(mut self, until: impl Into<Option<DateTime<Utc>>>) -> Self {
        self.until = until.into();
        self
    }

    /// Sets the most changes on the page.
    #[must_use]
    pub const fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Sets the cursor that the previous page returned.
    #[must_use]
    pub fn with_after(mut self, after: impl Into<Option<ChangeCursor>>) -> Self {
        self.after = after.into();
        self
    }

    pub(super) fn check(&self) -> Result<(), ChangeLogError> {
        if self.limit == 0 || self.limit > Self::LIMIT_MAX {
            return Err(ChangeLogError::Limit {
                limit: self.limit,
                limit_max: Self::LIMIT_MAX,
            });
        }
        let is_in_range = |time: DateTime<Utc>| (1..=9999).contains(&time.year());
        let times_are_valid = [self.from, self.until]
            .into_iter()
            .flatten()
            .all(is_in_range);
        let ends_before =
            matches!((self.from, self.until), (Some(from), Some(until)) if until < from);
        if !times_are_valid || ends_before {
            return Err(ChangeLogError::Times {
                from: self.from,
                until: self.until,
            });
        }
        Ok(())
    }
}
