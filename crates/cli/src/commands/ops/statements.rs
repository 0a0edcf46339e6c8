//! The command `neobank ops statements`.

use neobank_ops::activity::StatementRow;
use neobank_ops::checks::StatementFindings;

use super::subject::{Bar, Chart, Shown, short};
use crate::output::{Block, Style, Table, cell, optional};

/// The greatest number of bars.
const BARS_MAX: usize = 10;

pub(super) fn shown(found: &StatementFindings) -> Vec<Shown> {
    vec![Shown::of(&found.statements, |rows| Shown {
        blocks: vec![table(rows)],
        charts: chart(rows),
    })]
}

fn table(rows: &[StatementRow]) -> Block {
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
    Block::Table(table)
}

fn chart(rows: &[StatementRow]) -> Vec<Chart> {
    let bars = rows.iter().take(BARS_MAX).map(|row| Bar {
        label: row.query.as_deref().map(short).unwrap_or_default(),
        value: row.total_milliseconds,
        style: Style::Plain,
    });
    Chart::of_bars("Time of all calls together", "ms", None, bars.collect())
}
