//! The check of the server's connections and their limits.

use serde::Serialize;

use super::text::count;
use super::verdict::{Judgement, SectionVerdict};
use super::{Metric, Severity, Threshold, Unit};
use crate::checks::thresholds::Thresholds;
use crate::connections::{ConnectionLimitsRow, ConnectionRow};
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

pub(super) const SECTIONS: &[&str] = &["limits", "analysis"];

pub(super) static METRICS: &[&Metric] = &[
    &USAGE,
    &USED,
    &USABLE,
    &ACTIVE,
    &IDLE,
    &IDLE_IN_TRANSACTION,
    &WAITING_FOR_LOCK,
];

static USAGE: Metric = Metric::new(
    "limits_usage",
    Unit::Percent,
    "connections_usage_ratio",
    "Connections in use, as a share of those that clients may open.",
);
static USED: Metric = Metric::new(
    "limits_used",
    Unit::Count,
    "connections_used",
    "Connections in use by clients.",
);
static USABLE: Metric = Metric::new(
    "limits_usable",
    Unit::Count,
    "connections_usable",
    "Connections that clients may open at most.",
);
static ACTIVE: Metric = Metric::new(
    "analysis_active",
    Unit::Count,
    "connections_active",
    "Connections that run a statement.",
);
static IDLE: Metric = Metric::new(
    "analysis_idle",
    Unit::Count,
    "connections_idle",
    "Connections that are idle outside of a transaction.",
);
static IDLE_IN_TRANSACTION: Metric = Metric::new(
    "analysis_idle_in_transaction",
    Unit::Count,
    "connections_idle_in_transaction",
    "Connections that are idle in a transaction.",
);
static WAITING_FOR_LOCK: Metric = Metric::new(
    "analysis_waiting_for_lock",
    Unit::Count,
    "connections_waiting_for_lock",
    "Connections that wait for a lock.",
);

/// The limits of connections, and the connections by role, database and application.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ConnectionFindings {
    /// The limit with the highest use.
    pub limits: Section<ConnectionLimitsRow>,
    /// The connections.
    pub analysis: Section<Vec<ConnectionRow>>,
}

impl ConnectionFindings {
    pub(super) async fn read(monitor: &Monitor) -> Result<Self, OpsError> {
        Ok(Self {
            limits: monitor.connection_limits().await?,
            analysis: monitor.connection_analysis().await?,
        })
    }

    pub(super) fn sections(&self, thresholds: &Thresholds) -> Vec<SectionVerdict> {
        vec![
            SectionVerdict::of("limits", "Limits", &self.limits, |limits| {
                judge_limits(limits, thresholds)
            }),
            SectionVerdict::of("analysis", "Connections by owner", &self.analysis, |rows| {
                judge_connections(rows)
            }),
        ]
    }
}

impl ConnectionLimitsRow {
    /// Returns the use of the limit with the highest use, in whole percents, rounded down. Sessions
    /// of superusers in reserved connections can make it more than 100.
    #[must_use]
    pub fn usage_percent(&self) -> u32 {
        let usable = i64::from(self.tightest_usable).max(1);
        let percent = self.tightest_used.saturating_mul(100) / usable;
        u32::try_from(percent).unwrap_or(u32::MAX)
    }
}

impl ConnectionRow {
    /// Returns a warning where a transaction of these connections failed and is still open.
    #[must_use]
    pub fn severity_of_aborted(&self) -> Severity {
        warning_above_zero(self.aborted)
    }

    /// Returns a warning where one of these connections waits for a lock.
    #[must_use]
    pub fn severity_of_lock_waits(&self) -> Severity {
        warning_above_zero(self.waiting_for_lock)
    }
}

fn warning_above_zero(number: i64) -> Severity {
    if number > 0 {
        Severity::Warning
    } else {
        Severity::Ok
    }
}

fn judge_limits(limits: &ConnectionLimitsRow, thresholds: &Thresholds) -> Judgement {
    let message = if limits.tightest_name.is_some() {
        format!(
            "{} of {} connections are in use that {}",
            limits.tightest_used,
            limits.tightest_usable,
            limits.tightest()
        )
    } else {
        format!(
            "{} of {} usable connections are in use",
            limits.used_connections, limits.usable_connections
        )
    };
    let thresholds = &thresholds.connections;
    Judgement {
        message,
        advice: Some("Make pools smaller, or put a pooler in front.".to_owned()),
        measurements: vec![
            USAGE
                .of(f64::from(limits.usage_percent()))
                .warning(Threshold::from(count(thresholds.usage_warning_percent)))
                .critical(Threshold::from(count(thresholds.usage_critical_percent))),
            USED.of(count(limits.used_connections)),
            USABLE.of(count(limits.usable_connections)),
        ],
    }
}

fn judge_connections(rows: &[ConnectionRow]) -> Judgement {
    let total = |of: fn(&ConnectionRow) -> i64| rows.iter().map(of).fold(0, i64::saturating_add);
    let (active, idle) = (total(|row| row.active), total(|row| row.idle));
    Judgement {
        message: format!(
            "{active} active, {idle} idle, {} idle in a transaction",
            total(|row| row.idle_in_transaction.saturating_add(row.aborted))
        ),
        advice: None,
        measurements: vec![
            ACTIVE.of(count(active)),
            IDLE.of(count(idle)),
            IDLE_IN_TRANSACTION.of(count(total(|row| row.idle_in_transaction))),
            WAITING_FOR_LOCK.of(count(total(|row| row.waiting_for_lock))),
        ],
    }
}
