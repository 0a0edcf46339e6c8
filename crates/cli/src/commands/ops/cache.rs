//! The command `neobank ops cache`.

use neobank_ops::activity::CacheRow;
use neobank_ops::checks::CacheFindings;

use super::subject::{Bar, Chart, Shown};
use crate::output::{Block, Style, Table, cell, optional};

/// The name of the row for the catalogs that all databases share, such as `pg_database`.
const SHARED: &str = "(shared)";
/// The greatest number of bars.
const BARS_MAX: usize = 10;

pub(super) fn shown(found: &CacheFindings) -> Vec<Shown> {
    vec![Shown::of(&found.databases, |rows| Shown {
        blocks: vec![table(rows)],
        charts: chart(rows),
    })]
}

fn table(rows: &[CacheRow]) -> Block {
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
    Block::Table(table)
}

fn chart(rows: &[CacheRow]) -> Vec<Chart> {
    let bars = rows.iter().filter_map(|row| {
        Some(Bar {
            label: row.database.clone().unwrap_or_else(|| SHARED.to_owned()),
            value: row.hit_percent?,
            style: Style::Plain,
        })
    });
    Chart::of_bars(
        "Blocks found in the buffers",
        "%",
        Some(100.0),
        bars.take(BARS_MAX).collect(),
    )
}
