//! The check of the statements with the most execution time.

use serde::Serialize;

use super::text::count;
use super::verdict::{Judgement, SectionVerdict};
use super::{Metric, Subject, Threshold, Unit};
use crate::activity::{StatementRow, StatementTotalsRow};
use crate::checks::thresholds::Thresholds;
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

/// The number of listed statements.
const STATEMENTS_MAX: u64 = 20;

pub(super) const SECTIONS: &[&str] = &[];

pub(super) static METRICS: &[&Metric] = &[&SLOWEST];

static SLOWEST: Metric = Metric::new(
    "slowest_mean_milliseconds",
    Unit::Milliseconds,
    "statements_slowest_mean_seconds",
    "The mean time of the statement whose mean time is longest.",
);

/// The statements of `pg_stat_statements`.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct StatementFindings {
    /// The statements with the most time in all calls together.
    pub statements: Section<Vec<StatementRow>>,
    /// The slowest of all statements with at least `statements.calls_min` calls.
    #[serde(skip)]
    pub totals: Section<StatementTotalsRow>,
}

impl StatementFindings {
    pub(super) async fn read(monitor: &Monitor, thresholds: &Thresholds) -> Result<Self, OpsError> {
        let calls_min = thresholds.statements.calls_min;
        let totals = monitor.statement_totals(calls_min).await?;
        let statements = match &totals {
            Section::Available { .. } => monitor.slow_statements(STATEMENTS_MAX).await?,
            Section::NotAvailable { reason } => Section::NotAvailable {
                reason: reason.clone(),
            },
        };
        Ok(Self { statements, totals })
    }

    pub(super) fn sections(&self, thresholds: &Thresholds) -> Vec<SectionVerdict> {
        vec![match self.totals.value() {
            Some(totals) => SectionVerdict::only(Subject::Statements, &self.statements, |_| {
                judge(totals, thresholds)
            }),
            None => SectionVerdict::only(Subject::Statements, &self.totals, |totals| {
                judge(totals, thresholds)
            }),
        }]
    }
}

fn judge(totals: &StatementTotalsRow, thresholds: &Thresholds) -> Judgement {
    let slowest = totals.slowest_mean_milliseconds.unwrap_or_default();
    let thresholds = &thresholds.statements;
    Judgement {
        message: format!("the slowest takes {slowest:.1} ms on average"),
        advice: Some(
            "Read the slowest statement's plan from EXPLAIN (ANALYZE, BUFFERS).".to_owned(),
        ),
        measurements: vec![
            SLOWEST
                .of(slowest)
                .warning(Threshold::from(count(thresholds.mean_warning_milliseconds)))
                .critical(Threshold::from(count(
                    thresholds.mean_critical_milliseconds,
                ))),
        ],
    }
}
