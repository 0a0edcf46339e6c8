//! What happens to connections, told to whoever listens.

use std::time::Duration;

use tokio::sync::broadcast;

use super::sizing::Reason;

/// Events kept for a listener that is slow; older ones are lost to it.
pub(crate) const KEPT: usize = 1024;

/// A connection's number: the first that a pool opened is 1.
pub type ConnectionId = u64;

/// What happened in a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolEvent {
    /// A connection was opened.
    Opened {
        /// Which.
        connection: ConnectionId,
        /// How long that took.
        took: Duration,
    },
    /// A connection could not be opened.
    OpenFailed {
        /// What the network or the server said.
        reason: String,
    },
    /// Somebody has the connection now.
    InUse {
        /// Which.
        connection: ConnectionId,
        /// How long the caller waited for it.
        waited: Duration,
    },
    /// Nobody has the connection any more.
    Idle {
        /// Which.
        connection: ConnectionId,
        /// How long it was held.
        held: Duration,
    },
    /// The connection was closed.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
        /// How long it was open.
        age: Duration,
    },
    /// A caller got no connection within its limit.
    TimedOut {
        /// How long it waited.
        waited: Duration,
    },
    /// The size of the pool was changed.
    Resized {
        /// Connections at most, before.
        from: usize,
        /// Connections at most, from now on.
        to: usize,
        /// Why, when the pool did it by itself.
        reason: Option<Reason>,
    },
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The pool was closed, or its last owner is gone.
    PoolClosed,
    /// Nobody needed it for longer than [`idle_timeout`](crate::DatabaseConfig::idle_timeout).
    Unused,
    /// The pool was made smaller.
    AboveSize,
    /// It broke, or the server ended it.
    Broken,
    /// The server did not answer, or did not roll back, within the limit.
    NotRecovered,
    /// The server is not, or is no longer, of the kind that the configuration wants, such as a primary.
    WrongServer,
}

/// The events of a pool from now on. A listener that is slow loses the oldest.
#[derive(Debug)]
pub struct PoolEvents(pub(crate) broadcast::Receiver<PoolEvent>);

impl PoolEvents {
    /// The next event; `None` when the pool is gone.
    pub async fn next(&mut self) -> Option<PoolEvent> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// The next event that has happened already; `None` when there is none.
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
    /// A short name for logs and metrics, such as `above_size`.
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
