//! Trials of another size, and their findings.

#![expect(
    clippy::float_arithmetic,
    reason = "averages and rates; no money is near"
)]

use super::observation::Limits;

/// A change whose effect is being measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trial {
    pub(super) direction: TrialDirection,
    pub(super) from: usize,
    /// The throughput at `from`.
    pub(super) throughput: f64,
    /// The best recent throughput at any size.
    pub(super) best: f64,
    /// The number of checkouts in that measurement.
    pub(super) completed: u64,
    /// The mean number of waiting callers.
    pub(super) waiting: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrialDirection {
    Up,
    Down,
}

/// A size to continue with, and its measurement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Baseline {
    pub(super) size: usize,
    pub(super) throughput: f64,
    /// The mean number of waiting callers.
    pub(super) waiting: f64,
}

/// The distance to a size that brought no gain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// The finding is valid: the knee lies in between.
    Halve(usize),
    /// The finding has expired.
    Whole(usize),
}

/// A size that was shown to be too large or too small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) size: usize,
    /// The throughput of one connection at the right size; a change of it shows another load.
    pub(super) rate: f64,
    /// The mean number of waiting callers at the time of the finding.
    pub(super) waiting: f64,
    /// The number of windows for which the finding remains valid.
    pub(super) left: u32,
    /// The number of windows for which the finding was valid at first.
    retention: u32,
}

const RETENTION_DOUBLINGS: u32 = 3;

impl Finding {
    pub(super) fn new(size: usize, right: Baseline, before: Option<Self>, limits: &Limits) -> Self {
        let longest = limits.retention.saturating_mul(1 << RETENTION_DOUBLINGS);
        let retention = match before {
            // The finding expired, the size was tried again, and it still brought no gain.
            Some(before) if before.left == 0 => before.retention.saturating_mul(2).min(longest),
            Some(before) => before.retention,
            None => limits.retention,
        };
        Self {
            size,
            rate: right.throughput / right.size.max(1) as f64,
            waiting: right.waiting,
            left: retention,
            retention,
        }
    }
}
