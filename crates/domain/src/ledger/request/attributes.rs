//! What a request may have besides its accounts and amount.

use chrono::NaiveDate;

use crate::ledger::Metadata;

/// What a request may have besides its accounts and amount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attributes {
    /// The caller's own data.
    pub metadata: Option<Metadata>,
    /// The value date, which is the day from which the money counts for interest; `None` for the
    /// booking day in each account's time zone.
    pub value_date: Option<NaiveDate>,
}

/// Adds the methods that set the attributes of a request.
macro_rules! with_attributes {
    ($request:ty) => {
        impl $request {
            /// Returns the request with the caller's own data.
            #[must_use]
            pub fn with_metadata(mut self, metadata: $crate::ledger::Metadata) -> Self {
                self.attributes.metadata = Some(metadata);
                self
            }

            /// Returns the request with a value date.
            #[must_use]
            pub const fn with_value_date(mut self, value_date: chrono::NaiveDate) -> Self {
                self.attributes.value_date = Some(value_date);
                self
            }
        }
    };
}

pub(super) use with_attributes;
