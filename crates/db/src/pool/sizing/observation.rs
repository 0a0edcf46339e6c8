//! What a decision is made from, and what it is bounded by.

use std::time::Duration;

/// What the pool and its server did over one window of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Observation {
    /// How long the window was.
    pub elapsed: Duration,
    /// The size in force: connections at most.
    pub size: usize,
    /// Connections in use, averaged over the window.
    pub in_use: f64,
    /// The most connections in use at once.
    pub in_use_max: usize,
    /// Callers that waited, averaged over the window.
    pub waiting: f64,
    /// The wait that 95 of 100 callers did not exceed.
    pub wait_p95: Duration,
    /// How long a connection was held, averaged over those that came back.
    pub hold_mean: Duration,
    /// Connections that came back.
    pub completed: u64,
    /// Callers that gave up or were sent away.
    pub timeouts: u64,
    /// What the server said, when it was asked and answered.
    pub server: Option<ServerLoad>,
}

/// What the server said at one moment of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerLoad {
    /// Sessions, whoever's, that run on a processor: active and waiting for nothing.
    pub running: usize,
    /// Sessions that wait for a lock.
    pub lock_waiters: usize,
    /// Connections that the server has for everybody: `max_connections` without those reserved for administrators.
    pub connections_max: usize,
    /// Sessions that are neither ours nor another instance's of ours.
    pub others: usize,
}

/// What no decision may pass, and how eager decisions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The size is not lowered below this, unless the server's budget is lower.
    pub floor: usize,
    /// The size is never above this.
    pub ceiling: usize,
    /// Processes that share the server's connections among them in equal parts, this one included.
    pub instances: usize,
    /// Processors of the server, where they are known: when as many sessions run, it is saturated.
    pub cores: Option<usize>,
    /// Waits of callers up to this are of no account.
    pub wait_tolerated: Duration,
    /// Windows from one change to the next, at least; the first of them is not counted in any measurement.
    pub cool_down: u32,
    /// Windows in a row in which a quarter of the pool was never used, before one step is taken down.
    pub quiet: u32,
    /// Windows for which a size that brought nothing is not tried again. Doubles each time it brings nothing again.
    pub retention: u32,
}

impl Limits {
    /// Limits with the usual eagerness: a cool-down of 4 windows, 30 quiet windows for a step down, 240 windows of memory,
    /// and waits of 2 ms tolerated; one instance, and nothing known of the server's processors.
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

    /// This instance's part of the connections that the server has for us, at least 1; `None` when the server said nothing.
    ///
    /// `(connections_max - others) / instances`, rounded down.
    #[must_use]
    pub fn budget(&self, server: Option<&ServerLoad>) -> Option<usize> {
        let server = server?;
        let ours = server.connections_max.saturating_sub(server.others);
        Some((ours / self.instances.max(1)).max(1))
    }
}
