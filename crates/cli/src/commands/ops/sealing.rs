//! The command `neobank ops sealing`: the lags of the sealer and of the consumers of events.

use neobank_ops::checks::SealingFindings;
use neobank_ops::checks::text::seconds;
use neobank_ops::sealing::{ConsumerLagRow, SealingLagRow};

use super::subject::{Bar, Chart, Shown};
use crate::output::{Block, Style, Table, cell};

/// The greatest number of consumers in the output, the longest lag first; JSON has all of them.
const CONSUMERS_MAX: usize = 20;

pub(super) fn shown(found: &SealingFindings) -> Vec<Shown> {
    vec![
        Shown::of(&found.sealer, |rows| Shown::blocks(sealer(rows))),
        Shown::of(&found.consumers, |rows| consumers(rows)),
    ]
}

fn sealer(rows: &[SealingLagRow]) -> Vec<Block> {
    let fields = |row: &SealingLagRow| {
        Block::Fields(vec![
            ("newest seal", cell(row.seal_number)),
            ("last position", cell(row.last_position)),
            ("records that wait", cell(row.waiting_records)),
            ("the oldest for", cell(seconds(row.waiting_seconds))),
        ])
    };
    rows.iter().map(fields).collect()
}

fn consumers(rows: &[ConsumerLagRow]) -> Shown {
    let columns = [
        "Consumer",
        ">Position",
        ">Events that wait",
        ">The first for",
        "Position stored",
    ];
    let mut table = Table::new(&columns, "there are no consumers");
    for row in rows.iter().take(CONSUMERS_MAX) {
        table.row([
            cell(&row.consumer_name),
            cell(row.last_position),
            cell(row.waiting_events),
            cell(seconds(row.waiting_seconds)),
            cell(row.updated_at),
        ]);
    }
    let mut blocks = vec![Block::Table(table)];
    if rows.len() > CONSUMERS_MAX {
        let note = format!("the first {CONSUMERS_MAX} of {}", rows.len());
        blocks.push(Block::Note(note));
    }
    let bars = rows.iter().take(CONSUMERS_MAX).map(|row| Bar {
        label: row.consumer_name.clone(),
        value: row.waiting_seconds,
        style: Style::Plain,
    });
    Shown {
        blocks,
        charts: Chart::of_bars("Lag of consumers", "s", None, bars.collect()),
    }
}
