//! Jitter, so that waiting callers do not retry in step.

use std::hash::{BuildHasher, RandomState};

/// Returns a random number from 0 to 1023. The random keys of the standard library's hasher suffice
/// here.
pub(crate) fn jitter() -> u32 {
    let number = RandomState::new().hash_one(0_u8);
    u32::try_from(number % 1024).unwrap_or(0)
}
