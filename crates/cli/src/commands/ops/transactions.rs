//! The command `neobank ops transactions`.

use neobank_ops::activity::TransactionRow;
use neobank_ops::checks::TransactionFindings;
use neobank_ops::checks::text::seconds;

use super::subject::{Shown, short};
use crate::output::{Block, Style, Table, cell, optional};

pub(super) fn shown(found: &TransactionFindings) -> Vec<Shown> {
    vec![Shown::of(&found.transactions, |rows| {
        Shown::blocks(vec![table(rows)])
    })]
}

fn table(rows: &[TransactionRow]) -> Block {
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
        "no transaction has been open for this long",
    );
    for row in rows {
        table.row([
            cell(row.process_id),
            optional(row.username.as_ref()),
            optional(row.database.as_ref()),
            optional(row.application_name.as_ref()),
            optional(row.backend_type.as_ref()),
            optional(row.state.as_ref()),
            optional(row.transaction_seconds.map(seconds)).style(Style::attention(row.severity())),
            optional(row.state_seconds.map(seconds)),
            optional(row.held_back_transactions),
            optional(row.query.as_deref().map(short)),
        ]);
    }
    Block::Table(table)
}
