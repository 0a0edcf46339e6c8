//! How a session holds a lock.

use std::time::Duration;

use crate::config::ConfigError;
use crate::error::DatabaseError;

/// How a [`SessionLock`](super::SessionLock) is waited for and kept.
#[derive(Clone, Debug)]
pub struct SessionLockOptions {
    /// How long it is waited for, after the connection is open; 5 s.
    pub timeout: Duration,
    /// How often the holder shows the server that it is there; 500 ms. At most half of `release_after`.
    pub keepalive_interval: Duration,
    /// How long after the holder's last sign the server ends its session and lets the next one have the lock; 1.5 s. The
    /// holder knows no later: it counts from the moment before it sent that sign. Between 100 ms and an hour.
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
    /// # Errors
    ///
    /// [`DatabaseError::Config`] names the first field that is wrong, and its value.
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
