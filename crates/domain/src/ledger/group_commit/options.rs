//! The limits of group commit.

use std::time::Duration;

use thiserror::Error;

use super::super::Ledger;

/// The limits of group commit.
///
/// # Example
///
/// ```
/// use neobank_domain::ledger::group_commit::GroupCommitOptions;
///
/// let mut options = GroupCommitOptions::default();
/// options.waiting_max = 500;
/// assert!(options.validate().is_ok());
/// options.workers = 0;
/// assert_eq!(options.validate().unwrap_err().to_string(), "workers cannot be 0: from 1 to 64");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupCommitOptions {
    /// The most requests in one batch. Larger batches cost less for each transfer, but hold their
    /// locks longer, and each caller waits for its whole batch. Beyond a thousand the measured gain
    /// is small.
    pub batch_size_max: usize,
    /// The most requests in the queue; any further one gets
    /// [`LedgerError::Overloaded`](super::super::LedgerError::Overloaded) at once. Without a limit,
    /// a slow database would let the queue fill the memory.
    pub waiting_max: usize,
    /// The most batches in flight, each on a connection of its own. Two are faster than one even
    /// when client and server share two processors. Each further processor of the server makes use
    /// of another worker, unless all callers need one account: two workers then pipeline their
    /// batches. With 1 no batch is pipelined.
    pub workers: usize,
    /// The longest wait of a batch for a lock. Then the requests that need the locked account are
    /// set aside for up to
    /// [`DatabaseConfig::lock_timeout`](neobank_db::DatabaseConfig::lock_timeout), and the others
    /// go on. A shorter timeout sets requests aside that would soon have had their lock.
    pub lock_timeout: Duration,
    /// The time after which a worker detaches a batch that has not ended, because the server does
    /// not answer. The worker goes on with other requests. Requests for the batch's accounts are
    /// set aside for up to
    /// [`DatabaseConfig::lock_timeout`](neobank_db::DatabaseConfig::lock_timeout). Detached batches
    /// may keep half of the pool's connections.
    pub detach_after: Duration,
}

/// The error of a limit that is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{limit} cannot be {value}: from 1 to {most}")]
#[non_exhaustive]
pub struct GroupCommitOptionsError {
    /// The name of the field.
    pub limit: &'static str,
    /// The value; for a time, in milliseconds.
    pub value: usize,
    /// The largest valid value; for a time, in milliseconds.
    pub most: usize,
}

/// The largest queue: one process cannot have more callers than this.
const WAITING_MOST: usize = 1_000_000;
/// The longest time, in milliseconds: one hour.
const TIME_MOST: usize = 3_600_000;
/// The most workers: more would only wait for each other.
const WORKERS_MOST: usize = 64;

impl Default for GroupCommitOptions {
    fn default() -> Self {
        Self {
            batch_size_max: 1_000,
            waiting_max: 10_000,
            workers: 2,
            lock_timeout: Duration::from_millis(100),
            detach_after: Duration::from_secs(1),
        }
    }
}

impl GroupCommitOptions {
    /// Validates every limit.
    ///
    /// # Errors
    ///
    /// [`GroupCommitOptionsError`] names the first limit that is out of its range.
    pub fn validate(&self) -> Result<(), GroupCommitOptionsError> {
        [
            ("batch_size_max", self.batch_size_max, Ledger::REQUESTS_MAX),
            ("waiting_max", self.waiting_max, WAITING_MOST),
            ("workers", self.workers, WORKERS_MOST),
            ("lock_timeout", milliseconds(self.lock_timeout), TIME_MOST),
            ("detach_after", milliseconds(self.detach_after), TIME_MOST),
        ]
        .into_iter()
        .find(|(_, value, most)| !(1..=*most).contains(value))
        .map_or(Ok(()), |(limit, value, most)| {
            Err(GroupCommitOptionsError { limit, value, most })
        })
    }
}

fn milliseconds(time: Duration) -> usize {
    usize::try_from(time.as_millis()).unwrap_or(usize::MAX)
}
