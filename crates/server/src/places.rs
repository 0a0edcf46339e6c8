//! The places of open connections. When all are taken, connections without a request at work leave.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The time for which a connection waits for a place.
const PATIENCE: Duration = Duration::from_secs(1);

/// The most connections that wait for a place at the same time.
const WAITING_MAX: usize = 1_024;

/// A place of an open connection.
pub(crate) type Place = OwnedSemaphorePermit;

/// The places of a server's connections.
#[derive(Clone)]
pub(crate) struct Places {
    most: usize,
    free: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    crowded: watch::Sender<()>,
}

/// The notices, to one connection, that others need a place.
pub(crate) struct Crowded(watch::Receiver<()>);

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            free: Arc::new(Semaphore::new(most)),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            crowded: watch::Sender::new(()),
        }
    }

    /// Returns a free place, if there is one.
    pub(crate) fn try_take(&self) -> Option<Place> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Asks the connections for places, and waits for one. Returns `None` when none of them leaves
    /// in time, or too many others wait.
    pub(crate) async fn take(&self) -> Option<Place> {
        let _waiting = self.waiting.try_acquire().ok()?;
        self.crowded.send_replace(());
        let place = Arc::clone(&self.free).acquire_owned();
        tokio::time::timeout(PATIENCE, place).await.ok()?.ok()
    }

    /// Returns the notices to a new connection.
    pub(crate) fn crowded(&self) -> Crowded {
        Crowded(self.crowded.subscribe())
    }

    /// Waits until all connections have ended, and returns the number of those that have not.
    pub(crate) async fn all_left(&self, limit: Duration) -> usize {
        let all = u32::try_from(self.most).unwrap_or(u32::MAX);
        match tokio::time::timeout(limit, self.free.acquire_many(all)).await {
            Ok(_) => 0,
            Err(_) => self.most.saturating_sub(self.free.available_permits()),
        }
    }
}

impl Crowded {
    /// Forgets the connections that needed a place until now.
    pub(crate) fn forget(&mut self) {
        self.0.mark_unchanged();
    }

    /// Waits until another connection needs a place.
    pub(crate) async fn wait(&mut self) {
        if self.0.changed().await.is_err() {
            // Without its sender there is no server whose places could lack.
            std::future::pending::<()>().await;
        }
    }

    /// Waits until another connection has needed a place for a time.
    pub(crate) async fn outlasted(&mut self, time: Duration) {
        self.wait().await;
        tokio::time::sleep(time).await;
    }
}
