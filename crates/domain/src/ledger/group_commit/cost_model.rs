//! The cost model of pipelining: the size from which a successor is worth a commit of its own.

use std::time::Duration;

/// The least size of a successor. Fewer requests are cheaper in the next batch.
const SIZE_MIN: usize = 24;

/// The measured times of the batches' statements.
///
/// A successor is decided on and writes its rows while its predecessor is in flight, but it needs a
/// commit of its own, which one larger batch would not. Pipelining pays where writing half of the
/// requests takes longer than a commit.
#[derive(Debug, Default)]
pub(super) struct CostModel {
    /// The mean time to write a request, in batches without a predecessor; zero before the first.
    writing: Duration,
    /// The mean rest of a batch's time: the commit and the network.
    rest: Duration,
}

impl CostModel {
    pub(super) fn note(
        &mut self,
        size: usize,
        is_successor: bool,
        writing: Duration,
        rest: Duration,
    ) {
        self.rest = smoothed(self.rest, rest);
        // In a small batch, the start of the statement would make each request look expensive.
        if size >= SIZE_MIN && !is_successor {
            let requests = u32::try_from(size).unwrap_or(u32::MAX);
            let each = writing.checked_div(requests).unwrap_or_default();
            self.writing = smoothed(self.writing, each);
        }
    }

    /// Returns the least size of a successor that is worth its commit.
    pub(super) fn least(&self) -> usize {
        let commit_in_requests = self.rest.as_nanos().checked_div(self.writing.as_nanos());
        commit_in_requests
            .and_then(|requests| usize::try_from(requests).ok())
            .map_or(usize::MAX, |requests| requests.max(SIZE_MIN))
    }
}

/// Returns the moving mean, in which the newest value counts a quarter.
fn smoothed(mean: Duration, newest: Duration) -> Duration {
    if mean.is_zero() {
        return newest;
    }
    let sum = mean.saturating_mul(3).saturating_add(newest);
    sum.checked_div(4).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROSECOND: Duration = Duration::from_micros(1);

    #[test]
    fn no_size_is_enough_before_the_first_measurement() {
        let mut cost_model = CostModel::default();
        assert_eq!(cost_model.least(), usize::MAX);
        cost_model.note(SIZE_MIN - 1, false, MICROSECOND * 900, MICROSECOND);
        cost_model.note(500, true, MICROSECOND * 900, MICROSECOND);
        assert_eq!(
            cost_model.least(),
            usize::MAX,
            "small batches and successors do not count"
        );
    }

    #[test]
    fn slow_commit_requires_a_larger_successor() {
        let mut cost_model = CostModel::default();
        cost_model.note(100, false, MICROSECOND * 3_000, MICROSECOND * 200);
        assert_eq!(cost_model.least(), SIZE_MIN);
        for _ in 0..20 {
            cost_model.note(100, true, MICROSECOND * 9_000, MICROSECOND * 9_000);
        }
        let least = cost_model.least();
        assert!(
            (280..=300).contains(&least),
            "{least}: 9 ms are 300 requests of 30 µs"
        );
    }
}
