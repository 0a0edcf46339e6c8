//! `neobank ops indexes`.

use neobank_ops::indexes::{IndexFinding, IndexProblem};
use neobank_ops::{Monitor, OpsError, Thresholds};

use super::part::{Findings, Part, count, word_of};
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
            ">Bytes",
            ">Scans",
            "Needed for",
            "Before it is dropped",
        ],
        "every index is used, valid and alone",
    );
    for finding in found {
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
            cell(format!(
                "{}.{}",
                finding.index.schema_name, finding.index.index_name
            )),
            cell(&finding.index.table_name),
            cell(problem(&finding.problem)).mood(mood),
            optional(finding.index.size_bytes),
            cell(finding.index.scans),
            optional(Some(uses.join(", ")).filter(|uses| !uses.is_empty())),
            cell(finding.caveats.join("; ")),
        ]);
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
        blocks: vec![Block::Table(table)],
        charts: Vec::new(),
        summary: format!(
            "{} findings, {removable} indexes that nothing but queries would miss, {invalid} invalid",
            found.len()
        ),
        measures: vec![
            Measure::new("removable", count(removable), Unit::Count),
            Measure::new("invalid", count(invalid), Unit::Count)
                .limits(Some(Range::above(0.0)), None),
        ],
    }
}

fn problem(problem: &IndexProblem) -> String {
    match problem {
        IndexProblem::Duplicate { of } => format!("the same as {of}"),
        IndexProblem::Prefix { of } => format!("the beginning of {of}"),
        other => word_of(other, "problem"),
    }
}
