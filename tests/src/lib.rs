//! What the integration tests in `it/` share with the workspace's commands, and the examples of the README and of
//! `docs/`, so that they are compiled.
#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "simulations of time and load; no money is near"
)]

pub mod pool_simulation;

#[doc = include_str!("../../README.md")]
mod readme {}

#[doc = include_str!("../../docs/pool.md")]
mod pool_page {}
