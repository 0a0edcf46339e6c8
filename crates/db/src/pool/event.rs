//! The events of a pool.

use std::time::Duration;

use tokio::sync::broadcast;

use super::sizing::Reason;

/// The number of events kept for a slow subscriber; it loses older ones.
pub(crate) const KEPT: usize = 1024;

/// The number of a connection; the first that a pool opened is 1.
pub type ConnectionId = u64;

/// An event of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolEvent {
    /// A connection was opened.
    Opened {
        /// The number of the connection.
        connection: ConnectionId,
        /// The time that the opening took.
        took: Duration,
    },
    /// A connection could not be opened.
    OpenFailed {
        /// The error of the network or the server.
        reason: String,
    },
    /// A connection was checked out.
    InUse {
        /// The number of the connection.
        connection: ConnectionId,
        /// The time that the caller waited for it.
        waited: Duration,
    },
    /// A connection was returned.
    Idle {
        /// The number of the connection.
        connection: ConnectionId,
        /// The time for which it was checked out.
        held: Duration,
    },
    /// A connection was closed.
    Closed {
        /// The number of the connection.
        connection: ConnectionId,
        /// The reason of the closing.
        reason: CloseReason,
        /// The time for which it was open.
        age: Duration,
    },
    /// A caller got no connection within its timeout.
    TimedOut {
        /// The time that it waited.
        waited: Duration,
    },
    /// The size of the pool was changed.
    Resized {
        /// The size before, in connections.
        from: usize,
        /// The size after, in connections.
        to: usize,
        /// The reason, where the pool sized itself; `None` for a call of
        /// [`Database::resize`](crate::Database::resize).
        reason: Option<Reason>,
    },
}

/// The reason why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The pool was closed, or its last owner is gone.
    PoolClosed,
    /// It was idle for longer than [`idle_timeout`](crate::DatabaseConfig::idle_timeout).
    Unused,
    /// The pool was made smaller.
    AboveSize,
    /// The connection broke, or the server ended it.
    Broken,
    /// The server did not answer, or did not roll back, within
    /// [`recovery_timeout`](crate::DatabaseConfig::recovery_timeout).
    NotRecovered,
    /// The server is not, or no longer, of the wanted kind, such as a primary.
    WrongServer,
}

/// A subscription to the events of a pool. A slow subscriber loses the oldest events.
#[derive(Debug)]
pub struct PoolEvents(pub(crate) broadcast::Receiver<PoolEvent>);

impl PoolEvents {
    /// Waits for the next event; `None` after the pool is gone.
    pub async fn next(&mut self) -> Option<PoolEvent> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// Returns the next event without waiting; `None` when there is none.
    pub fn try_next(&mut self) -> Option<PoolEvent> {
        loop {
            match self.0.try_recv() {
                Ok(event) => return Some(event),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => return None,
            }
        }
    }
}

impl CloseReason {
    /// Returns a short name for logs and metrics, such as `above_size`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PoolClosed => "pool_closed",
            Self::Unused => "unused",
            Self::AboveSize => "above_size",
            Self::Broken => "broken",
            Self::NotRecovered => "not_recovered",
            Self::WrongServer => "wrong_server",
        }
    }
}
