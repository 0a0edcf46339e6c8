//! The counters and events of a pool.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use super::checkouts::{ActiveCheckout, Checkouts};
use super::event::{CloseReason, ConnectionId, KEPT, PoolEvent, PoolEvents};
use super::histogram::{Durations, Histogram};
use super::pattern::{Pattern, Patterns};
use super::sizing::Reason;
use crate::retry::RetryCounts;

/// A monitor that counts, measures and emits the events of a pool.
#[derive(Debug)]
pub(crate) struct Monitor {
    events: broadcast::Sender<PoolEvent>,
    pub(crate) checkouts: Checkouts,
    pub(crate) patterns: Patterns,
    pub(crate) retries: RetryCounts,
    waits: Histogram,
    use_times: Histogram,
    creates: Histogram,
    timeouts: AtomicU64,
    statements: AtomicU64,
    statement_microseconds: AtomicU64,
    next_connection: AtomicU64,
}

/// The counters of a monitor at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) waits: Durations,
    pub(crate) use_times: Durations,
    pub(crate) creates: Durations,
    pub(crate) timeouts: u64,
    pub(crate) statements: u64,
    pub(crate) statement_time: Duration,
}

/// The monitor's entry of an open connection. Dropping it emits the event of the closing.
#[derive(Debug)]
pub(crate) struct ConnectionLifetime {
    id: ConnectionId,
    opened: Instant,
    monitor: Arc<Monitor>,
    reason: CloseReason,
}

/// A statement in flight. Dropping it counts the statement.
#[derive(Debug)]
pub(crate) struct RunningStatement {
    checkout: Arc<ActiveCheckout>,
    pattern: Arc<Pattern>,
    monitor: Arc<Monitor>,
    started: Instant,
    answered: bool,
}

impl Monitor {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            events: broadcast::Sender::new(KEPT),
            checkouts: Checkouts::default(),
            patterns: Patterns::default(),
            retries: RetryCounts::default(),
            waits: Histogram::new(),
            use_times: Histogram::new(),
            creates: Histogram::new(),
            timeouts: AtomicU64::new(0),
            statements: AtomicU64::new(0),
            statement_microseconds: AtomicU64::new(0),
            next_connection: AtomicU64::new(1),
        })
    }

    pub(crate) fn listen(&self) -> PoolEvents {
        PoolEvents(self.events.subscribe())
    }

    pub(crate) fn opened(self: &Arc<Self>, took: Duration) -> ConnectionLifetime {
        let id = self.next_connection.fetch_add(1, Ordering::Relaxed);
        self.creates.record(took);
        tracing::debug!(connection = id, ?took, "a connection was opened");
        self.emit(PoolEvent::Opened {
            connection: id,
            took,
        });
        ConnectionLifetime {
            id,
            opened: Instant::now(),
            monitor: Arc::clone(self),
            reason: CloseReason::PoolClosed,
        }
    }

    pub(crate) fn open_failed(&self, reason: &str) {
        tracing::warn!("a connection could not be opened: {reason}");
        self.emit(PoolEvent::OpenFailed {
            reason: reason.to_owned(),
        });
    }

    pub(crate) fn checked_out(
        &self,
        connection: ConnectionId,
        waited: Duration,
        location: &'static Location<'static>,
    ) -> Arc<ActiveCheckout> {
        self.waits.record(waited);
        tracing::trace!(connection, ?waited, "a connection is in use");
        self.emit(PoolEvent::InUse { connection, waited });
        self.checkouts.take(connection, location)
    }

    pub(crate) fn given_back(&self, checkout: &ActiveCheckout) {
        let held = self.checkouts.give_back(checkout);
        self.use_times.record(held);
        let connection = checkout.connection();
        tracing::trace!(connection, ?held, "a connection came back");
        self.emit(PoolEvent::Idle { connection, held });
    }

    pub(crate) fn timed_out(&self, waited: Duration) {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
        self.waits.record(waited);
        self.emit(PoolEvent::TimedOut { waited });
    }

    pub(crate) fn resized(&self, from: usize, to: usize, reason: Option<Reason>) {
        let name = reason.map_or("by hand", Reason::name);
        tracing::info!(from, to, reason = name, "the pool's size was changed");
        self.emit(PoolEvent::Resized { from, to, reason });
    }

    pub(crate) fn statement(
        self: &Arc<Self>,
        checkout: &Arc<ActiveCheckout>,
        sql: &str,
    ) -> RunningStatement {
        let pattern = self.patterns.of(sql);
        checkout.statement_begins(&pattern);
        RunningStatement {
            checkout: Arc::clone(checkout),
            pattern,
            monitor: Arc::clone(self),
            started: Instant::now(),
            answered: false,
        }
    }

    pub(crate) fn counted(&self) -> Counted {
        Counted {
            waits: self.waits.snapshot(),
            use_times: self.use_times.snapshot(),
            creates: self.creates.snapshot(),
            timeouts: self.timeouts.load(Ordering::Relaxed),
            statements: self.statements.load(Ordering::Relaxed),
            statement_time: Duration::from_micros(
                self.statement_microseconds.load(Ordering::Relaxed),
            ),
        }
    }

    fn emit(&self, event: PoolEvent) {
        // There may be no subscriber.
        let _ = self.events.send(event);
    }
}

impl ConnectionLifetime {
    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    /// Sets the reason that is reported if the connection is closed now.
    pub(crate) fn closing(&mut self, reason: CloseReason) {
        self.reason = reason;
    }
}

impl Drop for ConnectionLifetime {
    fn drop(&mut self) {
        let (connection, reason, age) = (self.id, self.reason, self.opened.elapsed());
        tracing::debug!(
            connection,
            reason = reason.name(),
            ?age,
            "a connection was closed"
        );
        self.monitor.emit(PoolEvent::Closed {
            connection,
            reason,
            age,
        });
    }
}

impl RunningStatement {
    /// Records that the server has answered, with a result or an error.
    pub(crate) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for RunningStatement {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.checkout.statement_ends();
        self.pattern.record(took, self.answered);
        self.monitor.statements.fetch_add(1, Ordering::Relaxed);
        self.monitor.statement_microseconds.fetch_add(
            u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }
}
