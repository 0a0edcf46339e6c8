//! `neobank ops transactions`, `statements` and `cache`.

use std::time::Duration;

use neobank_ops::activity::{
    CacheRow, StatementRow, StatementTotalsRow, TransactionRow, TransactionTotalsRow,
};
use neobank_ops::{Monitor, OpsError, Section, Thresholds};

use super::part::{Bar, Chart, Findings, Part, count, counted, seconds, seconds_from, short};
use crate::nagios::{Measure, Range, Unit};
use crate::output::{Block, Mood, Table, cell, optional};

/// Statements that are shown.
const STATEMENTS: u64 = 20;
/// What all databases have in common, such as the catalog of databases itself.
const SHARED: &str = "(shared)";
/// Bars of a chart at most.
const BARS_MAX: usize = 10;

pub(super) async fn transactions(
    monitor: &Monitor,
    thresholds: &Thresholds,
) -> Result<Part, OpsError> {
    let at_least = Duration::from_secs(thresholds.transactions.long_warning_seconds);
    const TITLE: &str = "Long transactions";
    // The figures are of all transactions; only the table leaves the young ones out.
    let totals = match monitor.transaction_totals(at_least).await? {
        Section::Available { value, .. } => value,
        missing @ Section::NotAvailable { .. } => {
            return Ok(Part::of("transactions", TITLE, &missing, |totals| {
                long(&[], totals, thresholds)
            }));
        }
    };
    let section = monitor.long_transactions(at_least).await?;
    let untracked = section.value().map_or(0, |rows| {
        rows.iter().filter(|row| row.started_at.is_none()).count()
    });
    let part = Part::of("transactions", TITLE, &section, |rows| {
        long(rows, &totals, thresholds)
    });
    Ok(part.without_untracked(untracked))
}

pub(super) async fn statements(
    monitor: &Monitor,
    thresholds: &Thresholds,
) -> Result<Part, OpsError> {
    const TITLE: &str = "Statements that cost most";
    // The figure is of all statements; the table has those that cost most time together.
    let totals = match monitor
        .statement_totals(thresholds.statements.calls_min)
        .await?
    {
        Section::Available { value, .. } => value,
        missing @ Section::NotAvailable { .. } => {
            return Ok(Part::of("statements", TITLE, &missing, |totals| {
                slow(&[], totals, thresholds)
            }));
        }
    };
    let section = monitor.slow_statements(STATEMENTS).await?;
    Ok(Part::of("statements", TITLE, &section, |rows| {
        slow(rows, &totals, thresholds)
    }))
}

pub(super) async fn cache(monitor: &Monitor, thresholds: &Thresholds) -> Result<Part, OpsError> {
    let section = monitor.cache_hits().await?;
    Ok(Part::of("cache", "Buffer cache", &section, |rows| {
        hits(rows, thresholds)
    }))
}

fn long(
    rows: &[TransactionRow],
    totals: &TransactionTotalsRow,
    thresholds: &Thresholds,
) -> Findings {
    let mut table = Table::new(
        &[
            "Process",
            "User",
            "Database",
            "Application",
            "Kind",
            "State",
            ">Transaction",
            ">In state",
            ">Holds back",
            "Statement",
        ],
        "no transaction has been open for that long",
    );
    for row in rows {
        table.row([
            cell(row.process_id),
            optional(row.username.as_ref()),
            optional(row.database.as_ref()),
            optional(row.application_name.as_ref()),
            optional(row.backend_type.as_ref()),
            optional(row.state.as_ref()),
            optional(row.transaction_seconds.map(seconds)).mood(if row.is_autovacuum() {
                Mood::Plain
            } else {
                Mood::Warning
            }),
            optional(row.state_seconds.map(seconds)),
            optional(row.held_back_transactions),
            optional(row.query.as_deref().map(short)),
        ]);
    }
    let longest = totals.longest_seconds.unwrap_or_default();
    let autovacuum = totals.longest_autovacuum_seconds.unwrap_or_default();
    let open = totals.long;
    let limit = thresholds.transactions.long_warning_seconds;
    let summary = format!(
        "{} for {limit} s or longer",
        counted(
            open,
            "transaction has been open",
            "transactions have been open"
        )
    );
    Findings {
        blocks: vec![Block::Table(table)],
        charts: Vec::new(),
        summary,
        measures: vec![
            Measure::new("longest", longest, Unit::Seconds).limits(
                seconds_from(limit),
                seconds_from(thresholds.transactions.long_critical_seconds),
            ),
            Measure::new("long", count(open), Unit::Count),
            Measure::new("longest_autovacuum", autovacuum, Unit::Seconds),
        ],
    }
}

