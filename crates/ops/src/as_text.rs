//! Numbers of 64 bits as texts in JSON, because many JSON readers keep 53 bits of a number.

use serde::{Serialize, Serializer};

/// Serializes an optional number as a text.
pub(crate) fn option<S: Serializer>(
    number: &Option<i64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    number
        .map(|number| number.to_string())
        .serialize(serializer)
}
