//! The parts that many kinds of requests have, and the methods that set them.

use chrono::NaiveDate;

use crate::ledger::Metadata;

/// The parts of a request that the ledger stores and does not decide on, except for the window of
/// value dates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attributes {
    /// The caller's own data.
    pub metadata: Option<Metadata>,
    /// The value date, which is the day from which the money counts for interest; `None` for the
    /// booking day in each account's time zone.
    pub value_date: Option<NaiveDate>,
}

impl Attributes {
    pub(super) const NONE: Self = Self {
        metadata: None,
        value_date: None,
    };
}

/// Adds the methods that set parts of a request: `builders!(TransferRequest: description)`.
macro_rules! builders {
    ($request:ty: $($part:ident),+) => {
        impl $request {
            $(builders!(@ $part);)+
        }
    };
    (@ description) => {
        /// Returns the request with a description, of at most 500 characters.
        #[must_use]
        pub fn with_description(mut self, description: impl Into<String>) -> Self {
            self.description = description.into();
            self
        }
    };
    (@ idempotency_key) => {
        /// Returns the request with an idempotency key, of at most 255 characters.
        #[must_use]
        pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
            self.idempotency_key = Some(key.into());
            self
        }
    };
    (@ metadata) => {
        /// Returns the request with the caller's own data.
        #[must_use]
        pub fn with_metadata(mut self, metadata: $crate::ledger::Metadata) -> Self {
            self.attributes.metadata = Some(metadata);
            self
        }
    };
    (@ value_date) => {
        /// Returns the request with a value date.
        #[must_use]
        pub const fn with_value_date(mut self, value_date: chrono::NaiveDate) -> Self {
            self.attributes.value_date = Some(value_date);
            self
        }
    };
}

pub(super) use builders;
