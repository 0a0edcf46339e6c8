//! The check of idle connections, above all of those with an open transaction.

use std::time::Duration;

use serde::Serialize;

use super::text::{count, counted};
use super::verdict::{Gap, Judgement, SectionVerdict};
use super::{Metric, Severity, Subject, Threshold, Unit};
use crate::checks::thresholds::Thresholds;
use crate::connections::{IdleConnectionRow, IdleTotalsRow};
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

pub(super) const SECTIONS: &[&str] = &[];

pub(super) static METRICS: &[&Metric] = &[&LONGEST_IN_TRANSACTION, &IDLE, &IN_TRANSACTION];

static LONGEST_IN_TRANSACTION: Metric = Metric::new(
    "longest_in_transaction",
    Unit::Seconds,
    "idle_in_transaction_longest_seconds",
    "The longest time that an idle session has held a transaction open.",
);
static IDLE: Metric = Metric::new(
    "idle",
    Unit::Count,
    "idle_listed",
    "Idle sessions that the section lists.",
);
static IN_TRANSACTION: Metric = Metric::new(
    "in_transaction",
    Unit::Count,
    "idle_in_transaction_listed",
    "Idle sessions with an open transaction that the section lists.",
);

/// The idle connections.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct IdleFindings {
    /// Connections that have been idle for at least `connections.idle_seconds`.
    pub connections: Section<Vec<IdleConnectionRow>>,
    /// The figures of all idle connections, however short they have been idle.
    #[serde(skip)]
    pub totals: Section<IdleTotalsRow>,
}

impl IdleFindings {
    pub(super) async fn read(monitor: &Monitor, thresholds: &Thresholds) -> Result<Self, OpsError> {
        let at_least = Duration::from_secs(thresholds.connections.idle_seconds);
        let totals = monitor.idle_totals(at_least).await?;
        let connections = match &totals {
            Section::Available { .. } => monitor.idle_connections(at_least).await?,
            Section::NotAvailable { reason } => Section::NotAvailable {
                reason: reason.clone(),
            },
        };
        Ok(Self {
            connections,
            totals,
        })
    }

    pub(super) fn sections(&self, thresholds: &Thresholds) -> Vec<SectionVerdict> {
        let Some(totals) = self.totals.value() else {
            return vec![SectionVerdict::only(
                Subject::Idle,
                &self.totals,
                |totals| judge(totals, thresholds),
            )];
        };
        let untracked = usize::try_from(totals.untracked).unwrap_or_default();
        let section = SectionVerdict::only(Subject::Idle, &self.connections, |_| {
            judge(totals, thresholds)
        });
        vec![section.with_gap(Gap::untracked(untracked))]
    }
}

impl IdleConnectionRow {
    /// Returns a warning for a connection with an open transaction, or with an untracked state.
    #[must_use]
    pub fn severity(&self) -> Severity {
        if self.transaction_seconds.is_some() || !self.is_tracked() {
            Severity::Warning
        } else {
            Severity::Ok
        }
    }
}

fn judge(totals: &IdleTotalsRow, thresholds: &Thresholds) -> Judgement {
    let seconds = |limit: u64| Threshold::from(Duration::from_secs(limit).as_secs_f64());
    let longest = totals.longest_in_transaction_seconds.unwrap_or_default();
    Judgement {
        message: format!(
            "{} for {} s or longer, {} in a transaction for any time",
            counted(
                totals.idle,
                "connection has been idle",
                "connections have been idle"
            ),
            thresholds.connections.idle_seconds,
            totals.in_transaction
        ),
        advice: Some(
            "End the transactions that were left open: they hold locks, and keep dead rows from being cleaned up."
                .to_owned(),
        ),
        measurements: vec![
            LONGEST_IN_TRANSACTION
                .of(longest)
                .warning(seconds(thresholds.transactions.idle_warning_seconds))
                .critical(seconds(thresholds.transactions.idle_critical_seconds)),
            IDLE.of(count(totals.idle)),
            IN_TRANSACTION.of(count(totals.in_transaction)),
        ],
    }
}
