//! Latency histograms that many tasks share.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::report::Latency;

/// The number of histograms. One for each of thousands of tasks would be most of the client's
/// memory.
const SHARDS: usize = 8;
/// The upper bound of the histograms; longer latencies are counted at this value.
const LONGEST: Duration = Duration::from_secs(120);

pub(crate) struct Latencies {
    shards: Vec<Mutex<Histogram<u64>>>,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(empty())).collect(),
        }
    }

    pub(crate) fn record(&self, task: usize, took: Duration) {
        if let Some(shard) = self.shards.get(task % SHARDS) {
            let microseconds = u64::try_from(took.min(LONGEST).as_micros()).unwrap_or(u64::MAX);
            shard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .saturating_record(microseconds);
        }
    }

    pub(crate) fn summary(&self) -> Latency {
        self.sum(|_| ())
    }

    /// Returns the latencies so far, and resets the histograms.
    pub(crate) fn take(&self) -> Latency {
        self.sum(Histogram::reset)
    }

    fn sum(&self, after: fn(&mut Histogram<u64>)) -> Latency {
        let mut all = empty();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            // Cannot fail: both have the same bounds.
            let _ = all.add(&*shard);
            after(&mut shard);
        }
        Latency {
            count: all.len(),
            p50: all.value_at_quantile(0.50),
            p95: all.value_at_quantile(0.95),
            p99: all.value_at_quantile(0.99),
            max: all.max(),
        }
    }
}

fn empty() -> Histogram<u64> {
    let longest = u64::try_from(LONGEST.as_micros()).unwrap_or(u64::MAX);
    #[expect(clippy::expect_used, reason = "the bounds are constants that it takes")]
    Histogram::new_with_bounds(1, longest, 3).expect("from a microsecond to two minutes")
}
