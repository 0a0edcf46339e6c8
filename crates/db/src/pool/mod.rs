//! The parts of a pool: its semaphore, its size, and its statistics.
//!
//! * A *semaphore* admits callers in the order of their arrival, as many at once as the pool has
//!   connections. Its size can change while it is in use:
//!   [`Database::resize`](crate::Database::resize).
//! * A *monitor* counts and measures: [`Database::metrics`](crate::Database::metrics),
//!   [`Database::events`](crate::Database::events),
//!   [`Database::leak_suspects`](crate::Database::leak_suspects),
//!   [`Database::statement_patterns`](crate::Database::statement_patterns).
//! * [`decide`] computes the size; with
//!   [`DatabaseConfig::auto_size`](crate::DatabaseConfig::auto_size) the pool applies its decision
//!   in every interval.
//! * [`Sampler`] and [`record_samples`] keep samples in the table `pooling.pool_stats`.

mod checkouts;
mod connect_throttle;
mod connections;
mod event;
mod guard;
mod histogram;
mod level;
mod manager;
mod metrics;
mod monitor;
mod pattern;
mod report;
mod sample;
mod semaphore;
mod sizing;

pub use checkouts::Checkout;
pub use event::{CloseReason, ConnectionId, PoolEvent, PoolEvents};
pub use histogram::Durations;
pub use metrics::{MeasuredValue, Measurement, PoolMetrics};
pub use pattern::StatementPattern;
pub use report::{Advice, PoolReport};
pub use sample::{Recorder, Sampler, delete_samples, record_samples};
pub use sizing::{
    AutoSize, Limits, Observation, Reason, ServerLoad, SizingDecision, SizingState, decide,
};

pub(crate) use connections::Connections;
pub(crate) use guard::{ANSWER_GRACE, DEADLINE_GRACE, PooledConnection};
pub(crate) use monitor::{ConnectionLifetime, Counted, Monitor};
pub(crate) use sizing::Sizer;

/// Formats a duration for people, in whole milliseconds.
fn rounded(duration: std::time::Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    format!("{:?}", std::time::Duration::from_millis(milliseconds))
}
