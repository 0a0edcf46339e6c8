//! The pool's own parts: who may have a connection, how many there are, and what is seen of all that.
//!
//! * A *semaphore* lets callers in, in the order in which they came, as many at a time as the pool is large. Its size can be
//!   changed while it is in use: [`Database::resize`](crate::Database::resize).
//! * A *monitor* counts and measures: [`Database::metrics`](crate::Database::metrics),
//!   [`Database::events`](crate::Database::events), [`Database::leak_suspects`](crate::Database::leak_suspects),
//!   [`Database::statement_patterns`](crate::Database::statement_patterns).
//! * [`decide`] says how large the pool is to be; with [`DatabaseConfig::auto_size`](crate::DatabaseConfig::auto_size) it
//!   is asked every second and obeyed.
//! * [`Sampler`] and [`record_samples`] keep samples in the table `pooling.pool_stats`.

mod auto_size;
mod checkout;
mod connect_throttle;
mod connections;
mod event;
mod histogram;
mod level;
mod metrics;
mod monitor;
mod pattern;
mod sample;
mod semaphore;
mod sizing;
mod timeout;

pub use auto_size::AutoSize;
pub use checkout::Checkout;
pub use event::{CloseReason, ConnectionId, PoolEvent, PoolEvents};
pub use histogram::Durations;
pub use metrics::{MeasuredValue, Measurement, PoolMetrics};
pub use pattern::StatementPattern;
pub use sample::{Recorder, Sampler, delete_samples, record_samples};
pub use sizing::{Decision, Limits, Observation, Reason, ServerLoad, State, decide};
pub use timeout::{Advice, PoolReport};

pub(crate) use auto_size::Sizer;
pub(crate) use connect_throttle::{ConnectThrottle, Later};
pub(crate) use connections::{Connections, Taken};
pub(crate) use monitor::{Counted, Life, Monitor, Running};

/// A duration for people, in whole milliseconds.
fn rounded(duration: std::time::Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    format!("{:?}", std::time::Duration::from_millis(milliseconds))
}
