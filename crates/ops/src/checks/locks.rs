//! The check of waits for locks.

use std::time::Duration;

use serde::Serialize;

use super::text::{count, counted, seconds};
use super::verdict::{Judgement, SectionVerdict};
use super::{Metric, Subject, Threshold, Unit};
use crate::blocking::BlockingReport;
use crate::checks::thresholds::Thresholds;
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

pub(super) const SECTIONS: &[&str] = &[];

pub(super) static METRICS: &[&Metric] = &[&LONGEST_WAIT, &WAITING, &ROOTS, &DEADLOCKS];

static LONGEST_WAIT: Metric = Metric::new(
    "longest_wait",
    Unit::Seconds,
    "locks_longest_wait_seconds",
    "The longest time that a session has waited for a lock.",
);
static WAITING: Metric = Metric::new(
    "waiting",
    Unit::Count,
    "locks_waiting",
    "Sessions that wait for a lock.",
);
static ROOTS: Metric = Metric::new(
    "roots",
    Unit::Count,
    "locks_roots",
    "Sessions that block others and wait for none.",
);
static DEADLOCKS: Metric = Metric::new(
    "deadlocks",
    Unit::Count,
    "locks_deadlocks",
    "Deadlocks that exist at present and were not ended yet.",
);

/// The sessions that wait for locks, and their blockers.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct LockFindings {
    /// The graph of waits.
    pub report: Section<BlockingReport>,
}

impl LockFindings {
    pub(super) async fn read(monitor: &Monitor) -> Result<Self, OpsError> {
        Ok(Self {
            report: monitor.blocking().await?,
        })
    }

    pub(super) fn sections(&self, thresholds: &Thresholds) -> Vec<SectionVerdict> {
        vec![SectionVerdict::only(
            Subject::Locks,
            &self.report,
            |report| judge(report, thresholds),
        )]
    }
}

impl BlockingReport {
    /// Returns the longest wait of a session, in seconds; zero where none waits.
    #[must_use]
    pub fn longest_wait_seconds(&self) -> f64 {
        self.participants
            .iter()
            .filter_map(|one| one.wait.as_ref()?.seconds)
            .fold(0.0, f64::max)
    }

    /// Returns the number of cycles that are certain deadlocks, not only an order of the queue.
    #[must_use]
    pub fn deadlocks(&self) -> usize {
        self.cycles.iter().filter(|cycle| cycle.is_certain).count()
    }

    /// Returns advice on the worst case: a deadlock, or the session that blocks the most others.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        let deadlock = self.cycles.iter().find(|cycle| cycle.is_certain);
        let root = || self.participant(&self.roots.first()?.who);
        deadlock
            .map(|cycle| cycle.remedy.clone())
            .or_else(|| root().map(|participant| participant.remedy.clone()))
    }
}

fn judge(report: &BlockingReport, thresholds: &Thresholds) -> Judgement {
    let milliseconds = |limit: u64| Threshold::from(Duration::from_millis(limit).as_secs_f64());
    Judgement {
        message: message(report),
        advice: report.advice(),
        measurements: vec![
            LONGEST_WAIT
                .of(report.longest_wait_seconds())
                .warning(milliseconds(thresholds.locks.wait_warning_milliseconds))
                .critical(milliseconds(thresholds.locks.wait_critical_milliseconds)),
            WAITING.of(count(report.lock_waiters_total)),
            ROOTS.of(count(report.roots.len())),
            DEADLOCKS
                .of(count(report.deadlocks()))
                .critical(Threshold::above(0.0)),
        ],
    }
}

fn message(report: &BlockingReport) -> String {
    let waiting = || counted(report.lock_waiters_total, "session waits", "sessions wait");
    let mut message = match report.roots.first() {
        _ if report.edges.is_empty() => "no session waits for a lock".to_owned(),
        Some(root) => format!(
            "{}, the longest for {}; {} keeps {} waiting",
            waiting(),
            seconds(report.longest_wait_seconds()),
            root.who,
            root.waiters_in_all
        ),
        None => waiting(),
    };
    let deadlocks = report.deadlocks();
    if deadlocks > 0 {
        message.push_str(&format!(
            "; {}",
            counted(deadlocks, "deadlock", "deadlocks")
        ));
    }
    message
}
