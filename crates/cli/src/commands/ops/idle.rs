//! The command `neobank ops idle`.

use neobank_ops::Thresholds;
use neobank_ops::checks::IdleFindings;
use neobank_ops::checks::text::seconds;
use neobank_ops::connections::{IdleConnectionRow, IdleTotalsRow};

use super::subject::{Shown, short};
use crate::output::{Block, Style, Table, cell, optional};

pub(super) fn shown(found: &IdleFindings, thresholds: &Thresholds) -> Vec<Shown> {
    let totals = found.totals.value();
    vec![Shown::of(&found.connections, |rows| {
        let totals = totals.map(|totals| note(totals, thresholds));
        Shown::blocks(totals.into_iter().chain([table(rows)]).collect())
    })]
}

fn note(totals: &IdleTotalsRow, thresholds: &Thresholds) -> Block {
    Block::Note(format!(
        "idle for {} s or longer: {}; in a transaction, for any time: {}",
        thresholds.connections.idle_seconds, totals.idle, totals.in_transaction
    ))
}

fn table(rows: &[IdleConnectionRow]) -> Block {
    let mut table = Table::new(
        &[
            "Process",
            "User",
            "Database",
            "Application",
            "Client",
            "State",
            ">Idle",
            ">Transaction",
            "Last statement",
        ],
        "no connection has been idle for this long",
    );
    for row in rows {
        table.row([
            cell(row.process_id),
            optional(row.username.as_ref()),
            optional(row.database.as_ref()),
            optional(row.application_name.as_ref()),
            optional(row.client_address.as_ref()),
            cell(&row.state).style(Style::attention(row.severity())),
            optional(row.idle_seconds.map(seconds)),
            optional(row.transaction_seconds.map(seconds)),
            optional(row.query.as_deref().map(short)),
        ]);
    }
    Block::Table(table)
}
