//! Handles on the same pool that have a deadline.

use std::time::{Duration, Instant};

use super::Database;
use crate::pool::DEADLINE_GRACE;

impl Database {
    /// Returns a handle on the same pool whose calls end by the deadline. The deadline applies to
    /// everything that is given the handle, such as a [`Ledger`](https://docs.rs/neobank-domain) or
    /// [`Database::retry`].
    ///
    /// * The wait for a connection ends at the deadline with
    ///   [`DatabaseError::PoolTimeout`](crate::DatabaseError::PoolTimeout).
    /// * Each message that carries a statement first sets the server's `statement_timeout` and
    ///   `lock_timeout` to the time that is left.
    /// * The client sends nothing after the deadline, commits included. So
    ///   [`DatabaseError::DeadlineExceeded`](crate::DatabaseError::DeadlineExceeded) always means
    ///   that nothing was changed.
    /// * The client waits one second longer than the deadline for a server that does not answer. A
    ///   commit that was sent in time then is
    ///   [`DatabaseError::CommitUnknown`](crate::DatabaseError::CommitUnknown), and its in-doubt
    ///   resolution, where the caller asked for one, takes another second at most.
    ///
    /// So every call returns within two seconds after its deadline. Statements that run on the
    /// handle itself run in a transaction of their own, which costs two more round trips.
    ///
    /// The earlier deadline applies where the handle has one already.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use neobank_db::{Database, DatabaseConfig, DatabaseError, Executor, statement};
    ///
    /// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let database = Database::connect(DatabaseConfig::from_url(server.url())?).await?;
    /// let in_a_hurry = database.with_deadline(Instant::now() + Duration::from_millis(100));
    /// let late = in_a_hurry.execute(statement("SELECT pg_sleep(60)", [])).await;
    /// assert!(matches!(late, Err(DatabaseError::DeadlineExceeded { .. })));
    /// # Ok::<(), DatabaseError>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        let mut handle = self.clone();
        handle.deadline = Some(self.deadline.map_or(deadline, |own| own.min(deadline)));
        handle
    }

    /// Returns the deadline of this handle; `None` without one.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns the time limit of an in-doubt resolution that begins now:
    /// [`DatabaseConfig::in_doubt_limit`](crate::DatabaseConfig::in_doubt_limit), and with a
    /// deadline at most until one second after it, or after now if it has passed.
    #[must_use]
    pub fn in_doubt_limit(&self) -> Duration {
        let limit = self.config().in_doubt_limit();
        self.deadline.map_or(limit, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            limit.min(left.saturating_add(DEADLINE_GRACE))
        })
    }

    /// Returns a handle on the same pool without a deadline, for work that must be done even late.
    #[must_use]
    pub fn without_deadline(&self) -> Self {
        let mut handle = self.clone();
        handle.deadline = None;
        handle
    }
}
