//! Trials of another size, and what they showed.

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
    /// The best throughput at any size lately.
    pub(super) best: f64,
    /// How many were counted for it.
    pub(super) completed: u64,
    /// Callers that waited, averaged.
    pub(super) waiting: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrialDirection {
    Up,
    Down,
}

/// A size to go on with, and what it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Baseline {
    pub(super) size: usize,
    pub(super) throughput: f64,
    /// Callers that waited, averaged.
    pub(super) waiting: f64,
}

/// The distance to a size that brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Remembered: the knee lies in between.
    Halve(usize),
    /// No longer remembered.
    Whole(usize),
}

/// A size that was seen not to be right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) size: usize,
    /// What one connection did per second at the size that was right, to see when the load has become another one.
    pub(super) rate: f64,
    /// Callers that waited when it was found, averaged.
    pub(super) waiting: f64,
    /// Windows for which it counts still.
    pub(super) left: u32,
    /// Windows for which it counted when it was found.
    retention: u32,
}

const RETENTION_DOUBLINGS: u32 = 3;

impl Finding {
    pub(super) fn new(size: usize, right: Baseline, before: Option<Self>, limits: &Limits) -> Self {
        let longest = limits.retention.saturating_mul(1 << RETENTION_DOUBLINGS);
        let retention = match before {
            // It was forgotten, tried again, and still brings nothing.
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
