//! The command `neobank ops health`.

use neobank_ops::Section;
use neobank_ops::checks::HealthFindings;
use neobank_ops::health::HealthCheck;

use super::subject::{Shown, word};
use crate::output::{Block, Table, cell, optional};

pub(super) fn shown(found: &HealthFindings) -> Vec<Shown> {
    [&found.server, &found.settings, &found.pools]
        .into_iter()
        .flatten()
        .map(section)
        .collect()
}

fn section(section: &Section<Vec<HealthCheck>>) -> Shown {
    Shown::of(section, |checks| Shown::blocks(vec![table(checks)]))
}

fn table(checks: &[HealthCheck]) -> Block {
    let mut table = Table::new(
        &["Check", "Status", "Verdict", "Now", "What to do"],
        "there are no samples",
    );
    for check in checks {
        table.row([
            cell(check.check_name.replace('_', " ")),
            cell(word(check.status)).style(check.status.into()),
            optional(check.verdict.map(word)),
            cell(&check.current_value),
            cell(&check.recommendation),
        ]);
    }
    Block::Table(table)
}
