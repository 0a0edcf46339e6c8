//! What the server reports without being asked.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::task::AbortHandle;

use crate::config::ServerRole;
use crate::error::DatabaseError;

/// What the server said without having been asked.
#[derive(Default)]
pub(super) struct Notices {
    /// Why it ended the session.
    pub(super) end: OnceLock<DatabaseError>,
    /// The wait for a standby was cancelled since this was last asked.
    pub(super) not_replicated: AtomicBool,
    /// A write was refused because it, or the session, is read only.
    pub(super) refused_write: AtomicBool,
    /// `REPORTED`, `IN_RECOVERY` and `READ_ONLY`.
    role: AtomicU8,
}

const REPORTED: u8 = 1;
const IN_RECOVERY: u8 = 2;
const READ_ONLY: u8 = 4;

impl Notices {
    /// The server's last report on itself; `None` where it sends none, as behind a pooler.
    pub(super) fn role(&self) -> Option<ServerRole> {
        let reported = self.role.load(Ordering::Acquire);
        (reported & REPORTED != 0).then_some(ServerRole {
            in_recovery: reported & IN_RECOVERY != 0,
            read_only: reported & READ_ONLY != 0,
        })
    }

    /// Keeps what the server reports of itself; PostgreSQL does so again whenever it changes.
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
                    // The warning has no SQLSTATE of its own and its text is translated; this name never is.
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
                    // Whoever waits for an answer gets the error; an idle connection's end is only worth a line.
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
