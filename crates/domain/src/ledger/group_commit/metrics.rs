//! The counts of group commit.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// The number of size classes: powers of two from 1, 2 to 3, 4 to 7 and so on.
const SIZES: usize = 17;

#[derive(Default)]
pub(super) struct Counts {
    batches: AtomicU64,
    requests: AtomicU64,
    largest: AtomicUsize,
    sizes: [AtomicU64; SIZES],
    pipelined: AtomicU64,
    splits: AtomicU64,
    set_aside: AtomicU64,
    detached: AtomicU64,
    withdrawn: AtomicU64,
    /// True when a withdrawn request may still be in the queue.
    in_queue: AtomicBool,
    overloaded: AtomicU64,
}

/// Counts of group commit since a ledger was built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupCommitMetrics {
    /// Batches that workers took from the queue.
    pub batches: u64,
    /// Requests in these batches.
    pub requests: u64,
    /// The most requests in one batch.
    pub largest: usize,
    /// The number `.1` of batches with at least `.0` and fewer than twice as many requests, for
    /// each power of two `.0` that occurred.
    pub sizes: Vec<(u64, u64)>,
    /// Batches that were pipelined: decided on the speculative state of a batch in flight.
    pub pipelined: u64,
    /// Searches in a batch for the request that made it fail.
    pub splits: u64,
    /// Requests that were set aside, because another session held a resource; each time counts.
    pub set_aside: u64,
    /// Batches that were detached from their worker, because they did not end.
    pub detached: u64,
    /// Requests that their callers withdrew before the decision.
    pub withdrawn: u64,
    /// Requests that the full queue rejected.
    pub overloaded: u64,
    /// Requests in the queue now.
    pub waiting: usize,
    /// Requests that are set aside now.
    pub waiting_aside: usize,
    /// Workers that are running now.
    pub workers: usize,
}

impl GroupCommitMetrics {
    /// Returns the mean number of requests in a batch; 0 before the first batch.
    #[must_use]
    #[expect(
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        reason = "a figure for people, not money"
    )]
    pub fn mean_size(&self) -> f64 {
        if self.batches == 0 {
            return 0.0;
        }
        self.requests as f64 / self.batches as f64
    }
}

impl Counts {
    pub(super) fn batch(&self, size: usize) {
        add(&self.batches, 1);
        add(&self.requests, u64::try_from(size).unwrap_or(u64::MAX));
        self.largest.fetch_max(size, Ordering::Relaxed);
        let power = size.checked_ilog2().unwrap_or(0);
        let power = usize::try_from(power).map_or(SIZES - 1, |power| power.min(SIZES - 1));
        if let Some(count) = self.sizes.get(power) {
            add(count, 1);
        }
    }

    pub(super) fn pipelined(&self) {
        add(&self.pipelined, 1);
    }

    pub(super) fn split(&self) {
        add(&self.splits, 1);
    }

    pub(super) fn set_aside(&self, requests: usize) {
        add(&self.set_aside, u64::try_from(requests).unwrap_or(u64::MAX));
    }

    pub(super) fn detached(&self) {
        add(&self.detached, 1);
    }

    pub(super) fn withdrawn(&self) {
        add(&self.withdrawn, 1);
        self.in_queue.store(true, Ordering::Release);
    }

    /// Returns true if a request was withdrawn since the last call.
    pub(super) fn forget_withdrawn(&self) -> bool {
        self.in_queue.swap(false, Ordering::AcqRel)
    }

    pub(super) fn overloaded(&self) {
        add(&self.overloaded, 1);
    }

    pub(super) fn metrics(
        &self,
        waiting: usize,
        waiting_aside: usize,
        workers: usize,
    ) -> GroupCommitMetrics {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        GroupCommitMetrics {
            batches: read(&self.batches),
            requests: read(&self.requests),
            largest: self.largest.load(Ordering::Relaxed),
            sizes: (0_u32..)
                .zip(&self.sizes)
                .map(|(power, count)| (1_u64 << power, read(count)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            pipelined: read(&self.pipelined),
            splits: read(&self.splits),
            set_aside: read(&self.set_aside),
            detached: read(&self.detached),
            withdrawn: read(&self.withdrawn),
            overloaded: read(&self.overloaded),
            waiting,
            waiting_aside,
            workers,
        }
    }
}

fn add(count: &AtomicU64, number: u64) {
    count.fetch_add(number, Ordering::Relaxed);
}
