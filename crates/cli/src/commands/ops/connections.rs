//! `neobank ops connections`.

use neobank_ops::connections::{ConnectionLimitsRow, ConnectionRow};
use neobank_ops::{Monitor, OpsError, Thresholds};

use super::part::{Bar, Chart, Findings, Part, count, counted, seconds};
use crate::nagios::{Measure, Range, Severity, Unit};
use crate::output::{Block, Mood, Table, cell, optional};

/// Bars at most.
const BARS_MAX: usize = 12;

pub(super) async fn part(monitor: &Monitor, thresholds: &Thresholds) -> Result<Part, OpsError> {
    let limits = monitor.connection_limits().await?;
    let analysis = monitor.connection_analysis().await?;
    Ok(Part::join(
        "connections",
        "Connections",
        vec![
            Part::of("limits", "Room on the server", &limits, |limits| {
                findings(limits, thresholds)
            }),
            Part::of("analysis", "Who is connected", &analysis, |rows| who(rows)),
        ],
    ))
}

fn who(rows: &[ConnectionRow]) -> Findings {
    let mut table = Table::new(
        &[
            "User",
            "Database",
            "Application",
            "Client",
            ">All",
            ">Active",
            ">Idle",
            ">In transaction",
            ">Aborted",
            ">Wait for a lock",
            ">Oldest transaction",
        ],
        "nobody is connected",
    );
    let warn = |number: i64| {
        let mood = if number > 0 {
            Mood::Warning
        } else {
            Mood::Plain
        };
        cell(number).mood(mood)
    };
    for row in rows {
        table.row([
            optional(row.username.as_ref()),
            optional(row.database.as_ref()),
            optional(row.application_name.as_ref()),
            optional(row.client_address.as_ref()),
            cell(row.total_connections),
            cell(row.active),
            cell(row.idle),
            cell(row.idle_in_transaction),
            warn(row.aborted),
            warn(row.waiting_for_lock),
            optional(row.oldest_transaction_seconds.map(seconds)),
        ]);
    }
    let total = |of: fn(&ConnectionRow) -> i64| rows.iter().map(of).fold(0, i64::saturating_add);
    let sum = |of: fn(&ConnectionRow) -> i64| count(total(of));
    let mut blocks = vec![Block::Table(table)];
    let (hidden, untracked) = (total(|row| row.hidden), total(|row| row.untracked));
    if hidden > 0 {
        blocks.push(Block::Note(format!(
            "{} from this role, and in none of these states: ask with the privileges of pg_monitor",
            counted(hidden, "connection is hidden", "connections are hidden")
        )));
    }
    if untracked > 0 {
        blocks.push(Block::Note(super::part::untracked(
            usize::try_from(untracked).unwrap_or_default(),
        )));
    }
    let bars = rows.iter().take(BARS_MAX).map(|row| Bar {
        label: row
            .application_name
            .clone()
            .filter(|name| !name.is_empty())
            .or_else(|| row.username.clone())
            .unwrap_or_else(|| "(unknown)".to_owned()),
        value: count(row.total_connections),
        mood: Mood::Plain,
    });
    let chart = Chart {
        title: "Connections by application".to_owned(),
        unit: "",
        end: None,
        bars: bars.collect(),
    };
    Findings {
        blocks,
        charts: if rows.is_empty() {
            Vec::new()
        } else {
            vec![chart]
        },
        summary: format!(
            "{} active, {} idle, {} idle in a transaction",
            total(|row| row.active),
            total(|row| row.idle),
            total(|row| row.idle_in_transaction.saturating_add(row.aborted))
        ),
        measures: vec![
            Measure::new("active", sum(|row| row.active), Unit::Count),
            Measure::new("idle", sum(|row| row.idle), Unit::Count),
            Measure::new(
                "idle_in_transaction",
                sum(|row| row.idle_in_transaction),
                Unit::Count,
            ),
            Measure::new(
                "waiting_for_lock",
                sum(|row| row.waiting_for_lock),
                Unit::Count,
            ),
        ],
    }
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
    let summary = if limits.tightest_name.is_some() {
        format!(
            "{} of {} connections are taken that {}",
            limits.tightest_used,
            limits.tightest_usable,
            limits.tightest()
        )
    } else {
        format!(
            "{} of {} usable connections are taken",
            limits.used_connections, limits.usable_connections
        )
    };
    Findings {
        blocks: vec![Block::Fields(vec![
            ("max_connections", cell(limits.max_connections)),
            ("reserved", cell(limits.reserved_connections)),
            ("usable", cell(limits.usable_connections)),
            ("used", cell(limits.used_connections)),
            (
                "tightest limit",
                cell(format!(
                    "{} of {} that {}",
                    limits.tightest_used,
                    limits.tightest_usable,
                    limits.tightest()
                )),
            ),
            ("usage", cell(format!("{usage} %")).mood(mood)),
        ])],
        charts: vec![Chart {
            title: "Connections".to_owned(),
            unit: "",
            end: Some(count(limits.usable_connections)),
            bars: vec![Bar {
                label: format!("used, of {} usable", limits.usable_connections),
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

/// Of the limit that is nearest to being reached. Whole percents, rounded down; sessions of superusers in reserved places can make it more than 100.
fn usage_percent(limits: &ConnectionLimitsRow) -> f64 {
    let usable = i64::from(limits.tightest_usable).max(1);
    count(limits.tightest_used.saturating_mul(100) / usable)
}
