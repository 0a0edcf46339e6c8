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
