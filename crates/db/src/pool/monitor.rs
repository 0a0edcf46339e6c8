//! Everything that is counted about a pool.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use super::checkout::{Checkouts, Hold};
use super::event::{CloseReason, ConnectionId, KEPT, PoolEvent, PoolEvents};
use super::histogram::{Durations, Histogram};
use super::pattern::{Pattern, Patterns};
use super::sizing::Reason;
use crate::retry::RetryCounts;

/// Counts, measures and tells what happens in a pool.
#[derive(Debug)]
pub(crate) struct Monitor {
    events: broadcast::Sender<PoolEvent>,
    pub(crate) checkouts: Checkouts,
    pub(crate) patterns: Patterns,
    pub(crate) retries: RetryCounts,
    waits: Histogram,
    holds: Histogram,
    creates: Histogram,
    timeouts: AtomicU64,
    statements: AtomicU64,
    statement_microseconds: AtomicU64,
    next_connection: AtomicU64,
}

/// What a monitor had counted at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) waits: Durations,
    pub(crate) holds: Durations,
    pub(crate) creates: Durations,
    pub(crate) timeouts: u64,
    pub(crate) statements: u64,
    pub(crate) statement_time: Duration,
}

/// An open connection, from the monitor's side; tells of its end when it is dropped.
#[derive(Debug)]
pub(crate) struct Life {
    id: ConnectionId,
    opened: Instant,
    monitor: Arc<Monitor>,
    reason: CloseReason,
}

/// A statement under way; its end is counted when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    hold: Arc<Hold>,
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
            holds: Histogram::new(),
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

    pub(crate) fn opened(self: &Arc<Self>, took: Duration) -> Life {
        let id = self.next_connection.fetch_add(1, Ordering::Relaxed);
        self.creates.record(took);
        tracing::debug!(connection = id, ?took, "a connection was opened");
        self.tell(PoolEvent::Opened {
            connection: id,
            took,
        });
        Life {
            id,
            opened: Instant::now(),
            monitor: Arc::clone(self),
            reason: CloseReason::PoolClosed,
        }
    }

    pub(crate) fn open_failed(&self, reason: &str) {
        tracing::warn!("a connection could not be opened: {reason}");
        self.tell(PoolEvent::OpenFailed {
            reason: reason.to_owned(),
        });
    }

    pub(crate) fn taken(
        &self,
        connection: ConnectionId,
        waited: Duration,
        location: &'static Location<'static>,
    ) -> Arc<Hold> {
        self.waits.record(waited);
        tracing::trace!(connection, ?waited, "a connection is in use");
        self.tell(PoolEvent::InUse { connection, waited });
        self.checkouts.take(connection, location)
    }

    pub(crate) fn given_back(&self, hold: &Hold) {
        let held = self.checkouts.give_back(hold);
        self.holds.record(held);
        let connection = hold.connection();
        tracing::trace!(connection, ?held, "a connection came back");
        self.tell(PoolEvent::Idle { connection, held });
    }

    pub(crate) fn timed_out(&self, waited: Duration) {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
        self.waits.record(waited);
        self.tell(PoolEvent::TimedOut { waited });
    }

    pub(crate) fn resized(&self, from: usize, to: usize, reason: Option<Reason>) {
        let name = reason.map_or("by hand", Reason::name);
        tracing::info!(from, to, reason = name, "the pool's size was changed");
        self.tell(PoolEvent::Resized { from, to, reason });
    }

    pub(crate) fn statement(self: &Arc<Self>, hold: &Arc<Hold>, sql: &str) -> Running {
        let pattern = self.patterns.of(sql);
        hold.statement_begins(&pattern);
        Running {
            hold: Arc::clone(hold),
            pattern,
            monitor: Arc::clone(self),
            started: Instant::now(),
            answered: false,
        }
    }

    pub(crate) fn counted(&self) -> Counted {
        Counted {
            waits: self.waits.snapshot(),
            holds: self.holds.snapshot(),
            creates: self.creates.snapshot(),
            timeouts: self.timeouts.load(Ordering::Relaxed),
            statements: self.statements.load(Ordering::Relaxed),
            statement_time: Duration::from_micros(
                self.statement_microseconds.load(Ordering::Relaxed),
            ),
        }
    }

    fn tell(&self, event: PoolEvent) {
        // Nobody needs to listen.
        let _ = self.events.send(event);
    }
}

impl Life {
    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    /// Why it will have been closed, should it be closed now.
    pub(crate) fn closing(&mut self, reason: CloseReason) {
        self.reason = reason;
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let (connection, reason, age) = (self.id, self.reason, self.opened.elapsed());
        tracing::debug!(
            connection,
            reason = reason.name(),
            ?age,
            "a connection was closed"
        );
        self.monitor.tell(PoolEvent::Closed {
            connection,
            reason,
            age,
        });
    }
}

impl Running {
    /// The answer has come, whatever it was.
    pub(crate) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.hold.statement_ends();
        self.pattern.record(took, self.answered);
        self.monitor.statements.fetch_add(1, Ordering::Relaxed);
        self.monitor.statement_microseconds.fetch_add(
            u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }
}
