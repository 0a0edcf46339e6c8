//! The policy of retries.

use std::time::Duration;

use crate::error::ErrorClass;
use crate::jitter::jitter;

/// The errors that are retried, how often, and the pauses between attempts.
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
    /// The highest number of attempts, the first included; at least 1.
    pub attempts_max: u32,
    /// The upper bound of the pause before the second attempt; it doubles with each attempt.
    pub pause_first: Duration,
    /// The upper bound of every pause.
    pub pause_longest: Duration,
    /// The time after the start of the first attempt after which no attempt begins.
    pub deadline: Duration,
    /// Makes each attempt write a commit record: see [`RetryPolicy::with_commit_records`].
    pub commit_records: bool,
    classes: Vec<ErrorClass>,
}

impl Default for RetryPolicy {
    /// Retries serialization failures (40001) and deadlocks (40P01): the server has rolled back and
    /// asks for another attempt (PostgreSQL's manual, 13.5). Ten attempts within 30 seconds, with
    /// pauses from 5 ms to one second.
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
    /// Retries another class of errors too.
    ///
    /// A unique violation may be a race that the next attempt does not meet, or a mistake that it
    /// meets again. A lock timeout may pass or persist. Only the caller can tell.
    #[must_use]
    pub fn also(mut self, class: ErrorClass) -> Self {
        self.classes.push(class);
        self
    }

    /// Enables in-doubt resolution: every attempt pipelines a record into
    /// `concurrency.commit_records` with its commit, which costs no round trip. When the
    /// answer to a commit is lost, the record proves the outcome. Where there is none, the
    /// resolution inserts one, so that the attempt can never commit later, and the transaction is
    /// retried.
    ///
    /// The migrations create the table. A record is useless once the caller knows the outcome:
    /// delete old ones with [`delete_commit_records`](crate::delete_commit_records).
    #[must_use]
    pub const fn with_commit_records(mut self) -> Self {
        self.commit_records = true;
        self
    }

    /// Returns true when a failure of this class is retried.
    #[must_use]
    pub fn retries(&self, class: ErrorClass) -> bool {
        self.classes.contains(&class)
    }

    /// Returns a random pause before the next attempt, between zero and the doubled first pause
    /// (full jitter, as in Brooker, "Exponential Backoff And Jitter", AWS 2015).
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
