//! `neobank ops indexes`.

use neobank_ops::indexes::{IndexFinding, IndexProblem};
use neobank_ops::{Monitor, OpsError, TableName, Thresholds};

use super::part::{Findings, Part, bytes, count, counted, word_of};
use crate::nagios::{Measure, Range, Unit};
use crate::output::{Block, Mood, Table, cell, optional};

pub(super) async fn part(monitor: &Monitor, _: &Thresholds) -> Result<Part, OpsError> {
    of_schemas(monitor, None).await
}

/// Of these schemas; of all but the server's own without any.
pub(super) async fn of_schemas(
    monitor: &Monitor,
    schemas: Option<&[String]>,
) -> Result<Part, OpsError> {
    let section = monitor.index_findings(schemas).await?;
    Ok(Part::of(
        "indexes",
        "Indexes that cost more than they help",
        &section,
        |found| findings(found),
    ))
}

fn findings(found: &[IndexFinding]) -> Findings {
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
    let is_quiet = |finding: &&IndexFinding| {
        finding.problem == IndexProblem::Unused && !finding.is_removable()
    };
    let mut shown: Vec<_> = found.iter().filter(|finding| !is_quiet(finding)).collect();
    shown.sort_by_key(|finding| {
        (
            finding.problem != IndexProblem::Invalid,
            !finding.is_removable(),
            std::cmp::Reverse(finding.index.size_bytes),
        )
    });
    for finding in &shown {
        let mood = match finding.problem {
            IndexProblem::Invalid => Mood::Bad,
            _ if finding.is_removable() => Mood::Warning,
            _ => Mood::Plain,
        };
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
            cell(problem(&finding.problem)).mood(mood),
            optional(finding.index.size_bytes.map(bytes)),
            cell(finding.index.scans),
            optional(Some(uses.join(", ")).filter(|uses| !uses.is_empty())),
            optional(Some(finding.caveats.join("; ")).filter(|caveats| !caveats.is_empty())),
            cell(remedy(finding)),
        ]);
    }
    let quiet = found.len() - shown.len();
    let mut blocks = vec![Block::Table(table)];
    if quiet > 0 {
        blocks.push(Block::Note(format!(
            "{} by no query, but needed for a constraint or a key, or not counted for long enough: nothing to do",
            counted(quiet, "index is used", "indexes are used")
        )));
    }
    let removable = found
        .iter()
        .filter(|finding| finding.is_removable())
        .count();
    let invalid = found
        .iter()
        .filter(|finding| finding.problem == IndexProblem::Invalid)
        .count();
    Findings {
        blocks,
        charts: Vec::new(),
        summary: format!(
            "{} that nothing but queries would miss, {invalid} invalid",
            counted(removable, "index", "indexes")
        ),
        measures: vec![
            Measure::new("removable", count(removable), Unit::Count),
            Measure::new("invalid", count(invalid), Unit::Count)
                .limits(Some(Range::above(0.0)), None),
        ],
    }
}

fn name(finding: &IndexFinding) -> String {
    TableName::new(&finding.index.schema_name, &finding.index.index_name).to_string()
}

/// A statement to copy.
fn remedy(finding: &IndexFinding) -> String {
    let index = TableName::new(&finding.index.schema_name, &finding.index.index_name);
    if finding.is_leftover {
        return format!("A rebuild failed and left it: DROP INDEX CONCURRENTLY {index};");
    }
    if finding.is_too_early {
        return "Nothing yet: scans have been counted for less than a week.".to_owned();
    }
    if finding.problem == IndexProblem::Invalid {
        format!("Build it again: REINDEX INDEX CONCURRENTLY {index};")
    } else if finding.is_removable() && finding.problem == IndexProblem::Unused {
        format!(
            "If it stays unused for as long as your rarest work: DROP INDEX CONCURRENTLY {index};"
        )
    } else if finding.is_removable() {
        format!("DROP INDEX CONCURRENTLY {index};")
    } else {
        "Drop what needs it first.".to_owned()
    }
}

fn problem(problem: &IndexProblem) -> String {
    match problem {
        IndexProblem::Duplicate { of } => format!("the same as {of}"),
        IndexProblem::Prefix { of } => format!("the beginning of {of}"),
        other => word_of(other, "problem"),
    }
}
