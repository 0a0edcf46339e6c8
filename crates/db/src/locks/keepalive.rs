//! The keep-alive of a session that holds locks, and the detection of its end.

use std::sync::Arc;
use std::time::Instant;

use neobank_entity::Statement;
use neobank_entity::concurrency::v_held_locks::{Column, Entity};
use sea_query::{Expr, ExprTrait, Query, Value};
use tokio::sync::watch;

use super::options::SessionLockOptions;
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::executor::{convert, typed};

/// The expression for the server process that runs the query.
const BACKEND: &str = "pg_catalog.pg_backend_pid()";

/// A connection that holds locks.
#[derive(Debug)]
pub(super) struct LockSession {
    pub(super) connection: Connection,
    pub(super) process_id: i32,
    pub(super) marker: String,
}

/// The time until which a lock is certainly held.
#[derive(Clone, Debug)]
pub(super) struct Validity {
    /// The time until which the server keeps the session, counted from before the last keep-alive
    /// was sent.
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

    /// Returns the reason why the lock is lost; `None` while it is held.
    pub(super) fn lost(&self) -> Option<String> {
        self.reason.clone().or_else(|| {
            (Instant::now() >= self.until).then(|| {
                "there was no answer for so long that the server may have given it to another"
                    .to_owned()
            })
        })
    }
}

impl LockSession {
    /// Returns true when this lock's own session answers and holds all these locks.
    pub(super) async fn holds(&self, keys: &[i64]) -> Result<bool, DatabaseError> {
        let held = Query::select()
            .expr(Expr::col(Column::LockKey).count_distinct())
            .from(Entity.table_ref())
            .and_where(Expr::col(Column::ProcessId).eq(Expr::cust(BACKEND)))
            .and_where(Expr::col(Column::Granted))
            .and_where(Expr::col(Column::LockKey).is_in(keys.iter().copied()))
            .to_owned();
        let count = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        let all = Expr::SubQuery(None, Box::new(held.into())).eq(count);
        self.ask(self.is_own_session().and(all)).await
    }

    /// Releases all these locks. Returns true when this lock's own session answered and held all.
    pub(super) async fn unlock(&self, keys: &[i64]) -> Result<bool, DatabaseError> {
        let unlocked = Expr::cust_with_values(
            "(SELECT coalesce(bool_and(pg_catalog.pg_advisory_unlock(key)), true) \
              FROM pg_catalog.unnest($1) AS held (key))",
            [keys.to_vec()],
        );
        self.ask(self.is_own_session().and(unlocked)).await
    }

    /// Returns true when this lock's own session answers. The query itself keeps the session alive.
    async fn answers(&self) -> Result<bool, DatabaseError> {
        self.ask(self.is_own_session()).await
    }

    fn is_own_session(&self) -> Expr {
        Expr::cust_with_values(
            "pg_catalog.pg_backend_pid() = $1 \
             AND pg_catalog.current_setting('neobank.session_lock', true) IS NOT DISTINCT FROM $2",
            [
                Value::from(self.process_id),
                Value::from(self.marker.as_str()),
            ],
        )
    }

    async fn ask(&self, condition: Expr) -> Result<bool, DatabaseError> {
        let query = Query::select().expr(condition).to_owned();
        let mut statement = Statement::from_query(&query);
        let parameters = convert(&mut statement)?;
        let rows = self
            .connection
            .client()
            .query_typed(&statement.sql, &typed(&parameters))
            .await
            .map_err(|error| match self.connection.end() {
                // The server reported the reason before this query was sent.
                Some(end) if error.is_closed() => end,
                _ => DatabaseError::from_driver(&error),
            })?;
        let row = rows.first().ok_or(DatabaseError::NoRow)?;
        row.try_get(0).map_err(DatabaseError::row)
    }
}

/// Sends keep-alives until the lock is lost, and then records the reason.
pub(super) async fn keep_alive(
    session: Arc<LockSession>,
    validity: watch::Sender<Validity>,
    options: SessionLockOptions,
) {
    let mut next = Instant::now() + options.keepalive_interval;
    let reason = loop {
        tokio::time::sleep_until(next.into()).await;
        let until = validity.borrow().until;
        let sent = Instant::now();
        match tokio::time::timeout_at(until.into(), session.answers()).await {
            // An answer after the lock counted as lost does not restore it.
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
