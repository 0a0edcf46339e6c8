//! The open checkouts: connections in use, since when, and their statements.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::event::ConnectionId;
use super::pattern::Pattern;

/// A connection in use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkout {
    /// The number of the connection.
    pub connection: ConnectionId,
    /// The place in the source that checked it out, as `file:line:column`.
    pub taken_at: String,
    /// The time since the checkout.
    pub held: Duration,
    /// The pattern of the statement that runs or ran last, without values. `None` when none was
    /// sent.
    pub statement: Option<Arc<str>>,
    /// The time for which that statement has been running; `None` after its answer.
    pub running: Option<Duration>,
    /// True when the caller has dropped the connection and the pool is rolling it back.
    pub recovering: bool,
}

/// All open checkouts.
#[derive(Debug, Default)]
pub(crate) struct Checkouts {
    held: Mutex<BTreeMap<u64, Arc<ActiveCheckout>>>,
    next: std::sync::atomic::AtomicU64,
}

/// One open checkout.
#[derive(Debug)]
pub(crate) struct ActiveCheckout {
    key: u64,
    connection: ConnectionId,
    location: &'static Location<'static>,
    since: Instant,
    statement: Mutex<StatementActivity>,
}

#[derive(Debug, Default)]
struct StatementActivity {
    last: Option<Arc<Pattern>>,
    /// The number of running statements; `since` is the start of the oldest.
    running: usize,
    since: Option<Instant>,
    recovering: bool,
}

impl Checkouts {
    pub(crate) fn take(
        &self,
        connection: ConnectionId,
        location: &'static Location<'static>,
    ) -> Arc<ActiveCheckout> {
        let key = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let checkout = Arc::new(ActiveCheckout {
            key,
            connection,
            location,
            since: Instant::now(),
            statement: Mutex::default(),
        });
        self.lock().insert(key, Arc::clone(&checkout));
        checkout
    }

    /// Removes a checkout, and returns how long it lasted.
    pub(crate) fn give_back(&self, checkout: &ActiveCheckout) -> Duration {
        self.lock().remove(&checkout.key);
        checkout.since.elapsed()
    }

    /// Returns the checkouts that are at least this old, the oldest first, up to a number.
    pub(crate) fn longer_than(&self, threshold: Duration, at_most: usize) -> Vec<Checkout> {
        // The keys are in the order of the checkouts.
        let held: Vec<_> = self
            .lock()
            .values()
            .take_while(|checkout| checkout.since.elapsed() >= threshold)
            .take(at_most)
            .map(Arc::clone)
            .collect();
        held.iter().map(|checkout| checkout.describe()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<ActiveCheckout>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ActiveCheckout {
    pub(crate) fn connection(&self) -> ConnectionId {
        self.connection
    }

    pub(crate) fn statement_begins(&self, pattern: &Arc<Pattern>) {
        let mut statement = self.lock();
        if statement.running == 0 {
            statement.since = Some(Instant::now());
        }
        statement.running += 1;
        statement.last = Some(Arc::clone(pattern));
    }

    pub(crate) fn statement_ends(&self) {
        let mut statement = self.lock();
        statement.running = statement.running.saturating_sub(1);
        if statement.running == 0 {
            statement.since = None;
        }
    }

    pub(crate) fn recovers(&self) {
        self.lock().recovering = true;
    }

    fn describe(&self) -> Checkout {
        let statement = self.lock();
        Checkout {
            connection: self.connection,
            taken_at: self.location.to_string(),
            held: self.since.elapsed(),
            statement: statement
                .last
                .as_ref()
                .map(|pattern| Arc::clone(pattern.text())),
            running: statement.since.map(|since| since.elapsed()),
            recovering: statement.recovering,
        }
    }

    fn lock(&self) -> MutexGuard<'_, StatementActivity> {
        self.statement
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Display for Checkout {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} for {}",
            self.taken_at,
            super::rounded(self.held)
        )?;
        match (&self.statement, self.running) {
            _ if self.recovering => formatter.write_str(", being rolled back"),
            (Some(statement), Some(running)) => write!(
                formatter,
                ", running for {}: {statement}",
                super::rounded(running)
            ),
            (Some(statement), None) => write!(formatter, ", running nothing since: {statement}"),
            (None, _) => formatter.write_str(", has sent no statement"),
        }
    }
}
