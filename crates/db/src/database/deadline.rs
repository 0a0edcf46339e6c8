//! Handles on the same pool that have a deadline.

use std::time::{Duration, Instant};

use super::Database;
use crate::pool::DEADLINE_GRACE;

impl Database {
    /// A handle on the same pool, whose every call is to be over by then: the deadline travels with it to whatever is given
    /// the handle, a [`Ledger`](https://docs.rs/neobank-domain) as well as [`Database::retry`].
    ///
    /// The wait for a connection ends by then, with [`DatabaseError::PoolTimeout`]; before each statement the server's
    /// `statement_timeout` and `lock_timeout` are set to what is left, in the same message; nothing is sent after the
    /// deadline, and no commit, so that [`DatabaseError::DeadlineExceeded`] always means that nothing was changed. A silent
    /// server is waited for a second longer than the deadline, and then a commit that was sent in time is
    /// [`DatabaseError::CommitUnknown`]; what became of it is looked into for another second at most, where that is asked
    /// for. So every call is over two seconds after its deadline. Statements that run on the handle itself run in a
    /// transaction of their own, which costs them two more round trips.
    ///
    /// A handle that has a deadline keeps it where that is earlier.
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

    /// The deadline of this handle.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How long a commit whose answer was lost just now is looked into:
    /// [`DatabaseConfig::in_doubt_limit`](crate::DatabaseConfig::in_doubt_limit), and with a deadline not beyond a second
    /// after that, or after now if it has passed.
    #[must_use]
    pub fn in_doubt_limit(&self) -> Duration {
        let limit = self.config().in_doubt_limit();
        self.deadline.map_or(limit, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            limit.min(left.saturating_add(DEADLINE_GRACE))
        })
    }

    /// A handle on the same pool without a deadline, for what must be done even late.
    #[must_use]
    pub fn without_deadline(&self) -> Self {
        let mut handle = self.clone();
        handle.deadline = None;
        handle
    }
}
