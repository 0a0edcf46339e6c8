//! `neobank ops health`.

use neobank_ops::health::{HealthCheck, Status};
use neobank_ops::{Monitor, OpsError, Section, Thresholds};

use super::SkipArguments;
use super::part::{Findings, Part, count, word};
use crate::nagios::{Measure, Range, Unit};
use crate::output::{Block, Mood, Table, cell, optional};

/// The sections that can be left out.
pub(super) const SECTIONS: [&str; 3] = ["server", "settings", "pools"];

pub(super) async fn part(
    monitor: &Monitor,
    thresholds: &Thresholds,
    skip: &SkipArguments,
) -> Result<Part, OpsError> {
    let mut parts = Vec::new();
    if !skip.leaves_out("server") {
        let server = monitor.server_health(thresholds).await?;
        parts.push(judged("server", "Server", &server));
    }
    if !skip.leaves_out("settings") {
        let settings = monitor.setting_health().await?;
        parts.push(judged("settings", "Settings", &settings));
    }
    if !skip.leaves_out("pools") {
        let pools = monitor.pool_health(thresholds).await?;
        parts.push(judged("pools", "Pools", &pools));
    }
    Ok(Part::join(
        "health",
        "Health of the server and of the pools",
        parts,
    ))
}

/// A part that is unknown where one of its checks is, so that no monitoring takes it for sound.
fn judged(name: &'static str, title: &'static str, section: &Section<Vec<HealthCheck>>) -> Part {
    let mut part = Part::of(name, title, section, |checks| findings(checks));
    let is_unknown = |check: &&HealthCheck| check.status == Status::Unknown;
    if let Some(check) = section
        .value()
        .and_then(|checks| checks.iter().find(is_unknown))
    {
        part.check.unknown = Some(format!(
            "{}: {}",
            check.check_name.replace('_', " "),
            check.recommendation
        ));
    }
    part
}

fn findings(checks: &[HealthCheck]) -> Findings {
    let mut table = Table::new(
        &["Check", "Status", "Verdict", "Now", "What to do"],
        "there are no samples",
    );
    for check in checks {
        let mood = match check.status {
            Status::Ok => Mood::Good,
            Status::Critical => Mood::Bad,
            _ => Mood::Warning,
        };
        table.row([
            cell(check.check_name.replace('_', " ")),
            cell(word(check.status)).mood(mood),
            optional(check.verdict.map(word)),
            cell(&check.current_value),
            cell(&check.recommendation),
        ]);
    }
    let with = |status: Status| count(checks.iter().filter(|check| check.status == status).count());
    // Of equal ones the first.
    let worst = checks.iter().rev().max_by_key(|check| check.status);
    let summary = match worst {
        Some(worst) if worst.status != Status::Ok => {
            format!(
                "{}: {}. {}",
                worst.check_name.replace('_', " "),
                worst.current_value,
                worst.recommendation.trim_end_matches('.')
            )
        }
        _ => format!("{} checks, nothing wrong", checks.len()),
    };
    Findings {
        blocks: vec![Block::Table(table)],
        charts: Vec::new(),
        summary,
        measures: vec![
            Measure::new("warnings", with(Status::Warning), Unit::Count)
                .limits(Some(Range::above(0.0)), None),
            Measure::new("criticals", with(Status::Critical), Unit::Count)
                .limits(None, Some(Range::above(0.0))),
        ],
    }
}
