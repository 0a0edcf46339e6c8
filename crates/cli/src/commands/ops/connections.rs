//! `neobank ops connections`.

use neobank_ops::connections::ConnectionLimitsRow;
use neobank_ops::{Monitor, OpsError, Thresholds};

use super::part::{Bar, Chart, Findings, Part, count};
use crate::nagios::{Measure, Range, Severity, Unit};
use crate::output::{Block, Mood, cell};

pub(super) async fn part(monitor: &Monitor, thresholds: &Thresholds) -> Result<Part, OpsError> {
    let section = monitor.connection_limits().await?;
    Ok(Part::of("connections", "Connections", &section, |limits| {
        findings(limits, thresholds)
    }))
}

fn findings(limits: &ConnectionLimitsRow, thresholds: &Thresholds) -> Findings {
    let usage = usage_percent(limits);
    let from = |percent: u64| Some(Range::from(count(percent)));
    let measure = Measure::new("usage", usage, Unit::Percent).limits(
        from(thresholds.connections.usage_warning_percent),
        from(thresholds.connections.usage_critical_percent),
    );
    let mood = match measure.severity() {
        Severity::Critical => Mood::Bad,
        Severity::Warning => Mood::Warning,
        _ => Mood::Good,
    };
    let summary = format!(
        "{} of {} usable connections are taken",
        limits.used_connections, limits.usable_connections
    );
    Findings {
        blocks: vec![Block::Fields(vec![
            ("max_connections", cell(limits.max_connections)),
            ("reserved", cell(limits.reserved_connections)),
            ("usable", cell(limits.usable_connections)),
            ("used", cell(limits.used_connections)),
            ("usage", cell(format!("{usage} %")).mood(mood)),
        ])],
        charts: vec![Chart {
            title: "Connections".to_owned(),
            unit: "",
            end: Some(count(limits.usable_connections)),
            bars: vec![Bar {
                label: "used of the usable ones".to_owned(),
                value: count(limits.used_connections),
                mood,
            }],
        }],
        summary,
        measures: vec![
            measure,
            Measure::new("used", count(limits.used_connections), Unit::Count),
            Measure::new("usable", count(limits.usable_connections), Unit::Count),
        ],
    }
}

/// Whole percents, rounded down; sessions of superusers in reserved places can make it more than 100.
fn usage_percent(limits: &ConnectionLimitsRow) -> f64 {
    let usable = i64::from(limits.usable_connections).max(1);
    count(limits.used_connections.saturating_mul(100) / usable)
}
