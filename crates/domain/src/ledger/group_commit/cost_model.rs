//! How long groups take, and from which size on it pays to have a second one on the way behind the first.

use std::time::Duration;

/// Fewer requests are not worth a transaction of their own where they could share one.
const FEWEST: usize = 24;

/// What was seen of the groups' statements.
///
/// A group that follows another is decided on and writes its rows while that one is under way, but pays for a commit of its
/// own, which it would not where both were one group. That pays where writing half of the requests takes longer than a commit.
#[derive(Debug, Default)]
pub(super) struct CostModel {
    /// Of each request, in groups that do not wait for others; zero until one was seen.
    writing: Duration,
    /// Of each group, what its answer takes beyond writing: the commit, and the way there and back.
    rest: Duration,
}

impl CostModel {
    pub(super) fn note(&mut self, size: usize, follows: bool, writing: Duration, rest: Duration) {
        self.rest = smoothed(self.rest, rest);
        // What starting a statement costs would make the requests of small ones look expensive.
        if size >= FEWEST && !follows {
            let requests = u32::try_from(size).unwrap_or(u32::MAX);
            let each = writing.checked_div(requests).unwrap_or_default();
            self.writing = smoothed(self.writing, each);
        }
    }

    /// How many requests are worth a group of their own.
    pub(super) fn least(&self) -> usize {
        let commit_in_requests = self.rest.as_nanos().checked_div(self.writing.as_nanos());
        commit_in_requests
            .and_then(|requests| usize::try_from(requests).ok())
            .map_or(usize::MAX, |requests| requests.max(FEWEST))
    }
}

/// The mean of what was seen, with the newest as a quarter.
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
    fn nothing_is_worth_it_before_a_group_was_seen() {
        let mut cost_model = CostModel::default();
        assert_eq!(cost_model.least(), usize::MAX);
        cost_model.note(FEWEST - 1, false, MICROSECOND * 900, MICROSECOND);
        cost_model.note(500, true, MICROSECOND * 900, MICROSECOND);
        assert_eq!(
            cost_model.least(),
            usize::MAX,
            "small ones and followers do not count"
        );
    }

    #[test]
    fn a_slow_commit_asks_for_larger_groups() {
        let mut cost_model = CostModel::default();
        cost_model.note(100, false, MICROSECOND * 3_000, MICROSECOND * 200);
        assert_eq!(cost_model.least(), FEWEST);
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
