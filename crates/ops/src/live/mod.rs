//! Queries of a live view: sessions, counters for rates, and the two signals to a session.

mod counters;
mod pools;
mod sessions;
mod signal;

pub use counters::{CountersRow, Rates, statement as counters_statement};
pub use pools::{POOLS_MAX, PoolSampleRow, statement as pool_samples_statement};
pub use sessions::{
    SESSIONS_MAX, STATEMENT_LENGTH_MAX, SessionRow, statement as sessions_statement,
};
pub use signal::{Signal, SignalOutcome, Target, statement as signal_statement};
