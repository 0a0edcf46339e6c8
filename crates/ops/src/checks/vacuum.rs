//! The check of the xmin horizon and of transaction ID wraparound.

use serde::Serialize;

use super::text::{count, counted};
use super::verdict::{Judgement, SectionVerdict};
use super::{Metric, Severity, Threshold, Unit};
use crate::checks::thresholds::Thresholds;
use crate::error::OpsError;
use crate::horizon::HorizonReport;
use crate::monitor::Monitor;
use crate::section::Section;
use crate::wraparound::{AgeLevel, DatabaseAgeRow, STOP_AGE};

pub(super) const SECTIONS: &[&str] = &["wraparound", "horizon"];

pub(super) static METRICS: &[&Metric] = &[&OLDEST, &OVERDUE, &CRITICAL, &OLDEST_HELD];

static OLDEST: Metric = Metric::new(
    "wraparound_oldest",
    Unit::Count,
    "vacuum_oldest_transaction_ids",
    "Transaction numbers used since the oldest that is not frozen.",
);
static OVERDUE: Metric = Metric::new(
    "wraparound_overdue",
    Unit::Count,
    "vacuum_databases_overdue",
    "Databases whose oldest transaction number should have been frozen.",
);
static CRITICAL: Metric = Metric::new(
    "wraparound_critical",
    Unit::Count,
    "vacuum_databases_critical",
    "Databases that are near the end of transaction numbers.",
);
static OLDEST_HELD: Metric = Metric::new(
    "horizon_oldest_transactions",
    Unit::Count,
    "vacuum_horizon_transaction_ids",
    "Transaction numbers used since the oldest that a session, slot or prepared transaction needs.",
);

/// The ages of the databases, and the holders of the xmin horizon.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct VacuumFindings {
    /// The age of each database.
    pub wraparound: Section<Vec<DatabaseAgeRow>>,
    /// The sessions, prepared transactions and replication slots that hold back the xmin horizon.
    pub horizon: Section<HorizonReport>,
}

impl VacuumFindings {
    pub(super) async fn read(monitor: &Monitor) -> Result<Self, OpsError> {
        let horizon = monitor.horizon().await?;
        Ok(Self {
            wraparound: monitor.database_ages().await?,
            horizon,
        })
    }

    pub(super) fn sections(&self, thresholds: &Thresholds) -> Vec<SectionVerdict> {
        vec![
            SectionVerdict::of(
                "wraparound",
                "Transaction numbers",
                &self.wraparound,
                |rows| judge_ages(rows),
            ),
            SectionVerdict::of(
                "horizon",
                "Holders of the xmin horizon",
                &self.horizon,
                |report| judge_holders(report, thresholds),
            ),
        ]
    }
}

impl AgeLevel {
    /// Returns the severity of the level: a warning from the age on at which autovacuum must run.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::Young => Severity::Ok,
            Self::Due | Self::Overdue => Severity::Warning,
            Self::Critical => Severity::Critical,
        }
    }
}

impl DatabaseAgeRow {
    /// Returns the used share of transaction numbers in whole percents, rounded down.
    #[must_use]
    pub const fn used_percent(&self) -> i64 {
        self.transaction_age.saturating_mul(100) / STOP_AGE
    }
}

fn judge_ages(rows: &[DatabaseAgeRow]) -> Judgement {
    let at = |level| count(rows.iter().filter(|row| row.level() >= level).count());
    let oldest = rows.iter().map(|row| row.transaction_age).max();
    Judgement {
        message: format!(
            "the oldest database is {} transactions old",
            oldest.unwrap_or_default()
        ),
        advice: Some(
            "Run VACUUM (FREEZE) in the databases that are overdue, and find out what prevents autovacuum from running."
                .to_owned(),
        ),
        measurements: vec![
            OLDEST.of(count(oldest.unwrap_or_default())),
            OVERDUE
                .of(at(AgeLevel::Overdue))
                .warning(Threshold::above(0.0)),
            CRITICAL
                .of(at(AgeLevel::Critical))
                .critical(Threshold::above(0.0)),
        ],
    }
}

fn judge_holders(report: &HorizonReport, thresholds: &Thresholds) -> Judgement {
    let oldest = report.holders.iter().map(|row| row.age_transactions).max();
    let thresholds = &thresholds.vacuum;
    Judgement {
        message: match report.holders.len() {
            0 => "no session, transaction or slot holds back vacuum".to_owned(),
            number => format!(
                "{} old row versions back",
                counted(
                    number,
                    "transaction or slot holds",
                    "transactions and slots hold"
                )
            ),
        },
        advice: Some(
            "End the oldest transaction, or drop the replication slot that is not used any more."
                .to_owned(),
        ),
        measurements: vec![
            OLDEST_HELD
                .of(count(oldest.unwrap_or_default()))
                .warning(Threshold::from(count(thresholds.held_warning_transactions)))
                .critical(Threshold::from(count(
                    thresholds.held_critical_transactions,
                ))),
        ],
    }
}
