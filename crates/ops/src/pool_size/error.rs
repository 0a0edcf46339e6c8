//! The reason why there is no pool size.

use thiserror::Error;

use super::BoundName;

/// The reason why there is no pool size.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PoolSizeError {
    /// An invalid field.
    #[error("{field} is {value}, but must be {expected}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// The given value.
        value: String,
        /// The valid values.
        expected: &'static str,
    },
    /// No size is safe: the pool can deadlock with fewer connections than `floor`, and only `limit`
    /// are available.
    #[error(
        "no pool size is safe: threads that hold several connections need at least {floor}, but {} allows {limit}",
        bound.as_str()
    )]
    NoSafeSize {
        /// The least number of connections without deadlocks.
        floor: i64,
        /// Connections that an instance can have.
        limit: i64,
        /// The bound that limits them.
        bound: BoundName,
    },
}
