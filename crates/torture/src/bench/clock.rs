//! The machine's monotonic clock, which all processes share.

use nix::time::{ClockId, clock_gettime};

/// Returns the time in microseconds.
pub(crate) fn now() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
        let nanoseconds = u64::try_from(time.tv_nsec()).unwrap_or_default();
        seconds * 1_000_000 + nanoseconds / 1_000
    })
}

/// Returns the seconds between two times of this clock.
pub(crate) fn seconds_between(earlier: u64, later: u64) -> f64 {
    std::time::Duration::from_micros(later.saturating_sub(earlier)).as_secs_f64()
}
