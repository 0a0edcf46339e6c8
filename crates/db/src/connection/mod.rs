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
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::Type;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{DatabaseConfig, ServerRole, TargetSessionAttrs};
use crate::error::DatabaseError;
use crate::pool::{CloseReason, ConnectionLifetime};
use crate::tls::Connector;

use address::CANCEL_TIMEOUT;
use notices::Notices;
use socket::{Endpoint, Socket};

pub use direct::{DirectConnection, DirectStatement, TextRow};
pub use hostile::{HOSTILE_SETTINGS, Harm, HostileSetting, hostile_setting};
pub(crate) use hostile::{inspect_settings, refuse};

/// A connection with what is known of its state.
pub(crate) struct Connection {
    client: Client,
    /// Reads from and writes to the socket; aborting it closes the socket at once, whatever the server does.
    task: AbortHandle,
    notices: Arc<Notices>,
    /// Whether the arrival of a cancel request can be waited for.
    can_wait_for_cancel: bool,
    host: String,
    /// Where it leads, and where cancel requests go: another address of the host may be another server.
    endpoint: Endpoint,
    connector: Connector,
    /// The statements that are prepared on this connection, by their text.
    prepared: Mutex<HashMap<&'static str, tokio_postgres::Statement>>,
    /// Whether the server has said, after all that was sent, that no transaction is open.
    pub(crate) clean: bool,
    pub(crate) last_used: Instant,
    opened: Instant,
    /// Set by the pool, which counts connections.
    pub(crate) lifetime: Option<ConnectionLifetime>,
}

/// How old a connection to a server that is not preferred gets before the preferred one is looked for again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);

impl Connection {
    /// What the server last reported to be; `None` where it does not, as behind a pooler.
    pub(crate) fn server_role(&self) -> Option<ServerRole> {
        self.notices.role()
    }

    /// Whether the pool should look for another server: this one refused a write as read only and was no primary, or it is
    /// not of the kind that is wanted (any more).
    pub(crate) fn is_misplaced(&self, config: &DatabaseConfig) -> bool {
        let role = self.server_role();
        let refused = self.notices.refused_write.load(Ordering::Acquire);
        if refused && role.is_none_or(|role| role.in_recovery || role.read_only) {
            return true;
        }
        let wanted = config.target_session_attrs;
        let objects = role.is_some_and(|role| wanted.objection(role).is_some());
        match wanted {
            // Where only a standby answers it is used, and a primary looked for again and again.
            TargetSessionAttrs::PreferPrimary => {
                objects && config.hosts.len() > 1 && self.opened.elapsed() > LOOK_AGAIN_AFTER
            }
            TargetSessionAttrs::PreferStandby => false,
            _ => objects,
        }
    }

    /// Notes that the server refused to write, because it, or the session, is read only.
    pub(crate) fn note_refused_write(&self) {
        self.notices.refused_write.store(true, Ordering::Release);
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The prepared form of a statement; prepared on first use.
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

    /// Lets every prepared statement go; they are prepared anew when they are next used.
    ///
    /// Needed after a change of a table, when the server refuses the plans that were made before it.
    pub(crate) fn forget_prepared(&self) {
        self.prepared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Why it will have been closed, should it be closed now.
    pub(crate) fn closing(&mut self, reason: CloseReason) {
        if let Some(lifetime) = &mut self.lifetime {
            lifetime.closing(reason);
        }
    }

    /// Why the server ended the session, if it has said so.
    pub(crate) fn end(&self) -> Option<DatabaseError> {
        self.notices.end.get().cloned()
    }

    /// Whether a wait for a standby was cancelled since this was last asked.
    pub(crate) fn take_not_replicated(&self) -> bool {
        self.notices.not_replicated.swap(false, Ordering::AcqRel)
    }

    /// The process id that the other side announced at the start: the backend's, or one that a
    /// pooler made up.
    pub(crate) async fn announced_process_id(&self) -> Option<i32> {
        let is_encrypted = matches!(self.connector, Connector::Tls(_));
        announced::process_id(&self.client.cancel_token(), is_encrypted).await
    }

    /// Closes the socket at once, whoever else still has this connection.
    pub(crate) fn close(&self) {
        self.task.abort();
    }

    /// Cancels what this connection is running, and waits until the request cannot hit anything later.
    ///
    /// # Errors
    ///
    /// When it cannot be known whether the request has arrived: then nobody may use the connection again.
    pub(crate) async fn cancel(&self) -> Result<(), String> {
        let token = self.client.cancel_token();
        if self.can_wait_for_cancel {
            return self.endpoint.cancel_and_wait(&token).await;
        }
        if let Connector::Tls(tls) = &self.connector {
            // The server's statement should end; the connection is closed in any case.
            if let Ok(socket) = self.endpoint.connect(CANCEL_TIMEOUT).await {
                let _ = token
                    .cancel_query_raw(socket, tls_connect(tls, &self.host))
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

fn tls_connect(
    tls: &MakeRustlsConnect,
    host: &str,
) -> <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect {
    let Ok(connect) = MakeTlsConnect::<Socket>::make_tls_connect(&mut tls.clone(), host);
    connect
}