fn slow(rows: &[StatementRow], totals: &StatementTotalsRow, thresholds: &Thresholds) -> Findings {
    let mut table = Table::new(
        &[
            "Statement",
            ">Calls",
            ">Total ms",
            ">Mean ms",
            ">Longest ms",
            ">Rows",
        ],
        "no statements were counted",
    );
    for row in rows {
        table.row([
            optional(row.query.as_deref().map(short)),
            cell(row.calls),
            cell(format!("{:.1}", row.total_milliseconds)),
            cell(format!("{:.2}", row.mean_milliseconds)),
            cell(format!("{:.1}", row.max_milliseconds)),
            cell(row.rows),
        ]);
    }
    let slowest = totals.slowest_mean_milliseconds.unwrap_or_default();
    Findings {
        blocks: vec![Block::Table(table)],
        charts: bars(
            "Time of all calls together",
            "ms",
            None,
            rows.iter().map(|row| {
                let label = row.query.as_deref().map(short).unwrap_or_default();
                (label, row.total_milliseconds)
            }),
        ),
        summary: format!("the slowest takes {slowest:.1} ms on average"),
        measures: vec![
            Measure::new("slowest_mean_milliseconds", slowest, Unit::Count).limits(
                Some(Range::from(count(
                    thresholds.statements.mean_warning_milliseconds,
                ))),
                Some(Range::from(count(
                    thresholds.statements.mean_critical_milliseconds,
                ))),
            ),
        ],
    }
}

fn hits(rows: &[CacheRow], thresholds: &Thresholds) -> Findings {
    let mut table = Table::new(
        &[
            "Database",
            ">Blocks hit",
            ">Blocks read",
            ">Hits",
            "Counted since",
        ],
        "no databases",
    );
    for row in rows {
        table.row([
            cell(row.database.as_deref().unwrap_or(SHARED)),
            cell(row.blocks_hit),
            cell(row.blocks_read),
            optional(row.hit_percent.map(|percent| format!("{percent:.1} %"))),
            optional(row.counted_since),
        ]);
    }
    let blocks_min = i64::try_from(thresholds.cache.blocks_min).unwrap_or(i64::MAX);
    let worst = rows
        .iter()
        .filter(|row| row.blocks_hit.saturating_add(row.blocks_read) >= blocks_min)
        .filter_map(|row| row.hit_percent)
        .min_by(f64::total_cmp);
    let measure = |percent| {
        Measure::new("hits", percent, Unit::Percent).limits(
            Some(Range::at_least(count(thresholds.cache.hit_warning_percent))),
            Some(Range::at_least(count(
                thresholds.cache.hit_critical_percent,
            ))),
        )
    };
    Findings {
        blocks: vec![Block::Table(table)],
        charts: bars(
            "Blocks that were found in the buffers",
            "%",
            Some(100.0),
            rows.iter().filter_map(|row| {
                Some((
                    row.database.clone().unwrap_or_else(|| SHARED.to_owned()),
                    row.hit_percent?,
                ))
            }),
        ),
        summary: match worst {
            Some(percent) => format!("the worst database finds {percent:.1} % in the buffers"),
            None => "too few blocks were asked for to judge".to_owned(),
        },
        measures: worst.map(measure).into_iter().collect(),
    }
}

fn bars(
    title: &str,
    unit: &'static str,
    end: Option<f64>,
    values: impl Iterator<Item = (String, f64)>,
) -> Vec<Chart> {
    let bars: Vec<_> = values
        .take(BARS_MAX)
        .map(|(label, value)| Bar {
            label,
            value,
            mood: Mood::Plain,
        })
        .collect();
    if bars.is_empty() {
        return Vec::new();
    }
    vec![Chart {
        title: title.to_owned(),
        unit,
        end,
        bars,
    }]
}
