//! One connection to the server.

mod address;
mod announced;
mod auth_check;
mod direct;
mod hostile;
mod notices;
mod open;

mod settings;
mod socket;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::config::{DatabaseConfig, ServerRole, TargetSessionAttrs};
use crate::error::DatabaseError;
use crate::pool::{CloseReason, ConnectionLifetime};
use crate::tls::{self, Connector};

use address::CANCEL_TIMEOUT;
use notices::Notices;
use socket::Endpoint;
#[cfg(feature = "tls")]
pub(crate) use socket::Socket;

pub use direct::{DirectConnection, DirectStatement, TextRow};
pub use hostile::{HOSTILE_SETTINGS, Harm, HostileSetting, hostile_setting};
pub(crate) use hostile::{inspect_settings, reject_hostile};

/// A connection with the known state of its session.
pub(crate) struct Connection {
    client: Client,
    /// The task that reads from and writes to the socket. Aborting it closes the socket at once,
    /// whatever the server does.
    task: AbortHandle,
    notices: Arc<Notices>,
    /// True when the client can wait until the server has processed a cancel request.
    can_wait_for_cancel: bool,
    host: String,
    /// The address of the server, which also receives the cancel requests: another address of the
    /// host may be another server.
    endpoint: Endpoint,
    connector: Connector,
    /// The statements that are prepared on this connection, by their text.
    prepared: Mutex<HashMap<&'static str, tokio_postgres::Statement>>,
    /// True when the server has confirmed, after everything that was sent, that no transaction is
    /// open.
    pub(crate) clean: bool,
    pub(crate) last_used: Instant,
    opened: Instant,
    /// The entry of this connection in the pool's monitor; set by the pool.
    pub(crate) lifetime: Option<ConnectionLifetime>,
}

/// The age after which a connection to a server that is not preferred is replaced.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);

impl Connection {
    /// Returns the server's last report on itself; `None` where it sends none, as behind a pooler.
    pub(crate) fn server_role(&self) -> Option<ServerRole> {
        self.notices.role()
    }

    /// Returns true when the pool should look for another server: this one rejected a write as read
    /// only and is no primary, or it is not, or no longer, of the wanted kind.
    pub(crate) fn is_misplaced(&self, config: &DatabaseConfig) -> bool {
        let role = self.server_role();
        let rejected = self.notices.rejected_write.load(Ordering::Acquire);
        if rejected && role.is_none_or(|role| role.in_recovery || role.read_only) {
            return true;
        }
        let wanted = config.target_session_attrs;
        let objects = role.is_some_and(|role| wanted.objection(role).is_some());
        match wanted {
            // The pool uses a standby where only that answers, and looks for a primary again and
            // again.
            TargetSessionAttrs::PreferPrimary => {
                objects && config.hosts.len() > 1 && self.opened.elapsed() > LOOK_AGAIN_AFTER
            }
            TargetSessionAttrs::PreferStandby => false,
            _ => objects,
        }
    }

    /// Records that the server rejected a write, because it or the session is read only.
    pub(crate) fn note_rejected_write(&self) {
        self.notices.rejected_write.store(true, Ordering::Release);
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns a prepared statement, and prepares it on first use.
    pub(crate) async fn prepare(
        &self,
        sql: &'static str,
        types: &[Type],
    ) -> Result<tokio_postgres::Statement, tokio_postgres::Error> {
        let known = self
            .prepared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(sql)
            .cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare_typed(sql, types).await?;
        self.prepared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(sql, statement.clone());
        Ok(statement)
    }

    /// Discards every prepared statement; each is prepared again on its next use.
    ///
    /// Needed after a change of a table, when the server rejects plans that were made before it.
    pub(crate) fn forget_prepared(&self) {
        self.prepared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Sets the reason that is reported if the connection is closed now.
    pub(crate) fn closing(&mut self, reason: CloseReason) {
        if let Some(lifetime) = &mut self.lifetime {
            lifetime.closing(reason);
        }
    }

    /// Returns the reason why the server ended the session, where it has reported one.
    pub(crate) fn end(&self) -> Option<DatabaseError> {
        self.notices.end.get().cloned()
    }

    /// Returns true when a wait for a standby was cancelled since the last call.
    pub(crate) fn take_not_replicated(&self) -> bool {
        self.notices.not_replicated.swap(false, Ordering::AcqRel)
    }

    /// Returns the process id that was announced when the connection was opened: the backend's, or
    /// one that a pooler invented.
    pub(crate) async fn announced_process_id(&self) -> Option<i32> {
        let is_encrypted = matches!(self.connector, Connector::Tls(_));
        announced::process_id(&self.client.cancel_token(), is_encrypted).await
    }

    /// Closes the socket at once, even if other tasks use this connection.
    pub(crate) fn close(&self) {
        self.task.abort();
    }

    /// Cancels the running statement, and waits until the request can no longer hit a later one.
    ///
    /// # Errors
    ///
    /// The reason why the arrival of the request is unknown. The connection must not be used again
    /// in that case.
    pub(crate) async fn cancel(&self) -> Result<(), String> {
        let token = self.client.cancel_token();
        if self.can_wait_for_cancel {
            return self.endpoint.cancel_and_wait(&token).await;
        }
        if let Connector::Tls(tls) = &self.connector {
            // The request should end the server's statement; the connection is closed in any case.
            if let Ok(socket) = self.endpoint.connect(CANCEL_TIMEOUT).await {
                let _ = token
                    .cancel_query_raw(socket, tls::connect(tls, &self.host))
                    .await;
            }
        }
        Err("the arrival of its cancel request cannot be waited for".to_owned())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("clean", &self.clean)
            .finish_non_exhaustive()
    }
}
