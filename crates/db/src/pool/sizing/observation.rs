//! The input of a decision, and its limits.

use std::time::Duration;

/// The activity of the pool and its server over one window of time. [`Observation::new`] makes one
/// of an idle pool.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Observation {
    /// The length of the window.
    pub elapsed: Duration,
    /// The size in force, in connections.
    pub size: usize,
    /// The mean number of connections in use.
    pub in_use: f64,
    /// The highest number of connections in use.
    pub in_use_max: usize,
    /// The mean number of waiting callers.
    pub waiting: f64,
    /// The 95th percentile of the callers' waits.
    pub wait_p95: Duration,
    /// The mean time from a checkout to the return, of the returned connections.
    pub hold_mean: Duration,
    /// The number of returned connections.
    pub completed: u64,
    /// The number of callers that timed out or were rejected.
    pub timeouts: u64,
    /// The load of the server; `None` when it did not answer.
    pub server: Option<ServerLoad>,
}

impl Observation {
    /// Creates the observation of an idle pool of this size, without the load of the server.
    #[must_use]
    pub fn new(elapsed: Duration, size: usize) -> Self {
        Self {
            elapsed,
            size,
            ..Self::default()
        }
    }
}

/// The load of the server at one moment of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerLoad {
    /// The number of sessions of all clients that run on a processor: active, and waiting for
    /// nothing.
    pub running: usize,
    /// The number of sessions that wait for a lock.
    pub lock_waiters: usize,
    /// The number of connections for all clients: `max_connections` without those reserved for
    /// administrators.
    pub connections_max: usize,
    /// The number of sessions that belong to no instance of this application.
    pub others: usize,
}

impl ServerLoad {
    /// Creates the load of an idle server with this number of connections for all clients.
    #[must_use]
    pub fn new(connections_max: usize) -> Self {
        Self {
            connections_max,
            ..Self::default()
        }
    }
}

/// The bounds of decisions, and their eagerness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The smallest size, unless the server's budget is smaller.
    pub floor: usize,
    /// The largest size.
    pub ceiling: usize,
    /// The number of processes that share the server's connections in equal parts, this one
    /// included.
    pub instances: usize,
    /// The number of the server's processors, where it is known. The server is saturated when as
    /// many sessions run.
    pub cores: Option<usize>,
    /// The longest wait of callers that is ignored.
    pub wait_tolerated: Duration,
    /// The least number of windows between two changes. The first one is not measured.
    pub cool_down: u32,
    /// The number of consecutive windows with a quarter of the pool unused before one step down.
    pub quiet: u32,
    /// The number of windows for which a size without gain is not tried again. It doubles each time
    /// that size brings no gain again.
    pub retention: u32,
}

impl Limits {
    /// Creates limits with the usual eagerness: a cool-down of 4 windows, 30 quiet windows for a
    /// step down, a retention of 240 windows, and tolerated waits of 2 ms; one instance, and an
    /// unknown number of processors.
    #[must_use]
    pub fn new(floor: usize, ceiling: usize) -> Self {
        Self {
            floor,
            ceiling,
            instances: 1,
            cores: None,
            wait_tolerated: Duration::from_millis(2),
            cool_down: 4,
            quiet: 30,
            retention: 240,
        }
    }

    /// Returns this instance's share of the server's connections, at least 1; `None` without an
    /// answer of the server.
    ///
    /// The share is `(connections_max - others) / instances`, rounded down.
    #[must_use]
    pub fn budget(&self, server: Option<&ServerLoad>) -> Option<usize> {
        let server = server?;
        let ours = server.connections_max.saturating_sub(server.others);
        Some((ours / self.instances.max(1)).max(1))
    }
}
