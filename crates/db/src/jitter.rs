//! A little jitter, so that those who wait do not wait in step.

use std::hash::{BuildHasher, RandomState};

/// A number from 0 to 1023. The standard library's random keys are chance enough for this.
pub(crate) fn jitter() -> u32 {
    let number = RandomState::new().hash_one(0_u8);
    u32::try_from(number % 1024).unwrap_or(0)
}
