//! The counts of a round, from its checked history.

use std::collections::BTreeMap;

use crate::checker::{Invariant, Report};
use crate::history::{Answer, Event, Outcome};

/// The requests of a round that were acknowledged, and those whose books are wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judgement {
    /// Requests that were acknowledged.
    pub(crate) acknowledged: usize,
    /// Acknowledged requests that the books lack.
    pub(crate) lost: usize,
    /// Requests that the books have more than once.
    pub(crate) twice: usize,
    /// Records in the books that no request made, or that a rejected request made.
    pub(crate) phantom: usize,
}

impl Judgement {
    pub(crate) fn of(report: &Report) -> Self {
        let count = |invariants: &[Invariant]| {
            let violations = report.violations.iter();
            violations
                .filter(|violation| invariants.contains(&violation.invariant))
                .count()
        };
        Self {
            acknowledged: report.checked.acknowledged,
            lost: count(&[Invariant::AcknowledgedPresent]),
            twice: count(&[Invariant::ExactlyOnce]),
            phantom: count(&[Invariant::NoPhantom, Invariant::RejectedAbsent]),
        }
    }
}

/// Returns the kinds of the calls' errors with their numbers, the most frequent first.
pub(crate) fn errors(events: &[Event]) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = |outcome: &Outcome| {
        if let Outcome::NotExecuted { error } | Outcome::Unknown { error } = outcome {
            let mut text = error.clone();
            text.truncate(
                text.char_indices()
                    .nth(90)
                    .map_or(text.len(), |(index, _)| index),
            );
            *counts.entry(text).or_default() += 1;
        }
    };
    for event in events {
        match event {
            Event::Answered {
                answer: Answer::Outcome { outcome },
                ..
            } => count(outcome),
            Event::Answered {
                answer: Answer::Outcomes { outcomes },
                ..
            } => {
                outcomes.iter().for_each(&mut count);
            }
            Event::Answered {
                answer: Answer::ReadFailed { error },
                ..
            } => {
                count(&Outcome::NotExecuted {
                    error: format!("read: {error}"),
                });
            }
            _ => {}
        }
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::check;
    use crate::simulation::{Defect, Settings, simulate};

    #[test]
    fn lost_and_doubled_requests_are_counted() {
        let counted = |settings: &Settings| {
            let (history, books) = simulate(settings);
            Judgement::of(&check(&history, &books))
        };
        let right = counted(&Settings::new(1));
        assert!(right.acknowledged > 0);
        assert_eq!((right.lost, right.twice, right.phantom), (0, 0, 0));
        assert!(counted(&Settings::new(1).with_defect(Defect::ForgedAnswer)).lost > 0);
        assert!(counted(&Settings::new(1).with_defect(Defect::DoubleApply)).twice > 0);
    }
}
