//! What was gathered.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Sizes of groups are counted by powers of two: 1, 2 to 3, 4 to 7, and so on.
const SIZES: usize = 17;

#[derive(Default)]
pub(super) struct Counts {
    groups: AtomicU64,
    requests: AtomicU64,
    largest: AtomicUsize,
    sizes: [AtomicU64; SIZES],
    pipelined: AtomicU64,
    splits: AtomicU64,
    apart: AtomicU64,
    left: AtomicU64,
    withdrawn: AtomicU64,
    /// Whether something was withdrawn that may still be in the queue.
    in_queue: AtomicBool,
    overloaded: AtomicU64,
}

/// Counts of group commit since a ledger was built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupCommitMetrics {
    /// Groups that were taken from the queue.
    pub groups: u64,
    /// Requests in them.
    pub requests: u64,
    /// The most requests in one of them.
    pub largest: usize,
    /// How many groups had from `.0` to twice as many requests, for each power of two that occurred.
    pub sizes: Vec<(u64, u64)>,
    /// Groups that were decided on what another one was to leave whose statement was still on its way.
    pub pipelined: u64,
    /// How often a group was taken apart because a request made it fail.
    pub splits: u64,
    /// Requests that were set apart, because what they needed was held from outside; each time counts.
    pub apart: u64,
    /// Groups that were left to themselves, because they did not end.
    pub left: u64,
    /// Requests that their callers took back before they were decided on.
    pub withdrawn: u64,
    /// Requests that were not let in, because too many waited.
    pub overloaded: u64,
    /// Requests that wait now for a group to take them.
    pub waiting: usize,
    /// Requests that wait now apart from the others.
    pub waiting_apart: usize,
    /// Workers that are under way now.
    pub workers: usize,
}

impl GroupCommitMetrics {
    /// Requests in a group, on average; 0 before the first.
    #[must_use]
    #[expect(
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        reason = "a figure for people, not money"
    )]
    pub fn mean_size(&self) -> f64 {
        if self.groups == 0 {
            return 0.0;
        }
        self.requests as f64 / self.groups as f64
    }
}

impl Counts {
    pub(super) fn group(&self, size: usize) {
        add(&self.groups, 1);
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

    pub(super) fn apart(&self, requests: usize) {
        add(&self.apart, u64::try_from(requests).unwrap_or(u64::MAX));
    }

    pub(super) fn left(&self) {
        add(&self.left, 1);
    }

    pub(super) fn withdrawn(&self) {
        add(&self.withdrawn, 1);
        self.in_queue.store(true, Ordering::Release);
    }

    /// Whether something was withdrawn since this was last asked.
    pub(super) fn forget_withdrawn(&self) -> bool {
        self.in_queue.swap(false, Ordering::AcqRel)
    }

    pub(super) fn overloaded(&self) {
        add(&self.overloaded, 1);
    }

    pub(super) fn metrics(
        &self,
        waiting: usize,
        waiting_apart: usize,
        workers: usize,
    ) -> GroupCommitMetrics {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        GroupCommitMetrics {
            groups: read(&self.groups),
            requests: read(&self.requests),
            largest: self.largest.load(Ordering::Relaxed),
            sizes: (0_u32..)
                .zip(&self.sizes)
                .map(|(power, count)| (1_u64 << power, read(count)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            pipelined: read(&self.pipelined),
            splits: read(&self.splits),
            apart: read(&self.apart),
            left: read(&self.left),
            withdrawn: read(&self.withdrawn),
            overloaded: read(&self.overloaded),
            waiting,
            waiting_apart,
            workers,
        }
    }
}

fn add(count: &AtomicU64, number: u64) {
    count.fetch_add(number, Ordering::Relaxed);
}
