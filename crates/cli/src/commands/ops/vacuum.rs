//! `neobank ops vacuum`: who keeps old rows from being cleaned away, and how far the end of transaction numbers is.

use neobank_ops::horizon::HorizonReport;
use neobank_ops::wraparound::{AgeLevel, DatabaseAgeRow, STOP_AGE};
use neobank_ops::{Monitor, OpsError, Thresholds};

use super::part::{Bar, Chart, Findings, Part, count, counted, seconds, word};
use crate::nagios::{Measure, Range, Unit};
use crate::output::{Block, Mood, Table, cell, optional};

/// Holders that are shown, the oldest first; JSON has all of them.
const HOLDERS_MAX: usize = 10;
/// Bars at most.
const BARS_MAX: usize = 12;

pub(super) async fn part(monitor: &Monitor, thresholds: &Thresholds) -> Result<Part, OpsError> {
    let horizon = monitor.horizon().await?;
    let ages = monitor.database_ages().await?;
    Ok(Part::join(
        "vacuum",
        "Vacuum: what holds it back, and its deadline",
        vec![
            Part::of("wraparound", "Transaction numbers", &ages, |rows| {
                wraparound(rows)
            }),
            Part::of(
                "horizon",
                "Who holds old row versions back",
                &horizon,
                |report| holders(report, thresholds),
            ),
        ],
    ))
}

fn holders(report: &HorizonReport, thresholds: &Thresholds) -> Findings {
    let mut table = Table::new(
        &[
            "Kind",
            "Who",
            "Database",
            "User",
            "Application",
            "State",
            ">Transactions since",
            ">For at most",
        ],
        "nobody",
    );
    for row in report.holders.iter().take(HOLDERS_MAX) {
        table.row([
            cell(row.kind.replace('_', " ")),
            cell(&row.identity),
            optional(row.database_name.as_ref()),
            optional(row.user_name.as_ref()),
            optional(row.application_name.as_ref()),
            optional(row.state.as_ref()),
            cell(row.age_transactions),
            optional(row.age_seconds.map(seconds)),
        ]);
    }
    let oldest = report.holders.iter().map(|row| row.age_transactions).max();
    let mut blocks = vec![Block::Table(table)];
    if report.holders.len() > HOLDERS_MAX {
        blocks.push(Block::Note(format!(
            "the oldest {HOLDERS_MAX} of {}",
            report.holders.len()
        )));
    }
    if !report.sees_session_details {
        blocks.push(Block::Note(
            "the role may not see states and times of other roles' sessions; pg_monitor is enough"
                .to_owned(),
        ));
    }
    Findings {
        blocks,
        charts: Vec::new(),
        summary: match report.holders.len() {
            0 => "nobody holds old row versions back".to_owned(),
            number => format!(
                "{} old row versions back",
                counted(
                    number,
                    "transaction or slot holds",
                    "transactions and slots hold"
                )
            ),
        },
        measures: vec![
            Measure::new(
                "oldest_transactions",
                count(oldest.unwrap_or_default()),
                Unit::Count,
            )
            .limits(
                Some(Range::from(count(
                    thresholds.vacuum.held_warning_transactions,
                ))),
                Some(Range::from(count(
                    thresholds.vacuum.held_critical_transactions,
                ))),
            ),
        ],
    }
}

fn wraparound(rows: &[DatabaseAgeRow]) -> Findings {
    let mut table = Table::new(
        &["Database", ">Transactions", ">Multixacts", ">Left", "Level"],
        "no databases",
    );
    let mut bars = Vec::new();
    for row in rows {
        let mood = mood(row.level());
        table.row([
            cell(&row.database_name),
            cell(row.transaction_age),
            cell(row.multixact_age),
            cell(row.transactions_left()),
            cell(word(row.level())).mood(mood),
        ]);
        bars.push(Bar {
            label: row.database_name.clone(),
            value: count(row.transaction_age.saturating_mul(100) / STOP_AGE),
            mood,
        });
    }
    bars.truncate(BARS_MAX);
    let at = |level| count(rows.iter().filter(|row| row.level() >= level).count());
    let oldest = rows.iter().map(|row| row.transaction_age).max();
    let chart = Chart {
        title: "The way to the end of transaction numbers".to_owned(),
        unit: "%",
        end: Some(100.0),
        bars,
    };
    Findings {
        blocks: vec![Block::Table(table)],
        charts: if rows.is_empty() {
            Vec::new()
        } else {
            vec![chart]
        },
        summary: format!(
            "the oldest database is {} transactions old",
            oldest.unwrap_or_default()
        ),
        measures: vec![
            Measure::new("oldest", count(oldest.unwrap_or_default()), Unit::Count),
            Measure::new("overdue", at(AgeLevel::Overdue), Unit::Count)
                .limits(Some(Range::above(0.0)), None),
            Measure::new("critical", at(AgeLevel::Critical), Unit::Count)
                .limits(None, Some(Range::above(0.0))),
        ],
    }
}

const fn mood(level: AgeLevel) -> Mood {
    match level {
        AgeLevel::Young => Mood::Good,
        AgeLevel::Critical => Mood::Bad,
        _ => Mood::Warning,
    }
}
