//! The limits of gathering, and why each is there.

use std::time::Duration;

use thiserror::Error;

use super::super::Ledger;

/// How callers are gathered.
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
    /// Requests in one transaction at most. Larger groups cost less for each transfer, but hold their locks longer, and
    /// each caller waits for the whole of its group: beyond a thousand the gain was seen to be small.
    pub group_size_max: usize,
    /// Requests that may wait for a group to take them; any further one gets
    /// [`LedgerError::Overloaded`](super::super::LedgerError::Overloaded) at once. Without a limit a database that
    /// has become slow would fill the memory, and answer callers that have long stopped waiting.
    pub waiting_max: usize,
    /// Groups that may be under way at the same time, each on a connection of its own. Two were seen to be faster than one
    /// also where client and server share two processors; each processor more of the server makes use of another, unless all
    /// callers want one account: of such groups there are two, of which the second follows the first. With 1 no group
    /// follows another.
    pub workers: usize,
    /// How long a group waits for a lock before the requests that need what is locked are set apart: they wait by
    /// themselves from then on, for up to [`lock_timeout`](neobank_db::DatabaseConfig::lock_timeout), and everybody else
    /// goes past them. Shorter waits set requests apart that would have had their lock in a moment.
    pub lock_patience: Duration,
    /// How long a worker stays with a group that does not end, because the server stands still or an answer was lost. Then
    /// the worker goes on with other requests; those for the group's accounts wait until it has ended, for up to
    /// [`lock_timeout`](neobank_db::DatabaseConfig::lock_timeout). Half of the pool's connections may be left so at once.
    pub silence_patience: Duration,
}

/// A limit that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{limit} cannot be {value}: from 1 to {most}")]
#[non_exhaustive]
pub struct GroupCommitOptionsError {
    /// The field.
    pub limit: &'static str,
    /// Its value; of a time, in milliseconds.
    pub value: usize,
    /// The largest value that it can have.
    pub most: usize,
}

/// More callers than this are more than one process can have on any server.
const WAITING_MOST: usize = 1_000_000;
/// An hour, in milliseconds: beyond it a limit is none.
const PATIENCE_MOST: usize = 3_600_000;
/// More workers than this only wait for each other.
const LANES_MOST: usize = 64;

impl Default for GroupCommitOptions {
    fn default() -> Self {
        Self {
            group_size_max: 1_000,
            waiting_max: 10_000,
            workers: 2,
            lock_patience: Duration::from_millis(100),
            silence_patience: Duration::from_secs(1),
        }
    }
}

impl GroupCommitOptions {
    /// Holds every limit against what it can be.
    ///
    /// # Errors
    ///
    /// [`GroupCommitOptionsError`] names the first that cannot be.
    pub fn validate(&self) -> Result<(), GroupCommitOptionsError> {
        [
            ("group_size_max", self.group_size_max, Ledger::REQUESTS_MAX),
            ("waiting_max", self.waiting_max, WAITING_MOST),
            ("workers", self.workers, LANES_MOST),
            (
                "lock_patience",
                milliseconds(self.lock_patience),
                PATIENCE_MOST,
            ),
            (
                "silence_patience",
                milliseconds(self.silence_patience),
                PATIENCE_MOST,
            ),
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
