//! A pooled connection while it is checked out, and its recovery afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::connections::CheckedOut;
use super::event::CloseReason;
use super::monitor::RunningStatement;
use crate::config::DatabaseConfig;
use crate::connection::Connection;
use crate::error::{DatabaseError, ErrorClass, ServerError};

/// The time beyond the server's own timeout for which the client waits, so that the server's error
/// arrives first.
pub(crate) const ANSWER_GRACE: Duration = Duration::from_secs(5);

/// The time beyond the caller's deadline for which the client waits.
pub(crate) const DEADLINE_GRACE: Duration = Duration::from_secs(1);

/// A connection that a caller has checked out.
///
/// It returns to the pool only after the server has confirmed that no transaction is open. After an
/// error, a panic or a dropped future it is recovered in the background: its statement is
/// cancelled, its transaction is rolled back, and if that exceeds the recovery timeout the
/// connection is closed. In each case its slot in the pool is free within the timeout.
pub(crate) struct PooledConnection {
    /// Taken out only by `drop`.
    checked_out: Option<CheckedOut>,
    state: AtomicU8,
    statements_in_flight: AtomicUsize,
    statements_sent: AtomicUsize,
    /// The longest wait for an answer: the server's statement timeout plus the grace.
    answer_limit: Duration,
    /// The deadline of the caller.
    deadline: Option<Instant>,
    config: Arc<DatabaseConfig>,
}

/// The server has confirmed that no transaction is open.
const CLEAN: u8 = 0;
/// A transaction may be open.
const DIRTY: u8 = 1;
/// `COMMIT` has been sent, and must not be cancelled.
const COMMITTING: u8 = 2;
/// The server does not answer; the connection can only be closed.
const BROKEN: u8 = 3;

