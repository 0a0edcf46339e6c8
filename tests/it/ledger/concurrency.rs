//! Concurrent writers on few accounts: no deadlock, no lost update, no transfer twice.

mod control;
mod directions;
mod mixture;
mod storm;
mod storm_of_keys;
