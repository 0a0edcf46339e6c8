//! The README's examples, so that they are compiled. The integration tests are in `it/`.

#[doc = include_str!("../../README.md")]
mod readme {}
