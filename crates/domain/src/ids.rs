//! Identifiers: one type over a UUID for each kind of object.
//!
//! New identifiers are UUIDs of version 7. They begin with the time, so that rows made together lie
//! together in the index. The client makes them, so that a repeated request has the same
//! identifier.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

macro_rules! identifier {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Creates an identifier that is unique, and greater than those this process made
            /// before.
            #[must_use]
            #[allow(
                clippy::new_without_default,
                reason = "a default that differs each time would surprise"
            )]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// Returns the UUID of the identifier.
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
    /// The identifier of a customer.
    CustomerId
);
identifier!(
    /// The identifier of an account.
    AccountId
);
identifier!(
    /// The identifier of a transfer: one movement of money, with its two entries.
    TransferId
);
identifier!(
    /// The identifier of an entry in the journal (`banking.transactions`).
    EntryId
);
identifier!(
    /// The identifier of a group: transfers that were posted together.
    GroupId
);

/// The number of identifiers that follow one of [`TransferId::first_of_many`].
const FOLLOWING: u128 = 0xffff;

macro_rules! successive {
    ($name:ident) => {
        impl $name {
            /// Creates an identifier that 65,535 others can follow.
            pub(crate) fn first_of_many() -> Self {
                Self(Uuid::from_u128(Uuid::now_v7().as_u128() & !FOLLOWING))
            }

            /// Returns the identifier at this index behind one of [`Self::first_of_many`].
            pub(crate) fn following(self, index: u16) -> Self {
                Self(Uuid::from_u128(self.0.as_u128() | u128::from(index)))
            }
        }
    };
}

successive!(TransferId);
successive!(EntryId);
