//! The throttle on new connections: a few at once, and fewer while the server rejects them.

use crate::jitter::jitter;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::error::DatabaseError;

/// The highest number of connections that are being opened at once. It protects a server that has
/// just come back.
const AT_ONCE: usize = 4;
/// The pause after the first failure. It doubles with each failure up to `PAUSE_LONGEST`; half of
/// it is random.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_LONGEST: Duration = Duration::from_secs(1);

/// A throttle that admits the opening of connections.
#[derive(Debug, Default)]
pub(crate) struct ConnectThrottle {
    state: Mutex<ThrottleState>,
    /// Notified when another attempt is worthwhile: a connection was returned, or another one may
    /// be opened.
    changed: Notify,
}

#[derive(Debug, Default)]
struct ThrottleState {
    opening: usize,
    /// The number of consecutive failures.
    failures: u32,
    not_before: Option<Instant>,
    last_failure: Option<DatabaseError>,
}

/// The permit to open one connection.
#[derive(Debug)]
pub(crate) struct ConnectPermit<'a> {
    throttle: &'a ConnectThrottle,
}

/// The reason why no connection may be opened now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectDeferred {
    /// The latest time for the next attempt; `None` when other openings have to finish first.
    pub(crate) retry_at: Option<Instant>,
}

impl ConnectThrottle {
    pub(crate) fn start(&self) -> Result<ConnectPermit<'_>, ConnectDeferred> {
        let mut state = self.lock();
        // After a failure, a single attempt probes whether the server is back.
        let at_once = if state.failures == 0 { AT_ONCE } else { 1 };
        if state.opening >= at_once {
            return Err(ConnectDeferred { retry_at: None });
        }
        if let Some(at) = state.not_before.filter(|at| Instant::now() < *at) {
            return Err(ConnectDeferred { retry_at: Some(at) });
        }
        state.opening += 1;
        Ok(ConnectPermit { throttle: self })
    }

    /// Waits until another attempt is worthwhile. Create this future before an attempt, so that no
    /// notification is missed.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Notifies one waiting caller, which may take the returned connection instead of opening one.
    pub(crate) fn connection_came_back(&self) {
        self.changed.notify_one();
    }

    /// Returns the failure of the last opening; `None` after a success.
    pub(crate) fn last_failure(&self) -> Option<DatabaseError> {
        self.lock().last_failure.clone()
    }

    fn lock(&self) -> MutexGuard<'_, ThrottleState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectPermit<'_> {
    pub(crate) fn succeeded(self) {
        let mut state = self.throttle.lock();
        state.failures = 0;
        state.not_before = None;
        state.last_failure = None;
        drop(state);
        // Three more may begin besides the one that `drop` notifies.
        for _ in 1..AT_ONCE {
            self.throttle.changed.notify_one();
        }
    }

    pub(crate) fn failed(self, error: DatabaseError) {
        let mut state = self.throttle.lock();
        state.failures = state.failures.saturating_add(1);
        state.not_before = Some(Instant::now() + pause(state.failures, jitter()));
        state.last_failure = Some(error);
    }
}

impl Drop for ConnectPermit<'_> {
    fn drop(&mut self) {
        let mut state = self.throttle.lock();
        state.opening = state.opening.saturating_sub(1);
        drop(state);
        self.throttle.changed.notify_one();
    }
}

/// Returns between a half and the whole of 20 ms, 40 ms, … up to one second. `jitter` is from 0
/// to 1023.
fn pause(failures: u32, jitter: u32) -> Duration {
    let doubled = 1_u32 << failures.saturating_sub(1).min(10);
    let longest = PAUSE_FIRST.saturating_mul(doubled).min(PAUSE_LONGEST);
    longest / 2 + longest / 2 * jitter.min(1023) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn openings_are_limited() {
        let throttle = ConnectThrottle::default();
        let opening: Vec<_> = (0..AT_ONCE).map(|_| throttle.start().unwrap()).collect();
        assert_eq!(
            throttle.start().unwrap_err(),
            ConnectDeferred { retry_at: None }
        );
        let notified = throttle.changed();
        // A future that is dropped while it opens a connection releases its permit.
        drop(opening);
        notified.await;
        assert!(throttle.start().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn failure_leaves_one_attempt_after_a_pause() {
        let throttle = ConnectThrottle::default();
        for failure in 1..=20 {
            throttle.start().unwrap().failed(DatabaseError::PoolClosed);
            let later = throttle.start().unwrap_err().retry_at.unwrap();
            let wait = later - Instant::now();
            assert!(wait <= PAUSE_LONGEST, "{failure}: {wait:?}");
            tokio::time::sleep(wait).await;
            let only = throttle.start().unwrap();
            assert_eq!(
                throttle.start().unwrap_err(),
                ConnectDeferred { retry_at: None }
            );
            drop(only);
        }
        assert!(matches!(
            throttle.last_failure(),
            Some(DatabaseError::PoolClosed)
        ));
        throttle.start().unwrap().succeeded();
        assert!(throttle.last_failure().is_none());
        let all: Vec<_> = (0..AT_ONCE).map(|_| throttle.start()).collect();
        assert!(all.iter().all(Result::is_ok));
    }

    #[test]
    fn pauses_grow_to_their_limit_and_differ() {
        assert_eq!(pause(1, 0), PAUSE_FIRST / 2);
        assert_eq!(pause(3, 0), PAUSE_FIRST * 2);
        assert_eq!(pause(u32::MAX, 0), PAUSE_LONGEST / 2);
        for failures in 1..40 {
            let (least, most) = (pause(failures, 0), pause(failures, 1023));
            assert!(least < most && most <= PAUSE_LONGEST, "{failures}");
        }
    }
}
