//! Many at once on few accounts: nobody waits in a circle, nothing is lost, nothing happens twice.

mod control;
mod directions;
mod mixture;
pub(super) mod random;
mod storm;
mod storm_of_keys;
