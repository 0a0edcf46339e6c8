//! The options of session locks.

use std::time::Duration;

use crate::config::ConfigError;
use crate::error::DatabaseError;

/// The timeout and the keep-alive of a [`SessionLock`](super::SessionLock).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionLockOptions {
    /// The longest wait for the locks, after the connection is open; 5 s by default.
    pub timeout: Duration,
    /// The interval of keep-alives; 500 ms by default. At most half of `release_after`.
    pub keepalive_interval: Duration,
    /// The time after the holder's last keep-alive when the server ends its session and grants the
    /// lock to the next holder; 1.5 s by default. The holder counts from the moment before it sent
    /// that keep-alive, so it never believes in the lock for longer. Between 100 ms and 1 hour.
    pub release_after: Duration,
}

impl Default for SessionLockOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            keepalive_interval: Duration::from_millis(500),
            release_after: Duration::from_millis(1_500),
        }
    }
}

impl SessionLockOptions {
    /// Sets the longest wait for the locks.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the interval of keep-alives, at most half of `release_after`.
    #[must_use]
    pub const fn with_keepalive_interval(mut self, keepalive_interval: Duration) -> Self {
        self.keepalive_interval = keepalive_interval;
        self
    }

    /// Sets the time without a keep-alive after which the server releases the lock.
    #[must_use]
    pub const fn with_release_after(mut self, release_after: Duration) -> Self {
        self.release_after = release_after;
        self
    }

    /// Checks every option.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Config`] names the first option that is wrong, and its value.
    pub(super) fn validate(&self) -> Result<(), DatabaseError> {
        let invalid = |field, value: Duration, expected| {
            Err(ConfigError::invalid(field, format!("{value:?}"), expected).into())
        };
        let bounds = Duration::from_millis(100)..=Duration::from_secs(3_600);
        if !bounds.contains(&self.release_after) {
            return invalid(
                "release_after",
                self.release_after,
                "between 100ms and 1 hour",
            );
        }
        if self.keepalive_interval.is_zero() || self.keepalive_interval > self.release_after / 2 {
            return invalid(
                "keepalive_interval",
                self.keepalive_interval,
                "more than 0 and at most half of release_after",
            );
        }
        Ok(())
    }
}
