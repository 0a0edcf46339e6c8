//! Identifiers: one type over a UUID for each kind of object.
//!
//! New identifiers are UUIDs of version 7. They begin with the time, so that rows made together lie
//! together in the index. The client makes them, so that a repeated request has the same
//! identifier.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid, Variant, Version};

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
    /// The identifier of a hold: an amount that is reserved on an account.
    HoldId
);
identifier!(
    /// The identifier of one change of a hold (`banking.hold_events`).
    HoldEventId
);
identifier!(
    /// The identifier of a key of the service (`banking.api_keys`).
    ApiKeyId
);
identifier!(
    /// The identifier of a group: transfers that were posted together.
    GroupId
);

impl HoldEventId {
    /// Returns the identifier of the change that a request makes to a hold. It begins with the time
    /// of the request's identifier, and is the same in every attempt.
    pub(crate) fn of(request: TransferId, hold: HoldId, kind: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [request.as_uuid().as_bytes(), hold.as_uuid().as_bytes()] {
            hash.update(part);
        }
        hash.update(kind);
        let hash: [u8; 32] = hash.finalize().into();
        let time = request.as_uuid().as_u128() & !(u128::MAX >> 48);
        let (rest, _) = hash.split_at(16);
        let rest = rest
            .iter()
            .fold(0_u128, |rest, byte| (rest << 8) | u128::from(*byte));
        let rest = Builder::from_u128(time | (rest >> 48))
            .with_variant(Variant::RFC4122)
            .with_version(Version::Custom)
            .into_uuid();
        Self(rest)
    }
}

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
