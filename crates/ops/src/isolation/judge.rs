//! The judgement of an observed history.

use super::anomaly::{Anomaly, Outcome};
use super::report::{StepRecord, StepResult};
use super::schedule::SessionName;

/// Rows of the scratch table: identifier and value.
pub(super) type Rows = Vec<(i32, i32)>;

/// All observations of one anomaly at one level.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pub(super) steps: Vec<StepRecord>,
    /// The table after the last transaction has ended.
    pub(super) end: Rows,
}

/// Returns the result of the anomaly.
pub(super) fn judge(anomaly: Anomaly, history: &History) -> Outcome {
    match history.rejection() {
        // The rejected transaction had no effect, so the others cannot have the anomaly with it.
        Some(sqlstate) => Outcome::PreventedWith {
            sqlstate: sqlstate.to_owned(),
        },
        None if occurred(anomaly, history) => Outcome::Occurred,
        None => Outcome::Prevented,
    }
}

/// Returns `true` if the anomaly occurred, given that no transaction was rejected.
fn occurred(anomaly: Anomaly, history: &History) -> bool {
    use SessionName::{T1, T2, T3};
    let first = [(1, 10), (2, 20)];
    match anomaly {
        Anomaly::DirtyWrite => {
            history.end == [(1, 11), (2, 22)] || history.end == [(1, 12), (2, 21)]
        }
        Anomaly::AbortedRead | Anomaly::IntermediateRead => history.has_read(T2, (1, 101)),
        Anomaly::CircularInformationFlow => {
            history.has_read(T1, (2, 22)) && history.has_read(T2, (1, 11))
        }
        Anomaly::ObservedTransactionVanishes => {
            let seen: Vec<i32> = history.values_read(T3).map(writer_of).collect();
            !seen.is_sorted()
        }
        Anomaly::PredicateManyPreceders => {
            history.reads(T1).next().is_some_and(Vec::is_empty) && history.has_read(T1, (3, 30))
        }
        Anomaly::LostUpdate => history.end.first() != Some(&(1, 10 + 1 + 5)),
        Anomaly::ReadSkew => history.has_read(T1, (1, 10)) && history.has_read(T1, (2, 18)),
        Anomaly::WriteSkew => {
            [T1, T2].map(|session| history.has_read_only(session, &first)) == [true, true]
                && history.end == [(1, 11), (2, 21)]
        }
        Anomaly::AntiDependencyCycle => {
            [T1, T2].map(|session| history.has_read_only(session, &[])) == [true, true]
                && history.end.ends_with(&[(3, 30), (4, 42)])
        }
    }
}

/// Returns the transaction of the vanishing ones that wrote a value: 0 for the initial values.
const fn writer_of(value: i32) -> i32 {
    match value {
        11 | 19 => 1,
        12 | 18 => 2,
        _ => 0,
    }
}

impl History {
    /// Returns the first rejection of any session.
    pub(super) fn rejection(&self) -> Option<&str> {
        self.steps.iter().find_map(|step| match &step.result {
            StepResult::Rejected { sqlstate } => Some(sqlstate.as_str()),
            _ => None,
        })
    }

    fn reads(&self, session: SessionName) -> impl Iterator<Item = &Rows> {
        self.steps
            .iter()
            .filter_map(move |step| match &step.result {
                StepResult::Rows { rows } if step.session == session => Some(rows),
                _ => None,
            })
    }

    fn values_read(&self, session: SessionName) -> impl Iterator<Item = i32> {
        self.reads(session).flatten().map(|row| row.1)
    }

    fn has_read(&self, session: SessionName, row: (i32, i32)) -> bool {
        self.reads(session).any(|rows| rows.contains(&row))
    }

    fn has_read_only(&self, session: SessionName, wanted: &[(i32, i32)]) -> bool {
        self.reads(session).all(|rows| rows == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(reads: &[(SessionName, &[(i32, i32)])], end: &[(i32, i32)]) -> History {
        let steps = reads
            .iter()
            .map(|(session, rows)| StepRecord {
                session: *session,
                statement: String::new(),
                result: StepResult::Rows {
                    rows: rows.to_vec(),
                },
            })
            .collect();
        History {
            steps,
            end: end.to_vec(),
        }
    }

    #[test]
    fn rejection_prevents_the_anomaly() {
        let mut seen = history(&[], &[(1, 11), (2, 22)]);
        assert_eq!(judge(Anomaly::DirtyWrite, &seen), Outcome::Occurred);
        seen.steps.push(StepRecord {
            session: SessionName::T2,
            statement: String::new(),
            result: StepResult::Rejected {
                sqlstate: "40001".to_owned(),
            },
        });
        let rejected = Outcome::PreventedWith {
            sqlstate: "40001".to_owned(),
        };
        assert_eq!(judge(Anomaly::DirtyWrite, &seen), rejected);
    }

    /// PostgreSQL never shows these anomalies, so only constructed histories can test them.
    #[test]
    fn anomalies_that_no_level_shows_are_detected() {
        use SessionName::{T1, T2, T3};
        let dirty: &[(i32, i32)] = &[(1, 101), (2, 20)];
        for anomaly in [Anomaly::AbortedRead, Anomaly::IntermediateRead] {
            assert_eq!(
                judge(anomaly, &history(&[(T2, dirty)], &[])),
                Outcome::Occurred
            );
        }
        let circle = history(&[(T1, &[(2, 22)]), (T2, &[(1, 11)])], &[]);
        assert_eq!(
            judge(Anomaly::CircularInformationFlow, &circle),
            Outcome::Occurred
        );
        let half = history(&[(T1, &[(2, 22)]), (T2, &[(1, 10)])], &[]);
        assert_eq!(
            judge(Anomaly::CircularInformationFlow, &half),
            Outcome::Prevented
        );
        let vanished = history(&[(T3, &[(1, 12)]), (T3, &[(2, 19)])], &[]);
        assert_eq!(
            judge(Anomaly::ObservedTransactionVanishes, &vanished),
            Outcome::Occurred
        );
        let in_order = history(&[(T3, &[(2, 19)]), (T3, &[(1, 12)])], &[]);
        assert_eq!(
            judge(Anomaly::ObservedTransactionVanishes, &in_order),
            Outcome::Prevented
        );
    }
}
