//! The check of indexes that are invalid, duplicate or unused.

use serde::Serialize;

use super::text::{count, counted};
use super::verdict::{Judgement, SectionVerdict};
use super::{Metric, Severity, Subject, Threshold, Unit};
use crate::error::OpsError;
use crate::indexes::{IndexFinding, IndexProblem};
use crate::monitor::Monitor;
use crate::section::Section;
use crate::table_name::TableName;

pub(super) const SECTIONS: &[&str] = &[];

pub(super) static METRICS: &[&Metric] = &[&REMOVABLE, &INVALID];

static REMOVABLE: Metric = Metric::new(
    "removable",
    Unit::Count,
    "indexes_removable",
    "Indexes that could be removed.",
);
static INVALID: Metric = Metric::new(
    "invalid",
    Unit::Count,
    "indexes_invalid",
    "Indexes that are invalid.",
);

/// Findings about indexes.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct IndexFindings {
    /// A finding for each such index.
    pub indexes: Section<Vec<IndexFinding>>,
}

impl IndexFindings {
    pub(super) async fn read(
        monitor: &Monitor,
        schemas: Option<&[String]>,
    ) -> Result<Self, OpsError> {
        Ok(Self {
            indexes: monitor.index_findings(schemas).await?,
        })
    }

    pub(super) fn sections(&self) -> Vec<SectionVerdict> {
        vec![SectionVerdict::only(
            Subject::Indexes,
            &self.indexes,
            |found| judge(found),
        )]
    }
}

impl IndexFinding {
    /// Returns the severity in a list: an invalid index comes before one that could be removed. The
    /// subject's verdict warns only of invalid ones.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self.problem {
            IndexProblem::Invalid => Severity::Critical,
            _ if self.is_removable() => Severity::Warning,
            _ => Severity::Ok,
        }
    }

    /// Returns `true` where no action is needed: no query uses the index, but something else needs
    /// it, or its scans have not been counted for long enough.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.problem == IndexProblem::Unused && !self.is_removable()
    }

    /// Returns the advice, with a statement to run.
    #[must_use]
    pub fn advice(&self) -> String {
        let index = TableName::new(&self.index.schema_name, &self.index.index_name);
        if self.is_leftover {
            return format!("A rebuild failed and left it: DROP INDEX CONCURRENTLY {index};");
        }
        if self.is_too_early {
            return "Nothing yet: scans have been counted for less than a week.".to_owned();
        }
        if self.problem == IndexProblem::Invalid {
            format!("Build it again: REINDEX INDEX CONCURRENTLY {index};")
        } else if self.is_removable() && self.problem == IndexProblem::Unused {
            format!(
                "If it stays unused for as long as your rarest work: DROP INDEX CONCURRENTLY {index};"
            )
        } else if self.is_removable() {
            format!("DROP INDEX CONCURRENTLY {index};")
        } else {
            "Drop the objects that need it first.".to_owned()
        }
    }
}

fn judge(found: &[IndexFinding]) -> Judgement {
    let is_invalid = |finding: &&IndexFinding| finding.problem == IndexProblem::Invalid;
    let removable = found.iter().filter(|one| one.is_removable()).count();
    let invalid = found.iter().filter(is_invalid).count();
    Judgement {
        message: format!(
            "{} that nothing but queries would miss, {invalid} invalid",
            counted(removable, "index", "indexes")
        ),
        advice: found.iter().find(is_invalid).map(IndexFinding::advice),
        measurements: vec![
            REMOVABLE.of(count(removable)),
            INVALID.of(count(invalid)).warning(Threshold::above(0.0)),
        ],
    }
}
