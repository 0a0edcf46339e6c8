//! How a session shows that it is there, and how its end is noticed.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio_postgres::types::{ToSql, Type};

use super::options::SessionLockOptions;
use crate::connection::Connection;
use crate::error::DatabaseError;

/// A connection that holds locks.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) process_id: i32,
    pub(super) marker: String,
}

/// How long a lock is certain.
#[derive(Clone, Debug)]
pub(super) struct Validity {
    /// Until when the server keeps the session, counted from before its last sign was sent.
    pub(super) until: Instant,
    reason: Option<String>,
}

impl Validity {
    pub(super) fn until(until: Instant) -> Self {
        Self {
            until,
            reason: None,
        }
    }

    /// Why the lock is lost, if it is.
    pub(super) fn lost(&self) -> Option<String> {
        self.reason.clone().or_else(|| {
            (Instant::now() >= self.until).then(|| {
                "there was no answer for so long that the server may have given it to another"
                    .to_owned()
            })
        })
    }
}

impl Session {
    /// Whether this session holds all these locks and is still this lock's own.
    pub(super) async fn holds(&self, keys: &[i64]) -> Result<bool, DatabaseError> {
        const HOLDS: &str = "SELECT pg_catalog.pg_backend_pid() = $1
            AND pg_catalog.current_setting('neobank.session_lock', true) IS NOT DISTINCT FROM $2
            AND (SELECT count(DISTINCT held.lock_key) FROM concurrency.v_held_locks AS held
                 WHERE held.process_id = pg_catalog.pg_backend_pid() AND held.granted AND held.lock_key = ANY ($3))
                = pg_catalog.cardinality($3)";
        self.ask(HOLDS, &[(&keys, Type::INT8_ARRAY)]).await
    }

    /// Releases all these locks, and tells whether all were held.
    pub(super) async fn unlock(&self, keys: &[i64]) -> Result<bool, DatabaseError> {
        const UNLOCK: &str = "SELECT pg_catalog.pg_backend_pid() = $1
            AND pg_catalog.current_setting('neobank.session_lock', true) IS NOT DISTINCT FROM $2
            AND (SELECT coalesce(bool_and(pg_catalog.pg_advisory_unlock(key)), true) FROM unnest($3) AS held (key))";
        self.ask(UNLOCK, &[(&keys, Type::INT8_ARRAY)]).await
    }

    /// Whether the session that answers is this lock's own. The question alone keeps it alive.
    async fn is_ours(&self) -> Result<bool, DatabaseError> {
        const IS_OURS: &str = "SELECT pg_catalog.pg_backend_pid() = $1
            AND pg_catalog.current_setting('neobank.session_lock', true) IS NOT DISTINCT FROM $2";
        self.ask(IS_OURS, &[]).await
    }

    async fn ask(
        &self,
        sql: &str,
        more: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<bool, DatabaseError> {
        let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> =
            vec![(&self.process_id, Type::INT4), (&self.marker, Type::TEXT)];
        parameters.extend_from_slice(more);
        let rows = self
            .connection
            .client()
            .query_typed(sql, &parameters)
            .await
            .map_err(|error| match self.connection.end() {
                // The server said why before it was asked.
                Some(end) if error.is_closed() => end,
                _ => DatabaseError::from_driver(&error),
            })?;
        let row = rows.first().ok_or(DatabaseError::NoRow)?;
        row.try_get(0).map_err(DatabaseError::row)
    }
}

/// Asks again and again, and ends with the reason when the lock is lost.
pub(super) async fn keep_alive(
    session: Arc<Session>,
    validity: watch::Sender<Validity>,
    options: SessionLockOptions,
) {
    let mut next = Instant::now() + options.keepalive_interval;
    let reason = loop {
        tokio::time::sleep_until(next.into()).await;
        let until = validity.borrow().until;
        let sent = Instant::now();
        match tokio::time::timeout_at(until.into(), session.is_ours()).await {
            // An answer that comes after the lock counted as lost does not bring it back.
            Ok(Ok(true)) if Instant::now() < until => {}
            Ok(Ok(true)) | Err(_) => {
                break format!(
                    "the server did not answer within {:?}",
                    options.release_after
                );
            }
            Ok(Ok(false)) => break "another server session answered".to_owned(),
            Ok(Err(error)) => break error.to_string(),
        }
        validity.send_modify(|validity| validity.until = sent + options.release_after);
        next = sent + options.keepalive_interval;
    };
    tracing::warn!("a lock was lost: {reason}");
    validity.send_modify(|validity| validity.reason = Some(reason));
    session.connection.close();
}
