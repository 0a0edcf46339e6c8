//! The check of past and possible deadlocks.

use serde::Serialize;

use super::text::{count, counted};
use super::verdict::{Judgement, SectionVerdict};
use super::{Metric, Severity, Threshold, Unit};
use crate::checks::thresholds::Thresholds;
use crate::deadlocks::{DeadlockCountRow, DeadlockRisk, DeadlockRow, DeadlockTotalRow, RiskLevel};
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

pub(super) const SECTIONS: &[&str] = &["log", "counts", "risks"];

pub(super) static METRICS: &[&Metric] = &[&LOGGED, &COUNTED, &RISKS, &CERTAIN];

static LOGGED: Metric = Metric::new(
    "log_logged",
    Unit::Count,
    "deadlocks_logged",
    "Deadlocks in the log of the period that the section covers.",
);
static COUNTED: Metric = Metric::new(
    "counts_counted",
    Unit::Count,
    "deadlocks_counted",
    "Deadlocks that the server has ended since its statistics began.",
);
static RISKS: Metric = Metric::new(
    "risks_risks",
    Unit::Count,
    "deadlock_risks",
    "Pairs of sessions that may run into a deadlock.",
);
static CERTAIN: Metric = Metric::new(
    "risks_certain",
    Unit::Count,
    "deadlock_risks_certain",
    "Pairs of sessions that are in a deadlock.",
);

/// Past deadlocks, and present cycles and risks.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DeadlockFindings {
    /// The newest entries of the schema's log within `locks.deadlock_window_hours`.
    pub log: Section<Vec<DeadlockRow>>,
    /// The number of all logged deadlocks in that time.
    #[serde(skip)]
    pub log_total: Section<DeadlockTotalRow>,
    /// The server's own count for each database.
    pub counts: Section<Vec<DeadlockCountRow>>,
    /// Pairs of sessions in a deadlock, or at risk of one.
    pub risks: Section<Vec<DeadlockRisk>>,
}

impl DeadlockFindings {
    pub(super) async fn read(monitor: &Monitor, thresholds: &Thresholds) -> Result<Self, OpsError> {
        let hours = u32::try_from(thresholds.locks.deadlock_window_hours).unwrap_or(u32::MAX);
        Ok(Self {
            log: monitor.deadlocks(hours).await?,
            log_total: monitor.deadlock_total(hours).await?,
            counts: monitor.deadlock_counts().await?,
            risks: monitor.deadlock_risks().await?,
        })
    }

    pub(super) fn sections(&self, thresholds: &Thresholds) -> Vec<SectionVerdict> {
        let total = self.log_total.value().map_or(0, |total| total.logged);
        vec![
            SectionVerdict::of("log", "Logged by this library", &self.log, |_| {
                judge_log(total, thresholds)
            }),
            SectionVerdict::of("counts", "Counted by the server", &self.counts, |rows| {
                judge_counts(rows)
            }),
            SectionVerdict::of("risks", "Risks now", &self.risks, |rows| judge_risks(rows)),
        ]
    }
}

impl DeadlockRisk {
    /// Returns critical for an existing deadlock, else a warning.
    #[must_use]
    pub fn severity(&self) -> Severity {
        if self.level == RiskLevel::Certain {
            Severity::Critical
        } else {
            Severity::Warning
        }
    }
}

fn judge_log(total: i64, thresholds: &Thresholds) -> Judgement {
    let thresholds = &thresholds.locks;
    Judgement {
        message: format!(
            "{} in {} h",
            counted(total, "deadlock", "deadlocks"),
            thresholds.deadlock_window_hours
        ),
        advice: Some(
            "Look at the statements in the log: transactions that lock the same rows must lock them in one order."
                .to_owned(),
        ),
        measurements: vec![
            LOGGED
                .of(count(total))
                .warning(Threshold::from(count(thresholds.deadlocks_warning_count)))
                .critical(Threshold::from(count(thresholds.deadlocks_critical_count))),
        ],
    }
}

fn judge_counts(rows: &[DeadlockCountRow]) -> Judgement {
    let total = rows
        .iter()
        .map(|row| row.deadlocks)
        .fold(0, i64::saturating_add);
    Judgement {
        message: format!("{total} counted"),
        advice: None,
        measurements: vec![COUNTED.of(count(total))],
    }
}

fn judge_risks(rows: &[DeadlockRisk]) -> Judgement {
    let is_certain = |risk: &&DeadlockRisk| risk.level == RiskLevel::Certain;
    let certain = rows.iter().filter(is_certain).count();
    Judgement {
        message: format!(
            "{} now, {certain} of them certain",
            counted(rows.len(), "risk", "risks")
        ),
        advice: Some(
            "The server ends a deadlock after deadlock_timeout; where it stays, cancel one of its statements."
                .to_owned(),
        ),
        measurements: vec![
            RISKS.of(count(rows.len())),
            CERTAIN
                .of(count(certain))
                .critical(Threshold::above(0.0)),
        ],
    }
}