impl PooledConnection {
    pub(crate) fn new(
        checked_out: CheckedOut,
        config: Arc<DatabaseConfig>,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            checked_out: Some(checked_out),
            state: AtomicU8::new(CLEAN),
            statements_in_flight: AtomicUsize::new(0),
            statements_sent: AtomicUsize::new(0),
            answer_limit: config.statement_timeout.saturating_add(ANSWER_GRACE),
            deadline,
            config,
        }
    }

    /// # Panics
    ///
    /// Never: the connection is there until `drop`.
    #[expect(
        clippy::expect_used,
        reason = "the connection is taken out by drop alone"
    )]
    fn checked_out(&self) -> &CheckedOut {
        self.checked_out
            .as_ref()
            .expect("a pooled connection has its connection until it is dropped")
    }

    pub(crate) fn connection(&self) -> &Connection {
        self.checked_out().connection()
    }

    /// Registers a statement that is about to be sent. When the result is dropped, the statement is
    /// counted under its pattern: as answered after [`RunningStatement::answered`], otherwise as
    /// abandoned.
    pub(crate) fn statement(&self, sql: &str) -> RunningStatement {
        let checked_out = self.checked_out();
        checked_out.monitor.statement(&checked_out.checkout, sql)
    }

    pub(crate) fn client(&self) -> &Client {
        self.connection().client()
    }

    pub(crate) fn config(&self) -> &DatabaseConfig {
        &self.config
    }

    /// Extends the wait for answers, where the server's statement timeout is longer too.
    pub(crate) fn wait_at_least(&mut self, statement_timeout: Duration) {
        self.answer_limit = self
            .answer_limit
            .max(statement_timeout.saturating_add(ANSWER_GRACE));
    }

    pub(crate) fn answer_limit(&self) -> Duration {
        self.until_deadline(self.answer_limit)
    }

    /// Returns the longest wait for the answer to a commit.
    pub(crate) fn commit_limit(&self) -> Duration {
        self.until_deadline(self.config.commit_timeout)
    }

    /// Returns the longest wait for the answer to a statement with a pipelined or implicit commit.
    pub(crate) fn written_limit(&self) -> Duration {
        self.until_deadline(self.answer_limit.saturating_add(self.config.commit_timeout))
    }

    fn until_deadline(&self, limit: Duration) -> Duration {
        match self.deadline {
            None => limit,
            Some(deadline) => deadline
                .saturating_duration_since(Instant::now())
                .saturating_add(DEADLINE_GRACE)
                .min(limit),
        }
    }

    /// Returns the time until the caller's deadline; `None` without one.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::DeadlineExceeded`] when the deadline has passed.
    pub(crate) fn time_left(&self, before: &str) -> Result<Option<Duration>, DatabaseError> {
        let Some(deadline) = self.deadline else {
            return Ok(None);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(DatabaseError::deadline(before));
        }
        Ok(Some(left))
    }

    /// Returns the number of statements that were sent.
    pub(crate) fn statements_sent(&self) -> usize {
        self.statements_sent.load(Ordering::Acquire)
    }

    pub(crate) fn mark_dirty(&self) {
        self.state.store(DIRTY, Ordering::Release);
    }

    /// Records that the server has answered everything that was sent, while a transaction may be
    /// open.
    pub(crate) fn mark_answered(&self) {
        self.statements_in_flight.store(0, Ordering::Release);
        self.state.store(DIRTY, Ordering::Release);
    }

    pub(crate) fn mark_committing(&self) {
        self.state.store(COMMITTING, Ordering::Release);
    }

    /// Records that the server has confirmed that no transaction is open, and thereby answered
    /// everything that was sent.
    pub(crate) fn mark_clean(&self) {
        self.statements_in_flight.store(0, Ordering::Release);
        self.state.store(CLEAN, Ordering::Release);
    }

    pub(crate) fn mark_broken(&self) {
        self.state.store(BROKEN, Ordering::Release);
    }

    /// Waits for the answer to a statement, within the server's timeout and the grace.
    pub(crate) async fn answer<T>(
        &self,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        self.answer_within(self.answer_limit(), statement).await
    }

    /// As [`PooledConnection::answer`], with another limit.
    pub(crate) async fn answer_within<T>(
        &self,
        limit: Duration,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        // When this future is dropped before the answer, the count stays up, and `drop` knows that
        // a statement still runs.
        self.statements_in_flight.fetch_add(1, Ordering::AcqRel);
        self.statements_sent.fetch_add(1, Ordering::AcqRel);
        let answer = tokio::time::timeout(limit, statement).await;
        let _ =
            self.statements_in_flight
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
                    count.checked_sub(1)
                });
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.late(self.failure(&error))),
            Err(_) => {
                self.mark_broken();
                Err(self.late(DatabaseError::NoAnswer { waited: limit }))
            }
        }
    }

    /// Replaces an error by `DeadlineExceeded`, where the deadline is its cause.
    fn late(&self, error: DatabaseError) -> DatabaseError {
        let passed = self
            .deadline
            .is_some_and(|deadline| deadline <= Instant::now());
        match error {
            DatabaseError::NoAnswer { .. } if passed => {
                DatabaseError::deadline("the server answered")
            }
            DatabaseError::Server(server)
                if passed
                    && matches!(
                        server.class(),
                        ErrorClass::StatementCancelled | ErrorClass::LockTimeout
                    ) =>
            {
                DatabaseError::DeadlineExceeded {
                    before: "the statement ended".to_owned(),
                    server: Some(server),
                }
            }
            other => other,
        }
    }

    /// Converts the driver's error, and records its consequences for the connection.
    fn failure(&self, error: &tokio_postgres::Error) -> DatabaseError {
        let failure = DatabaseError::from_driver(error);
        match failure {
            DatabaseError::ConnectionLost { .. } => {
                self.mark_broken();
                // The server may have reported its reason before the statement was sent.
                match self.connection().end() {
                    Some(end) if failure.server().is_none() => end,
                    _ => failure,
                }
            }
            _ => {
                if failure.class() == ErrorClass::ReadOnly {
                    self.connection().note_rejected_write();
                }
                if failure.server().is_some_and(ServerError::is_stale_plan) {
                    self.connection().forget_prepared();
                }
                failure
            }
        }
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let Some(mut checked_out) = self.checked_out.take() else {
            return;
        };
        let state = *self.state.get_mut();
        let in_flight = *self.statements_in_flight.get_mut() > 0;
        match state {
            CLEAN if !in_flight => {
                give_back(checked_out);
            }
            BROKEN => checked_out.close(CloseReason::Broken),
            _ => {
                if let Some(connection) = checked_out.connection_mut() {
                    connection.clean = false;
                }
                checked_out.checkout.recovers();
                let cancel = in_flight && state != COMMITTING;
                let limit = self.config.recovery_timeout;
                match tokio::runtime::Handle::try_current() {
                    Ok(runtime) => drop(runtime.spawn(recover(checked_out, cancel, limit))),
                    // Without a runtime the pool cannot query the server, so the connection must
                    // not be used again.
                    Err(_) => checked_out.close(CloseReason::NotRecovered),
                }
            }
        }
    }
}

impl std::fmt::Debug for PooledConnection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PooledConnection")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

async fn recover(checked_out: CheckedOut, cancel: bool, limit: Duration) {
    let rolled_back = tokio::time::timeout(limit, async {
        if cancel {
            checked_out.connection().cancel().await?;
        }
        // The server answers in order, so the answer to ROLLBACK is the last: nothing else is in
        // flight after it.
        checked_out
            .connection()
            .client()
            .batch_execute("ROLLBACK")
            .await
            .map_err(|error| error.to_string())
    })
    .await;
    match rolled_back {
        Ok(Ok(())) => {
            give_back(checked_out);
        }
        Ok(Err(error)) => {
            tracing::debug!("a connection was closed, since it could not be rolled back: {error}");
            checked_out.close(CloseReason::NotRecovered);
        }
        Err(_) => {
            tracing::warn!(
                "a connection was closed, since the server did not answer within {limit:?}"
            );
            checked_out.close(CloseReason::NotRecovered);
        }
    }
}

/// Returns a connection to the pool, after the server has confirmed that no transaction is open.
fn give_back(mut checked_out: CheckedOut) {
    if let Some(connection) = checked_out.connection_mut() {
        connection.clean = true;
        connection.last_used = Instant::now();
    }
}
