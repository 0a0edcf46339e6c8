//! The merge of several rounds into one report: each figure is the median of the rounds, and each
//! comparison the median of its value within a round. A shared machine is slow in some minutes, and
//! two lines of one round are at most minutes apart.

use crate::median::median;
use crate::report::{Comparison, Latency, Line, compare};

/// Merges the lines of the rounds by their place, which is the same in each round.
pub(crate) fn lines(rounds: &[Vec<Line>]) -> Vec<Line> {
    let places = rounds.first().map_or(0, Vec::len);
    (0..places)
        .filter_map(|place| {
            let lines: Vec<&Line> = rounds.iter().filter_map(|round| round.get(place)).collect();
            Some(line(lines.first()?, &lines))
        })
        .collect()
}

/// Returns the median of each round's own ratios.
pub(crate) fn comparisons(rounds: &[Vec<Line>]) -> Vec<Comparison> {
    let rounds: Vec<Vec<Comparison>> = rounds.iter().map(|lines| compare(lines)).collect();
    let Some(first) = rounds.first() else {
        return Vec::new();
    };
    first
        .iter()
        .map(|comparison| {
            let same = |other: &&Comparison| other.name == comparison.name;
            Comparison {
                name: comparison.name.clone(),
                ratio: median(rounds.iter().flatten().filter(same).map(|one| one.ratio)),
            }
        })
        .collect()
}

fn line(first: &Line, lines: &[&Line]) -> Line {
    let figure = |pick: fn(&Line) -> f64| median(lines.iter().map(|line| pick(line)));
    let maybe = |pick: fn(&Line) -> Option<f64>| {
        let values: Vec<f64> = lines.iter().filter_map(|line| pick(line)).collect();
        (!values.is_empty()).then(|| median(values))
    };
    let latency = |pick: fn(&Line) -> Option<Latency>| {
        let values: Vec<Latency> = lines.iter().filter_map(|line| pick(line)).collect();
        (!values.is_empty()).then(|| latencies(&values))
    };
    Line {
        way: first.way,
        choice: first.choice,
        callers: first.callers,
        throughput: figure(|line| line.throughput),
        latency: latency(|line| line.latency),
        balances: latency(|line| line.balances),
        pages: latency(|line| line.pages),
        group_size: maybe(|line| line.group_size),
        optimistic: maybe(|line| line.optimistic),
        wal_bytes: figure(|line| line.wal_bytes),
        round_trips: maybe(|line| line.round_trips),
        client_cpu: maybe(|line| line.client_cpu),
        server_cpu: maybe(|line| line.server_cpu),
        peak_memory: lines.iter().filter_map(|line| line.peak_memory).max(),
        memory: maybe(|line| line.memory.map(|bytes| bytes as f64)).map(whole),
    }
}

fn latencies(all: &[Latency]) -> Latency {
    let figure = |pick: fn(&Latency) -> u64| whole(median(all.iter().map(|one| pick(one) as f64)));
    Latency {
        count: all.iter().map(|one| one.count).sum(),
        p50: figure(|one| one.p50),
        p95: figure(|one| one.p95),
        p99: figure(|one| one.p99),
        max: all.iter().map(|one| one.max).max().unwrap_or(0),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a median of whole numbers"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::choice::Choice;
    use crate::measured::Used;
    use crate::way::Way;

    fn round(classic: u64, group_commit: u64, wait: u64) -> Vec<Line> {
        let used = Used {
            elapsed: Duration::from_secs(1),
            wal_bytes: 100,
            client_cpu: Some(0.5),
            server_cpu: None,
        };
        let latency = Latency {
            count: 10,
            p50: wait,
            p95: wait,
            p99: wait,
            max: wait,
        };
        [(Way::Classic, classic), (Way::GroupCommit, group_commit)]
            .map(|(way, done)| Line::new(way, Choice::Hot, 16, done, &used).with_latency(latency))
            .to_vec()
    }

    /// The ratio of the medians would be 3; within the rounds it was 2, 5 and 4.
    #[test]
    fn comparison_is_median_of_the_ratios_within_each_round() {
        let rounds = [round(100, 200, 7), round(60, 300, 9), round(200, 800, 80)];
        let compared = comparisons(&rounds);
        assert_eq!(compared[0].name, "hot, 16 callers: group-commit to classic");
        assert_eq!(compared[0].ratio, 4.0);
        let lines = lines(&rounds);
        assert_eq!((lines[0].throughput, lines[1].throughput), (100.0, 300.0));
        assert_eq!(
            (lines[0].client_cpu, lines[0].server_cpu),
            (Some(0.5), None)
        );
        let latency = lines[0].latency.unwrap();
        assert_eq!((latency.count, latency.p99, latency.max), (30, 9, 80));
    }
}
