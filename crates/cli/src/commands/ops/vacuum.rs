//! The command `neobank ops vacuum`: the holders of the xmin horizon, and transaction ID
//! wraparound.

use neobank_ops::checks::VacuumFindings;
use neobank_ops::checks::text::{count, seconds};
use neobank_ops::horizon::HorizonReport;
use neobank_ops::wraparound::DatabaseAgeRow;

use super::subject::{Bar, Chart, Shown, word};
use crate::output::{Block, Style, Table, cell, optional};

/// The greatest number of holders in the output, the oldest first; JSON has all of them.
const HOLDERS_MAX: usize = 10;
/// The greatest number of bars.
const BARS_MAX: usize = 12;

pub(super) fn shown(found: &VacuumFindings) -> Vec<Shown> {
    vec![
        Shown::of(&found.wraparound, |rows| ages(rows)),
        Shown::of(&found.horizon, |report| Shown::blocks(holders(report))),
    ]
}

fn holders(report: &HorizonReport) -> Vec<Block> {
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
        "no session, transaction or slot",
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
    let mut blocks = vec![Block::Table(table)];
    if report.holders.len() > HOLDERS_MAX {
        blocks.push(Block::Note(format!(
            "the oldest {HOLDERS_MAX} of {}",
            report.holders.len()
        )));
    }
    if !report.sees_session_details {
        blocks.push(Block::Note(
            "the role may not see states and times of other roles' sessions; the privileges of pg_monitor are enough"
                .to_owned(),
        ));
    }
    blocks
}

fn ages(rows: &[DatabaseAgeRow]) -> Shown {
    let mut table = Table::new(
        &["Database", ">Transactions", ">Multixacts", ">Left", "Level"],
        "no databases",
    );
    let mut bars = Vec::new();
    for row in rows {
        let style = Style::from(row.level().severity());
        table.row([
            cell(&row.database_name),
            cell(row.transaction_age),
            cell(row.multixact_age),
            cell(row.transactions_left()),
            cell(word(row.level())).style(style),
        ]);
        bars.push(Bar {
            label: row.database_name.clone(),
            value: count(row.used_percent()),
            style,
        });
    }
    bars.truncate(BARS_MAX);
    let title = "Used transaction numbers";
    Shown {
        blocks: vec![Block::Table(table)],
        charts: Chart::of_bars(title, "%", Some(100.0), bars),
    }
}
