//! `neobank ops deadlocks`.

use neobank_ops::deadlocks::{DeadlockCountRow, DeadlockRisk, DeadlockRow, RiskLevel};
use neobank_ops::{Monitor, OpsError, Thresholds};

use super::part::{Findings, Part, count, counted, short, word};
use crate::nagios::{Measure, Range, Unit};
use crate::output::{Block, Mood, Table, cell, optional};

pub(super) async fn part(monitor: &Monitor, thresholds: &Thresholds) -> Result<Part, OpsError> {
    let hours = u32::try_from(thresholds.locks.deadlock_window_hours).unwrap_or(u32::MAX);
    let log = monitor.deadlocks(hours).await?;
    // The figure is of the whole log; the table has the newest of it.
    let total = monitor.deadlock_total(hours).await?;
    let total = total.value().map_or(0, |total| total.logged);
    let counts = monitor.deadlock_counts().await?;
    let risks = monitor.deadlock_risks().await?;
    Ok(Part::join(
        "deadlocks",
        "Deadlocks",
        vec![
            Part::of("log", "Logged by our own code", &log, |rows| {
                logged(rows, total, thresholds)
            }),
            Part::of("counts", "Counted by the server", &counts, |rows| {
                by_server(rows)
            }),
            Part::of("risks", "Risks now", &risks, |rows| risky(rows)),
        ],
    ))
}

fn logged(rows: &[DeadlockRow], total: i64, thresholds: &Thresholds) -> Findings {
    let mut table = Table::new(
        &["Time (UTC)", "Process", "Statement", "What became of it"],
        "none in this time",
    );
    for row in rows {
        table.row([
            cell(row.deadlock_time.format("%Y-%m-%d %H:%M:%S")),
            optional(row.process_id),
            optional(row.query_text.as_deref().map(short)),
            optional(row.resolution.as_ref()),
        ]);
    }
    let hours = thresholds.locks.deadlock_window_hours;
    let summary = format!("{} in {hours} h", counted(total, "deadlock", "deadlocks"));
    Findings {
        blocks: vec![Block::Note(summary.clone()), Block::Table(table)],
        charts: Vec::new(),
        summary,
        measures: vec![Measure::new("logged", count(total), Unit::Count).limits(
            Some(Range::from(count(thresholds.locks.deadlocks_warning_count))),
            Some(Range::from(count(
                thresholds.locks.deadlocks_critical_count,
            ))),
        )],
    }
}

fn by_server(rows: &[DeadlockCountRow]) -> Findings {
    let mut table = Table::new(&["Database", ">Deadlocks", "Counted since"], "no databases");
    for row in rows {
        table.row([
            cell(&row.database),
            cell(row.deadlocks),
            optional(row.counted_since),
        ]);
    }
    let total: i64 = rows
        .iter()
        .map(|row| row.deadlocks)
        .fold(0, i64::saturating_add);
    Findings {
        blocks: vec![Block::Table(table)],
        charts: Vec::new(),
        summary: format!("{total} counted"),
        measures: vec![Measure::new("counted", count(total), Unit::Count)],
    }
}

fn risky(rows: &[DeadlockRisk]) -> Findings {
    let mut table = Table::new(
        &["Risk", "Level", "First", "Its locks", "Second", "Its locks"],
        "no sessions that could deadlock",
    );
    let certain = |risk: &&DeadlockRisk| risk.level == RiskLevel::Certain;
    for risk in rows {
        let mood = if certain(&risk) {
            Mood::Bad
        } else {
            Mood::Warning
        };
        table.row([
            cell(word(risk.risk)),
            cell(word(risk.level)).mood(mood),
            cell(&risk.first),
            cell(&risk.first_locks),
            cell(&risk.second),
            cell(&risk.second_locks),
        ]);
    }
    let certain = rows.iter().filter(certain).count();
    Findings {
        blocks: vec![Block::Table(table)],
        charts: Vec::new(),
        summary: format!(
            "{} now, {certain} of them certain",
            counted(rows.len(), "risk", "risks")
        ),
        measures: vec![
            Measure::new("risks", count(rows.len()), Unit::Count),
            Measure::new("certain", count(certain), Unit::Count)
                .limits(None, Some(Range::above(0.0))),
        ],
    }
}
