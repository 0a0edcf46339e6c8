//! Identifiers: a type for each, over a UUID.
//!
//! New ones are version 7: they begin with the time, so that rows made together lie together in the index, and they are
//! made by the client, so that a request that is sent again is the same request.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

macro_rules! identifier {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new one, different from every other and later than those before.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "a default that differs each time would surprise")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The UUID.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    };
}

identifier!(
    /// Identifies a customer.
    CustomerId
);
identifier!(
    /// Identifies an account.
    AccountId
);
identifier!(
    /// Identifies a transfer: one movement of money, with its two entries.
    TransferId
);
identifier!(
    /// Identifies an entry of the journal (`banking.transactions`).
    EntryId
);
