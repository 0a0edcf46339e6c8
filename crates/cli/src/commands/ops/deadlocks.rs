//! The command `neobank ops deadlocks`.

use neobank_ops::checks::{DeadlockFindings, Verdict};
use neobank_ops::deadlocks::{DeadlockCountRow, DeadlockRisk, DeadlockRow};

use super::subject::{Shown, message, short, word};
use crate::output::{Block, Style, Table, cell, optional};

pub(super) fn shown(found: &DeadlockFindings, verdict: &Verdict) -> Vec<Shown> {
    let logged = Block::Note(message(verdict, "log").to_owned());
    vec![
        Shown::of(&found.log, |rows| Shown::blocks(vec![logged, log(rows)])),
        Shown::of(&found.counts, |rows| Shown::blocks(vec![counts(rows)])),
        Shown::of(&found.risks, |rows| Shown::blocks(vec![risks(rows)])),
    ]
}

fn log(rows: &[DeadlockRow]) -> Block {
    let mut table = Table::new(
        &["Time (UTC)", "Process", "Statement", "Result"],
        "none in this period",
    );
    for row in rows {
        table.row([
            cell(row.deadlock_time.format("%Y-%m-%d %H:%M:%S")),
            optional(row.process_id),
            optional(row.query_text.as_deref().map(short)),
            optional(row.resolution.as_ref()),
        ]);
    }
    Block::Table(table)
}

fn counts(rows: &[DeadlockCountRow]) -> Block {
    let mut table = Table::new(&["Database", ">Deadlocks", "Counted since"], "no databases");
    for row in rows {
        table.row([
            cell(&row.database),
            cell(row.deadlocks),
            optional(row.counted_since),
        ]);
    }
    Block::Table(table)
}

fn risks(rows: &[DeadlockRisk]) -> Block {
    let mut table = Table::new(
        &["Risk", "Level", "First", "Its locks", "Second", "Its locks"],
        "no sessions that could deadlock",
    );
    for risk in rows {
        let style = Style::from(risk.severity());
        table.row([
            cell(word(risk.risk)),
            cell(word(risk.level)).style(style),
            cell(&risk.first),
            cell(&risk.first_locks),
            cell(&risk.second),
            cell(&risk.second_locks),
        ]);
    }
    Block::Table(table)
}
