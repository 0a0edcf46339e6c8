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
    /// The identifier of a webhook (`banking.webhooks`).
    WebhookId
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

    /// Returns the identifier of the hold or release that a step of a group makes. It is that of
    /// the step with the first bit of the variant cleared, which no other identifier has cleared.
    pub(crate) fn of_step(step: TransferId) -> Self {
        Self(Uuid::from_u128(step.as_uuid().as_u128() & !VARIANT))
    }

    /// Returns the group, if a step of a group made the change and it is a hold or a release.
    #[must_use]
    pub fn group(self) -> Option<GroupId> {
        let bits = self.0.as_u128();
        let group = (bits | VARIANT) & !FOLLOWING;
        (bits & VARIANT == 0).then(|| Uuid::from_u128(group).into())
    }

    /// As [`Self::of_step`], for a step of a group by its index.
    pub(crate) fn of_group_step(group: GroupId, step: u16) -> Self {
        Self::of_step(TransferId::from(group.as_uuid()).following(step))
    }
}

/// The first bit of the variant, which every generator of identifiers sets.
const VARIANT: u128 = 1 << 63;

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

impl HoldId {
    /// Returns the identifiers of the holds that a group makes: the first possible one and the last.
    pub(crate) fn of_group(group: GroupId) -> [Self; 2] {
        let group = TransferId::from(group.as_uuid());
        [0, u16::MAX].map(|step| group.following(step).as_uuid().into())
    }
}

impl TransferId {
    /// Returns the group of a transfer that is a step of one.
    pub(crate) fn group(self) -> GroupId {
        Uuid::from_u128(self.0.as_u128() & !FOLLOWING).into()
    }
}
successive!(EntryId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_of_a_step_names_its_group() {
        let group = TransferId::first_of_many();
        for step in [0, 1, 999, u16::MAX] {
            let event = HoldEventId::of_step(group.following(step));
            assert_eq!(event.group(), Some(group.as_uuid().into()));
        }
        let single = TransferId::new();
        let event = HoldEventId::of(single, single.as_uuid().into(), "released");
        assert_eq!(event.group(), None);
        assert_eq!(HoldEventId::new().group(), None);
    }
}
