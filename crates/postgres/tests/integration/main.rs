//! Real servers, started and ended in each of the ways.

#![allow(clippy::unwrap_used, clippy::panic)]

mod binaries;
mod given;
mod helper;
mod kept;
mod owner_end;
mod query;
mod stale;
mod wheel;
mod world;
