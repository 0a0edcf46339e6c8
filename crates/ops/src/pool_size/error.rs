//! Why there is no pool size.

use thiserror::Error;

use super::BoundName;

/// Why there is no pool size.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PoolSizeError {
    /// A field that cannot be used.
    #[error("{field} is {value}, but must be {expected}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What was given.
        value: String,
        /// What can be used.
        expected: &'static str,
    },
    /// No size is safe: with fewer connections than `floor` the pool can deadlock, and there are only `limit`.
    #[error(
        "no pool size is safe: threads that hold several connections need at least {floor}, but {} allows {limit}",
        bound.as_str()
    )]
    NoSafeSize {
        /// Connections without which the pool can deadlock.
        floor: i64,
        /// Connections that an instance can have.
        limit: i64,
        /// What limits them.
        bound: BoundName,
    },
}
