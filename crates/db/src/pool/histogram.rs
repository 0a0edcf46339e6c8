//! Histograms of durations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The number of buckets in each doubling, so that the bounds of a bucket differ by an eighth at
/// most.
const PARTS: u32 = 8;
/// The number of doublings: 2^32 microseconds are 71 minutes; longer durations count in the last
/// bucket.
const DOUBLINGS: u32 = 32;
const BUCKETS: usize = (PARTS * (DOUBLINGS - 2)) as usize;

/// A histogram of durations from one microsecond, in buckets that grow by an eighth at most. Each
/// bucket is an atomic counter, because a duration is recorded at every checkout and must not wait.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: Box<[AtomicU64]>,
    microseconds: AtomicU64,
    max: AtomicU64,
}

/// The content of a histogram at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    buckets: Vec<u64>,
    microseconds: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            microseconds: AtomicU64::new(0),
            max: AtomicU64::new(0),
        }
    }

    pub(crate) fn record(&self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket_of(microseconds)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
        self.max.fetch_max(microseconds, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Durations {
        Durations {
            buckets: self
                .buckets
                .iter()
                .map(|bucket| bucket.load(Ordering::Relaxed))
                .collect(),
            microseconds: self.microseconds.load(Ordering::Relaxed),
            max: self.max.load(Ordering::Relaxed),
        }
    }
}

impl Durations {
    /// Returns the number of durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Returns the sum of the durations.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.microseconds)
    }

    /// Returns the mean of the durations; zero when there is none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_micros(self.microseconds.checked_div(self.count()).unwrap_or(0))
    }

    /// Returns the longest duration since the pool was opened.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.max)
    }

    /// Returns the duration that `percent` of 100 do not exceed, at most an eighth too high; zero
    /// when there is none.
    #[must_use]
    pub fn percentile(&self, percent: u32) -> Duration {
        let count = self.count();
        let rank = count
            .saturating_mul(u64::from(percent.min(100)))
            .div_ceil(100)
            .max(1);
        let mut seen = 0;
        for (place, bucket) in self.buckets.iter().enumerate() {
            seen += bucket;
            if count > 0 && seen >= rank {
                return Duration::from_micros(upper_bound(place)).min(self.max());
            }
        }
        Duration::ZERO
    }

    /// Returns upper bounds and the number of durations up to each: the cumulative buckets that
    /// metrics systems take. Empty buckets are left out.
    pub fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut seen = 0;
        self.buckets
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(move |(place, count)| {
                seen += count;
                (Duration::from_micros(upper_bound(place)), seen)
            })
    }

    /// Returns the durations that were recorded after an earlier snapshot. The longest is that of
    /// all time, because it cannot be subtracted.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            buckets: self
                .buckets
                .iter()
                .enumerate()
                .map(|(place, count)| {
                    count.saturating_sub(earlier.buckets.get(place).copied().unwrap_or(0))
                })
                .collect(),
            microseconds: self.microseconds.saturating_sub(earlier.microseconds),
            max: self.max,
        }
    }
}

/// Returns the bucket of a duration. 0 to 7 have a bucket each; each doubling above has eight.
fn bucket_of(microseconds: u64) -> usize {
    let parts = u64::from(PARTS);
    let place = if microseconds < parts {
        microseconds
    } else {
        let doubling = microseconds.ilog2() - PARTS.ilog2();
        let part = (microseconds >> doubling) - parts;
        u64::from(doubling + 1) * parts + part
    };
    usize::try_from(place).map_or(BUCKETS - 1, |place| place.min(BUCKETS - 1))
}

/// Returns the largest number of microseconds in a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let parts = u64::from(PARTS);
    let bucket = bucket as u64;
    if bucket < parts {
        return bucket;
    }
    let doubling = bucket / parts - 1;
    ((bucket % parts + parts + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_in_the_bucket_whose_bounds_hold_it() {
        for microseconds in (0..5000).chain([65_535, 65_536, 999_999, 3_600_000_000]) {
            let bucket = bucket_of(microseconds);
            assert!(microseconds <= upper_bound(bucket), "{microseconds}");
            assert!(
                bucket == 0 || microseconds > upper_bound(bucket - 1),
                "{microseconds}"
            );
            assert!(
                upper_bound(bucket) <= microseconds + microseconds / 8,
                "{microseconds}"
            );
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_and_windows() {
        let histogram = Histogram::new();
        assert_eq!(histogram.snapshot().percentile(95), Duration::ZERO);
        for milliseconds in 1..=100 {
            histogram.record(Duration::from_millis(milliseconds));
        }
        let all = histogram.snapshot();
        assert_eq!((all.count(), all.max()), (100, Duration::from_millis(100)));
        assert_eq!(all.mean(), Duration::from_micros(50_500));
        let p95 = all.percentile(95).as_millis();
        assert!((95..=107).contains(&p95), "{p95}");
        assert_eq!(all.cumulative().last().unwrap().1, 100);
        histogram.record(Duration::from_secs(1));
        let window = histogram.snapshot().since(&all);
        assert_eq!((window.count(), window.sum()), (1, Duration::from_secs(1)));
    }
}
