//! When a transaction is run again.

use std::time::Duration;

use crate::error::ErrorClass;
use crate::jitter::jitter;

/// When a transaction is run again, how often, and after what pause.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use neobank_db::{ErrorClass, RetryPolicy};
///
/// let policy = RetryPolicy::default().also(ErrorClass::LockTimeout);
/// assert!(policy.retries(ErrorClass::Deadlock) && policy.retries(ErrorClass::LockTimeout));
/// assert!(!policy.retries(ErrorClass::UniqueViolation));
/// assert!(policy.pause(1) <= policy.pause_first && policy.pause(40) <= policy.pause_longest);
/// ```
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// Attempts at most, the first among them; at least 1.
    pub attempts_max: u32,
    /// The longest pause before the second attempt; it doubles with each.
    pub pause_first: Duration,
    /// No pause is longer than this.
    pub pause_longest: Duration,
    /// No attempt begins later than this after the first.
    pub deadline: Duration,
    /// Whether each attempt writes a row of its own: see [`RetryPolicy::with_commit_records`].
    pub commit_records: bool,
    classes: Vec<ErrorClass>,
}

impl Default for RetryPolicy {
    /// Serialization failures (40001) and deadlocks (40P01): in both the server has rolled back and asks for another
    /// attempt (PostgreSQL's manual, 13.5). Ten attempts within 30 seconds, pauses from 5 ms to a second.
    fn default() -> Self {
        Self {
            attempts_max: 10,
            pause_first: Duration::from_millis(5),
            pause_longest: Duration::from_secs(1),
            deadline: Duration::from_secs(30),
            commit_records: false,
            classes: vec![ErrorClass::SerializationFailure, ErrorClass::Deadlock],
        }
    }
}

impl RetryPolicy {
    /// The same policy, for another class of errors too.
    ///
    /// A unique violation may be a race that the next attempt does not meet, or a mistake that it meets again; a lock
    /// timeout may end, or not. That is the caller's to know.
    #[must_use]
    pub fn also(mut self, class: ErrorClass) -> Self {
        self.classes.push(class);
        self
    }

    /// The same policy, with certainty about each commit: every attempt writes a row into
    /// `concurrency.transaction_outcomes` together with its commit, which costs no round trip. When the commit's answer is
    /// lost, the row tells what became of it; and where there is none, one is put in its place, so that the attempt can
    /// never commit later. A transaction that did not happen is then run again.
    ///
    /// The table is part of the migrations. Rows are of no use once their transaction is known to its caller: delete them
    /// with [`delete_commit_records`](crate::delete_commit_records).
    #[must_use]
    pub const fn with_commit_records(mut self) -> Self {
        self.commit_records = true;
        self
    }

    /// Whether a transaction that failed in this way is run again.
    #[must_use]
    pub fn retries(&self, class: ErrorClass) -> bool {
        self.classes.contains(&class)
    }

    /// A pause after so many failed attempts: any time from nothing to the doubled first one (full jitter, as in Brooker,
    /// "Exponential Backoff And Jitter", AWS 2015).
    #[must_use]
    pub fn pause(&self, attempts: u32) -> Duration {
        let doubled = 1_u32 << attempts.saturating_sub(1).min(20);
        let longest = self
            .pause_first
            .saturating_mul(doubled)
            .min(self.pause_longest);
        longest.saturating_mul(jitter()) / 1023
    }
}
