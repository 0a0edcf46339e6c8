//! Messages that the server sends without being asked.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::task::AbortHandle;

use crate::config::ServerRole;
use crate::error::DatabaseError;

/// The content of the messages that the server sent without being asked.
#[derive(Default)]
pub(super) struct Notices {
    /// The reason why the server ended the session.
    pub(super) end: OnceLock<DatabaseError>,
    /// True when a wait for a standby was cancelled since the last reading.
    pub(super) not_replicated: AtomicBool,
    /// True when a write was rejected because the server or the session is read only.
    pub(super) rejected_write: AtomicBool,
    /// The bits `REPORTED`, `IN_RECOVERY` and `READ_ONLY`.
    role: AtomicU8,
}

const REPORTED: u8 = 1;
const IN_RECOVERY: u8 = 2;
const READ_ONLY: u8 = 4;

impl Notices {
    /// Returns the server's last report on itself; `None` where it sends none, as behind a pooler.
    pub(super) fn role(&self) -> Option<ServerRole> {
        let reported = self.role.load(Ordering::Acquire);
        (reported & REPORTED != 0).then_some(ServerRole {
            in_recovery: reported & IN_RECOVERY != 0,
            read_only: reported & READ_ONLY != 0,
        })
    }

    /// Records the server's report on itself. PostgreSQL sends it at the start and after each
    /// change.
    fn note_role<S, T>(&self, connection: &tokio_postgres::Connection<S, T>)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let Some(in_recovery) = connection.parameter("in_hot_standby") else {
            return;
        };
        let mut role = REPORTED;
        if in_recovery == "on" {
            role |= IN_RECOVERY;
        }
        if connection.parameter("default_transaction_read_only") == Some("on") {
            role |= READ_ONLY;
        }
        self.role.store(role, Ordering::Release);
    }
}

pub(super) fn spawn_io<S, T>(
    mut connection: tokio_postgres::Connection<S, T>,
    notices: Arc<Notices>,
) -> AbortHandle
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    notices.note_role(&connection);
    tokio::spawn(async move {
        loop {
            let message = std::future::poll_fn(|context| {
                let message = connection.poll_message(context);
                notices.note_role(&connection);
                message
            });
            match message.await {
                None => return,
                Some(Ok(tokio_postgres::AsyncMessage::Notice(notice))) => {
                    // The warning has no SQLSTATE of its own and its text may be translated; the
                    // name of the routine is stable.
                    if notice.routine() == Some("SyncRepWaitForLSN") {
                        notices.not_replicated.store(true, Ordering::Release);
                    }
                    tracing::debug!(
                        sqlstate = notice.code().code(),
                        "notice: {}",
                        notice.message()
                    );
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    // A pending statement receives the error; the end of an idle connection is only
                    // logged.
                    tracing::debug!("connection ended: {error}");
                    if error.as_db_error().is_some() {
                        let _ = notices.end.set(DatabaseError::from_driver(&error));
                    }
                    return;
                }
            }
        }
    })
    .abort_handle()
}
