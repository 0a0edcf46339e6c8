//! Throughput and latency over time, from the reports of the load's processes.

use super::fleet::Way;
use super::worker::Status;

/// The length of an interval, in microseconds.
pub(crate) const INTERVAL: u64 = 250_000;

/// The figures of one way to the server in an interval.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Interval {
    /// Acknowledged requests.
    pub(crate) acknowledged: u64,
    /// The longest call that ended in it, in microseconds.
    pub(crate) longest: u64,
}

/// The intervals of one way to the server, from the first report on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    /// The time of the first interval, on the machine's clock.
    pub(crate) begins: u64,
    pub(crate) intervals: Vec<Interval>,
}

impl Timeline {
    /// Adds up the reports of the processes that went one way.
    pub(crate) fn of(way: Way, processes: &[(Way, Vec<Status>)]) -> Self {
        let begins = processes
            .iter()
            .filter_map(|(_, reports)| reports.first())
            .map(|report| report.at)
            .min()
            .unwrap_or_default();
        let mut timeline = Self {
            begins,
            intervals: Vec::new(),
        };
        for (_, reports) in processes.iter().filter(|(other, _)| *other == way) {
            let mut before = 0;
            for report in reports {
                let interval = timeline.at(report.at);
                interval.acknowledged += report.done.saturating_sub(before);
                interval.longest = interval.longest.max(report.longest);
                before = report.done;
            }
        }
        timeline
    }

    fn at(&mut self, time: u64) -> &mut Interval {
        let index =
            usize::try_from(time.saturating_sub(self.begins) / INTERVAL).unwrap_or_default();
        if self.intervals.len() <= index {
            self.intervals.resize(index + 1, Interval::default());
        }
        &mut self.intervals[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cumulative_counts_become_those_of_intervals() {
        let report = |at, done, longest| Status {
            at,
            done,
            longest,
            ..Status::default()
        };
        let reports = vec![
            report(100, 2, 7),
            report(200_000, 5, 3),
            report(600_000, 6, 9),
        ];
        let timeline = Timeline::of(
            Way::Direct,
            &[(Way::Direct, reports.clone()), (Way::Pooled, reports)],
        );
        let seen: Vec<_> = timeline
            .intervals
            .iter()
            .map(|one| (one.acknowledged, one.longest))
            .collect();
        assert_eq!(seen, [(5, 7), (0, 0), (1, 9)]);
    }
}
