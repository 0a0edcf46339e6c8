//! The check of the server's connections, its settings and its pools.

use serde::Serialize;

use super::text::count;
use super::verdict::{Gap, Judgement, SectionVerdict};
use super::{Metric, Scope, Severity, Threshold, Unit};
use crate::checks::thresholds::Thresholds;
use crate::error::OpsError;
use crate::health::HealthCheck;
use crate::monitor::Monitor;
use crate::section::Section;

pub(super) const SECTIONS: &[&str] = &["server", "settings", "pools"];

pub(super) static METRICS: &[&Metric] = &[
    &SERVER_WARNINGS,
    &SERVER_CRITICALS,
    &SETTING_WARNINGS,
    &SETTING_CRITICALS,
    &POOL_WARNINGS,
    &POOL_CRITICALS,
];

static SERVER_WARNINGS: Metric = Metric::new(
    "server_warnings",
    Unit::Count,
    "health_server_warnings",
    "Checks of the server that warn.",
);
static SERVER_CRITICALS: Metric = Metric::new(
    "server_criticals",
    Unit::Count,
    "health_server_criticals",
    "Checks of the server that are critical.",
);
static SETTING_WARNINGS: Metric = Metric::new(
    "settings_warnings",
    Unit::Count,
    "health_setting_warnings",
    "Settings of the server, a database or a role that cut calls short.",
);
static SETTING_CRITICALS: Metric = Metric::new(
    "settings_criticals",
    Unit::Count,
    "health_setting_criticals",
    "Settings of the server, a database or a role that endanger the data.",
);
static POOL_WARNINGS: Metric = Metric::new(
    "pools_warnings",
    Unit::Count,
    "health_pool_warnings",
    "Checks of the pools that warn.",
);
static POOL_CRITICALS: Metric = Metric::new(
    "pools_criticals",
    Unit::Count,
    "health_pool_criticals",
    "Checks of the pools that are critical.",
);

/// The results for the server, its settings and the pools; a skipped section is none.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct HealthFindings {
    /// Use of the server's connections, and transactions that were left open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Section<Vec<HealthCheck>>>,
    /// The settings that endanger the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<Section<Vec<HealthCheck>>>,
    /// The pools that wrote samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pools: Option<Section<Vec<HealthCheck>>>,
}

impl HealthFindings {
    pub(super) async fn read(
        monitor: &Monitor,
        thresholds: &Thresholds,
        scope: &Scope,
    ) -> Result<Self, OpsError> {
        let mut found = Self {
            server: None,
            settings: None,
            pools: None,
        };
        if !scope.skips("server") {
            found.server = Some(monitor.server_health(thresholds).await?);
        }
        if !scope.skips("settings") {
            found.settings = Some(monitor.setting_health().await?);
        }
        if !scope.skips("pools") {
            found.pools = Some(monitor.pool_health(thresholds).await?);
        }
        Ok(found)
    }

    pub(super) fn sections(&self) -> Vec<SectionVerdict> {
        let server = [&SERVER_WARNINGS, &SERVER_CRITICALS];
        let settings = [&SETTING_WARNINGS, &SETTING_CRITICALS];
        let pools = [&POOL_WARNINGS, &POOL_CRITICALS];
        [
            ("server", "Server", self.server.as_ref(), server),
            ("settings", "Settings", self.settings.as_ref(), settings),
            ("pools", "Pools", self.pools.as_ref(), pools),
        ]
        .into_iter()
        .filter_map(|(name, title, section, metrics)| {
            let section = section?;
            let verdict = SectionVerdict::of(name, title, section, |checks| judge(checks, metrics));
            Some(verdict.with_gap(undecided(section)))
        })
        .collect()
    }
}

/// Returns the first check without a verdict: a section with one must not pass as healthy.
fn undecided(section: &Section<Vec<HealthCheck>>) -> Option<Gap> {
    let is_unknown = |check: &&HealthCheck| check.status == Severity::Unknown;
    let check = section.value()?.iter().find(is_unknown)?;
    Some(Gap::Undecided {
        check: check.check_name.replace('_', " "),
        advice: check.recommendation.clone(),
    })
}

fn judge(checks: &[HealthCheck], metrics: [&'static Metric; 2]) -> Judgement {
    let with = |status: Severity| {
        let is_it = |check: &&HealthCheck| check.status == status;
        count(checks.iter().filter(is_it).count())
    };
    // The first of equally bad checks counts.
    let worst = checks.iter().rev().max_by_key(|check| check.status);
    let wrong = worst.filter(|worst| worst.status != Severity::Ok);
    let message = match wrong {
        Some(worst) => format!(
            "{}: {}. {}",
            worst.check_name.replace('_', " "),
            worst.current_value,
            worst.recommendation.trim_end_matches('.')
        ),
        None => format!("{} checks, nothing wrong", checks.len()),
    };
    let [warnings, criticals] = metrics;
    Judgement {
        message,
        advice: wrong.map(|worst| worst.recommendation.clone()),
        measurements: vec![
            warnings
                .of(with(Severity::Warning))
                .warning(Threshold::above(0.0)),
            criticals
                .of(with(Severity::Critical))
                .critical(Threshold::above(0.0)),
        ],
    }
}
