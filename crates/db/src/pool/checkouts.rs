//! Who has connections now, since when, and what for.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::event::ConnectionId;
use super::pattern::Pattern;

/// Somebody who has a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkout {
    /// Which connection.
    pub connection: ConnectionId,
    /// The place in the source that took it, as `file:line:column`.
    pub taken_at: String,
    /// For how long it has been held.
    pub held: Duration,
    /// The pattern of the statement that runs, or ran last; without values. `None` when none was sent.
    pub statement: Option<Arc<str>>,
    /// For how long that statement has been running; `None` when it has been answered.
    pub running: Option<Duration>,
    /// Whether its owner has let go of it, and it is being rolled back.
    pub recovering: bool,
}

/// Everybody who has a connection.
#[derive(Debug, Default)]
pub(crate) struct Checkouts {
    held: Mutex<BTreeMap<u64, Arc<ActiveCheckout>>>,
    next: std::sync::atomic::AtomicU64,
}

/// One connection that is held.
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
    /// How many run now, and since when the oldest does.
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

    /// Lets one go, and tells for how long it was held.
    pub(crate) fn give_back(&self, checkout: &ActiveCheckout) -> Duration {
        self.lock().remove(&checkout.key);
        checkout.since.elapsed()
    }

    /// Those that have held a connection for at least this long, the longest first, at most so many.
    pub(crate) fn longer_than(&self, threshold: Duration, at_most: usize) -> Vec<Checkout> {
        // They are in the order in which they were taken.
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
