//! The options of a transaction.

use std::time::Duration;

/// The isolation level of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IsolationLevel {
    /// Each statement sees what was committed before it began. Sufficient where rows are locked
    /// before a decision is based on them.
    #[default]
    ReadCommitted,
    /// The whole transaction sees one snapshot (snapshot isolation).
    RepeatableRead,
    /// The result equals that of some serial order of the transactions. The caller must be ready to
    /// retry serialization failures.
    Serializable,
}

/// The isolation, access mode and limits of a transaction.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TransactionOptions {
    /// The isolation level; `READ COMMITTED` by default.
    pub isolation: IsolationLevel,
    /// Restricts the transaction to reads.
    pub read_only: bool,
    /// The limit of one wait for a lock; the configuration's `lock_timeout` where `None`.
    pub lock_timeout: Option<Duration>,
    /// The limit of one statement; the configuration's `statement_timeout` where `None`.
    pub statement_timeout: Option<Duration>,
    /// Makes prepared statements keep one generic plan. Without it the server replans for array
    /// parameters of other lengths, which costs more than it gains where only one plan is good.
    pub keep_plans: bool,
}

impl TransactionOptions {
    /// Sets the isolation level.
    #[must_use]
    pub const fn with_isolation(mut self, isolation: IsolationLevel) -> Self {
        self.isolation = isolation;
        self
    }

    /// Sets whether the transaction is restricted to reads.
    #[must_use]
    pub const fn with_read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Sets the limit of one wait for a lock.
    #[must_use]
    pub fn with_lock_timeout(mut self, lock_timeout: impl Into<Option<Duration>>) -> Self {
        self.lock_timeout = lock_timeout.into();
        self
    }

    /// Sets the limit of one statement.
    #[must_use]
    pub fn with_statement_timeout(
        mut self,
        statement_timeout: impl Into<Option<Duration>>,
    ) -> Self {
        self.statement_timeout = statement_timeout.into();
        self
    }

    /// Sets whether prepared statements keep one generic plan.
    #[must_use]
    pub const fn with_keep_plans(mut self, keep_plans: bool) -> Self {
        self.keep_plans = keep_plans;
        self
    }
}
