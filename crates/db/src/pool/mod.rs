//! The pool's own parts: who may have a connection, how many there are, and what is seen of all that.

mod gate;
mod level;
mod sizing;

pub use sizing::{Decision, Limits, Observation, Reason, ServerLoad, State, decide};
