//! Buffers and statements.

use neobank_ops::Thresholds;
use neobank_ops::activity::{CacheRow, StatementRow};

use super::{milliseconds, or_dash, unsigned};
use crate::report::model::{Answer, Bar, Tone};
use crate::text::count;

pub(in crate::report) fn cache(rows: Vec<CacheRow>, thresholds: &Thresholds) -> Answer {
    let of = &thresholds.cache;
    let judged = |row: &CacheRow| {
        let (hit, read) = (unsigned(row.blocks_hit), unsigned(row.blocks_read));
        let all = hit.saturating_add(read);
        if all < of.blocks_min {
            return Tone::Plain;
        }
        // A low share is bad: the limits are on what was missed.
        let missed = u64::try_from(u128::from(read) * 100 / u128::from(all)).unwrap_or(100);
        Tone::of(
            missed,
            100_u64.saturating_sub(of.hit_warning_percent).max(1),
            100_u64.saturating_sub(of.hit_critical_percent).max(1),
        )
    };
    let name = |row: &CacheRow| {
        row.database
            .clone()
            .unwrap_or_else(|| "(shared objects)".to_owned())
    };
    let percent = |row: &CacheRow| {
        row.hit_percent
            .map_or("-".to_owned(), |share| format!("{share:.1}%"))
    };
    let mut answer = Answer::table(
        vec!["database", "found in buffers", "blocks hit", "blocks read"],
        rows.iter()
            .map(|row| {
                vec![
                    name(row),
                    percent(row),
                    count(unsigned(row.blocks_hit)),
                    count(unsigned(row.blocks_read)),
                ]
            })
            .collect(),
    );
    for row in &rows {
        let tone = judged(row);
        answer = answer.with_if(
            tone >= Tone::Warning,
            tone,
            format!(
                "Only {} of the blocks of {} were in the buffers.",
                percent(row),
                name(row)
            ),
        );
    }
    answer
}

pub(in crate::report) fn statements(rows: Vec<StatementRow>, thresholds: &Thresholds) -> Answer {
    let of = &thresholds.statements;
    let tone = |row: &StatementRow| {
        if unsigned(row.calls) < of.calls_min {
            return Tone::Plain;
        }
        Tone::of(
            whole(row.mean_milliseconds),
            of.mean_warning_milliseconds,
            of.mean_critical_milliseconds,
        )
    };
    let slow = rows.iter().filter(|row| tone(row) >= Tone::Warning).count();
    let worst = rows.iter().map(tone).max().unwrap_or(Tone::Plain);
    let bars: Vec<_> = rows
        .iter()
        .map(|row| Bar {
            label: or_dash(row.query.clone()),
            value: whole(row.total_milliseconds),
            shown: format!("{} calls, {:.1} ms each", row.calls, row.mean_milliseconds),
            tone: tone(row),
        })
        .collect();
    Answer::table(
        vec!["statement", "calls", "mean", "longest", "rows"],
        rows.into_iter()
            .map(|row| {
                vec![
                    or_dash(row.query),
                    row.calls.to_string(),
                    format!("{:.1} ms", row.mean_milliseconds),
                    format!("{:.1} ms", row.max_milliseconds),
                    row.rows.to_string(),
                ]
            })
            .collect(),
    )
    .with_if(
        slow > 0,
        worst,
        format!("{slow} of them are slow on average."),
    )
    .with_bars(bars)
}

/// Milliseconds without their fraction; the limits are whole.
fn whole(figure: f64) -> u64 {
    unsigned(milliseconds(figure)) / 1_000
}
