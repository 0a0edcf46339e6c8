//! A level that goes up and down, averaged over time.

#![expect(
    clippy::float_arithmetic,
    reason = "an average over time; no money is near"
)]

use std::time::{Duration, Instant};

/// A level, and its mean and maximum since the last reading.
#[derive(Debug)]
pub(crate) struct Level {
    now: usize,
    max: usize,
    /// The level times the nanoseconds for which it lasted.
    area: u128,
    changed: Instant,
}

/// The mean and the maximum of a level over a window of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LevelWindow {
    pub(crate) mean: f64,
    pub(crate) max: usize,
}

impl Level {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            now: 0,
            max: 0,
            area: 0,
            changed: now,
        }
    }

    pub(crate) fn now(&self) -> usize {
        self.now
    }

    pub(crate) fn set(&mut self, level: usize, at: Instant) {
        self.add_area(at);
        self.now = level;
        self.max = self.max.max(level);
    }

    /// Returns the level over the time since the last call, whose length is `elapsed`.
    pub(crate) fn take(&mut self, at: Instant, elapsed: Duration) -> LevelWindow {
        self.add_area(at);
        let area = std::mem::take(&mut self.area);
        let nanoseconds = elapsed.as_nanos();
        let window = LevelWindow {
            mean: if nanoseconds == 0 {
                self.now as f64
            } else {
                area as f64 / nanoseconds as f64
            },
            max: self.max,
        };
        self.max = self.now;
        window
    }

    fn add_area(&mut self, at: Instant) {
        let lasted = at.saturating_duration_since(self.changed).as_nanos();
        self.area = self
            .area
            .saturating_add(lasted.saturating_mul(self.now as u128));
        self.changed = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_averaged_by_how_long_it_lasted() {
        let start = Instant::now();
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut level = Level::new(start);
        level.set(4, after(100));
        level.set(1, after(200));
        let window = level.take(after(400), Duration::from_millis(400));
        assert_eq!((window.mean, window.max), (1.5, 4));
        let window = level.take(after(500), Duration::from_millis(100));
        assert_eq!((window.mean, window.max), (1.0, 1));
    }
}
