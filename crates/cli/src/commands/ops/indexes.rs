//! The command `neobank ops indexes`.

use neobank_ops::TableName;
use neobank_ops::checks::IndexFindings;
use neobank_ops::checks::text::{bytes, counted};
use neobank_ops::indexes::{IndexFinding, IndexProblem};

use super::subject::{Shown, word_of};
use crate::output::{Block, Style, Table, cell, optional};

pub(super) fn shown(found: &IndexFindings) -> Vec<Shown> {
    vec![Shown::of(&found.indexes, |found| {
        Shown::blocks(blocks(found))
    })]
}

fn blocks(found: &[IndexFinding]) -> Vec<Block> {
    let mut table = Table::new(
        &[
            "Index",
            "Table",
            "Problem",
            ">Size",
            ">Scans",
            "Needed for",
            "Mind",
            "What to do",
        ],
        "every index is valid, alone, and used or needed",
    );
    let mut shown: Vec<_> = found.iter().filter(|finding| !finding.is_quiet()).collect();
    shown.sort_by_key(|finding| {
        (
            finding.problem != IndexProblem::Invalid,
            !finding.is_removable(),
            std::cmp::Reverse(finding.index.size_bytes),
        )
    });
    for finding in &shown {
        let style = Style::attention(finding.severity());
        let uses: Vec<_> = finding
            .needed_for
            .iter()
            .map(|one| word_of(one, "use"))
            .collect();
        table.row([
            cell(name(finding)),
            cell(TableName::new(
                &finding.index.schema_name,
                &finding.index.table_name,
            )),
            cell(problem(&finding.problem)).style(style),
            optional(finding.index.size_bytes.map(bytes)),
            cell(finding.index.scans),
            optional(Some(uses.join(", ")).filter(|uses| !uses.is_empty())),
            optional(Some(finding.caveats.join("; ")).filter(|caveats| !caveats.is_empty())),
            cell(finding.advice()),
        ]);
    }
    let quiet = found.len() - shown.len();
    let mut blocks = vec![Block::Table(table)];
    if quiet > 0 {
        blocks.push(Block::Note(format!(
            "{} by no query, but needed for a constraint or a key, or not counted for long enough: no action needed",
            counted(quiet, "index is used", "indexes are used")
        )));
    }
    blocks
}

fn name(finding: &IndexFinding) -> String {
    TableName::new(&finding.index.schema_name, &finding.index.index_name).to_string()
}

fn problem(problem: &IndexProblem) -> String {
    match problem {
        IndexProblem::Duplicate { of } => format!("the same as {of}"),
        IndexProblem::Prefix { of } => format!("the beginning of {of}"),
        other => word_of(other, "problem"),
    }
}
