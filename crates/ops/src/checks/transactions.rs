//! The check of long transactions.

use std::time::Duration;

use serde::Serialize;

use super::text::{count, counted};
use super::verdict::{Gap, Judgement, SectionVerdict};
use super::{Metric, Severity, Subject, Threshold, Unit};
use crate::activity::{TransactionRow, TransactionTotalsRow};
use crate::checks::thresholds::Thresholds;
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

pub(super) const SECTIONS: &[&str] = &[];

pub(super) static METRICS: &[&Metric] = &[&LONGEST, &LONG, &LONGEST_AUTOVACUUM];

static LONGEST: Metric = Metric::new(
    "longest",
    Unit::Seconds,
    "transactions_longest_seconds",
    "The age of the oldest open transaction that is judged.",
);
static LONG: Metric = Metric::new(
    "long",
    Unit::Count,
    "transactions_long",
    "Transactions that stay open for a long timeer than the threshold.",
);
static LONGEST_AUTOVACUUM: Metric = Metric::new(
    "longest_autovacuum",
    Unit::Seconds,
    "transactions_longest_autovacuum_seconds",
    "The age of the oldest open transaction of autovacuum, which is not judged.",
);

/// The open transactions.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct TransactionFindings {
    /// Transactions that are at least `transactions.long_warning_seconds` old, and those that are
    /// not tracked.
    pub transactions: Section<Vec<TransactionRow>>,
    /// The figures of all open transactions, however young they are.
    #[serde(skip)]
    pub totals: Section<TransactionTotalsRow>,
}

impl TransactionFindings {
    pub(super) async fn read(monitor: &Monitor, thresholds: &Thresholds) -> Result<Self, OpsError> {
        let at_least = Duration::from_secs(thresholds.transactions.long_warning_seconds);
        let totals = monitor.transaction_totals(at_least).await?;
        let transactions = match &totals {
            Section::Available { .. } => monitor.long_transactions(at_least).await?,
            Section::NotAvailable { reason } => Section::NotAvailable {
                reason: reason.clone(),
            },
        };
        Ok(Self {
            transactions,
            totals,
        })
    }

    pub(super) fn sections(&self, thresholds: &Thresholds) -> Vec<SectionVerdict> {
        let Some(totals) = self.totals.value() else {
            return vec![SectionVerdict::only(
                Subject::Transactions,
                &self.totals,
                |totals| judge(totals, thresholds),
            )];
        };
        let untracked = self.transactions.value().map_or(0, |rows| {
            rows.iter().filter(|row| row.started_at.is_none()).count()
        });
        let section = SectionVerdict::only(Subject::Transactions, &self.transactions, |_| {
            judge(totals, thresholds)
        });
        vec![section.with_gap(Gap::untracked(untracked))]
    }
}

impl TransactionRow {
    /// Returns a warning for a listed transaction, except for autovacuum's, whose length follows
    /// from the size of its table.
    #[must_use]
    pub fn severity(&self) -> Severity {
        if self.is_autovacuum() {
            Severity::Ok
        } else {
            Severity::Warning
        }
    }
}

fn judge(totals: &TransactionTotalsRow, thresholds: &Thresholds) -> Judgement {
    let seconds = |limit: u64| Threshold::from(Duration::from_secs(limit).as_secs_f64());
    let autovacuum = totals.longest_autovacuum_seconds.unwrap_or_default();
    let thresholds = &thresholds.transactions;
    Judgement {
        message: format!(
            "{} for {} s or longer",
            counted(
                totals.long,
                "transaction has been open",
                "transactions have been open"
            ),
            thresholds.long_warning_seconds
        ),
        advice: Some(
            "Shorten or end the oldest transaction: vacuum removes no row that it may still see."
                .to_owned(),
        ),
        measurements: vec![
            LONGEST
                .of(totals.longest_seconds.unwrap_or_default())
                .warning(seconds(thresholds.long_warning_seconds))
                .critical(seconds(thresholds.long_critical_seconds)),
            LONG.of(count(totals.long)),
            LONGEST_AUTOVACUUM.of(autovacuum),
        ],
    }
}
