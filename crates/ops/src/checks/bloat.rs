//! The check of bloat: space in tables and indexes that a rewrite would free.

use serde::Serialize;

use super::text::{bytes, count};
use super::verdict::{Judgement, SectionVerdict};
use super::{Metric, Threshold, Unit};
use crate::bloat::indexes::{INDEXES_MAX, IndexBloatRow};
use crate::bloat::tables::{TABLES_MAX, TableBloatRow};
use crate::checks::thresholds::Thresholds;
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;
use crate::table_name::TableName;

pub(super) const SECTIONS: &[&str] = &["tables", "indexes"];

pub(super) static METRICS: &[&Metric] = &[
    &TABLES_WORST,
    &TABLES_KIBIBYTES,
    &INDEXES_WORST,
    &INDEXES_KIBIBYTES,
];

static TABLES_WORST: Metric = Metric::new(
    "tables_worst",
    Unit::Percent,
    "bloat_tables_worst_ratio",
    "The largest estimated share of a table that a rewrite would free.",
);
static TABLES_KIBIBYTES: Metric = Metric::new(
    "tables_tables_kilobytes",
    Unit::Kibibytes,
    "bloat_tables_bytes",
    "The estimated space in tables that a rewrite would free.",
);
static INDEXES_WORST: Metric = Metric::new(
    "indexes_worst",
    Unit::Percent,
    "bloat_indexes_worst_ratio",
    "The largest estimated share of an index that a rewrite would free.",
);
static INDEXES_KIBIBYTES: Metric = Metric::new(
    "indexes_indexes_kilobytes",
    Unit::Kibibytes,
    "bloat_indexes_bytes",
    "The estimated space in indexes that a rewrite would free.",
);

/// The percentage from which a rewrite is worth its cost; normal writes reuse smaller gaps.
const WORTH_PERCENT: f64 = 30.0;
/// The least number of bytes that is worth a rewrite.
const WORTH_BYTES: i64 = 1 << 20;

/// The estimates of the largest tables and B-tree indexes.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct BloatFindings {
    /// The tables.
    pub tables: Section<Vec<TableBloatRow>>,
    /// The indexes.
    pub indexes: Section<Vec<IndexBloatRow>>,
}

impl BloatFindings {
    pub(super) async fn read(
        monitor: &Monitor,
        schemas: Option<&[String]>,
    ) -> Result<Self, OpsError> {
        Ok(Self {
            tables: monitor.table_bloat(schemas).await?,
            indexes: monitor.index_bloat(schemas).await?,
        })
    }

    pub(super) fn sections(&self, thresholds: &Thresholds) -> Vec<SectionVerdict> {
        vec![
            SectionVerdict::of("tables", "Tables", &self.tables, |rows| {
                judge_tables(rows, thresholds)
            }),
            SectionVerdict::of("indexes", "B-tree indexes", &self.indexes, |rows| {
                judge_indexes(rows, thresholds)
            }),
        ]
    }
}

impl TableBloatRow {
    /// Returns the advice: a vacuum for dead rows first, and a rewrite for a large share of a large
    /// enough file with a confident estimate.
    #[must_use]
    pub fn advice(&self) -> String {
        let name = TableName::new(&self.schema_name, &self.table_name);
        if self.dead_tuples > self.live_tuples / 5 {
            return format!("VACUUM (ANALYZE) {name};");
        }
        match (
            is_worth_it(self.bloat_percent, self.bloat_bytes),
            self.is_confident,
        ) {
            (false, _) => "Nothing: new rows fill it.".to_owned(),
            (true, true) => {
                format!("VACUUM (FULL) {name}; it locks the table exclusively while it runs")
            }
            (true, false) => format!("Update the statistics first: ANALYZE {name};"),
        }
    }

    /// Returns `true` where the estimate is missing, because the role may not read the table's
    /// statistics.
    #[must_use]
    pub fn has_unread_statistics(&self) -> bool {
        are_unread(&self.doubts)
    }
}

impl IndexBloatRow {
    /// Returns the advice: a rebuild for a large share of a large enough file with a confident
    /// estimate.
    #[must_use]
    pub fn advice(&self) -> String {
        let table = TableName::new(&self.schema_name, &self.table_name);
        let name = TableName::new(&self.schema_name, &self.index_name);
        match (
            is_worth_it(self.bloat_percent, self.bloat_bytes),
            self.is_confident,
        ) {
            (false, _) => "Nothing: new entries fill it.".to_owned(),
            (true, true) => format!("REINDEX INDEX CONCURRENTLY {name};"),
            (true, false) => format!("Update the statistics first: VACUUM (ANALYZE) {table};"),
        }
    }

    /// Returns `true` where the estimate is missing, because the role may not read the table's
    /// statistics.
    #[must_use]
    pub fn has_unread_statistics(&self) -> bool {
        are_unread(&self.doubts)
    }
}

fn is_worth_it(percent: f64, bytes: i64) -> bool {
    percent >= WORTH_PERCENT && bytes >= WORTH_BYTES
}

fn are_unread(doubts: &[String]) -> bool {
    doubts
        .iter()
        .any(|doubt| doubt == "statistics may not be read")
}

/// The figures of a table or an index that the verdict needs.
struct Estimate {
    size_bytes: i64,
    bloat_bytes: i64,
    bloat_percent: f64,
    is_confident: bool,
    advice: String,
}

fn judge_tables(rows: &[TableBloatRow], thresholds: &Thresholds) -> Judgement {
    let estimate = |row: &TableBloatRow| Estimate {
        size_bytes: row.size_bytes,
        bloat_bytes: row.bloat_bytes,
        bloat_percent: row.bloat_percent,
        is_confident: row.is_confident,
        advice: row.advice(),
    };
    let estimates: Vec<_> = rows.iter().map(estimate).collect();
    let metrics = [&TABLES_WORST, &TABLES_KIBIBYTES];
    judge("tables", TABLES_MAX, &estimates, metrics, thresholds)
}

fn judge_indexes(rows: &[IndexBloatRow], thresholds: &Thresholds) -> Judgement {
    let estimate = |row: &IndexBloatRow| Estimate {
        size_bytes: row.size_bytes,
        bloat_bytes: row.bloat_bytes,
        bloat_percent: row.bloat_percent,
        is_confident: row.is_confident,
        advice: row.advice(),
    };
    let estimates: Vec<_> = rows.iter().map(estimate).collect();
    let metrics = [&INDEXES_WORST, &INDEXES_KIBIBYTES];
    judge("indexes", INDEXES_MAX, &estimates, metrics, thresholds)
}

/// Judges the largest share of bloat among files that are large enough and have a confident
/// estimate.
fn judge(
    what: &str,
    most: usize,
    estimates: &[Estimate],
    metrics: [&'static Metric; 2],
    thresholds: &Thresholds,
) -> Judgement {
    let total = estimates
        .iter()
        .map(|one| one.bloat_bytes)
        .fold(0, i64::saturating_add);
    let which = if estimates.len() < most {
        ""
    } else {
        "the largest "
    };
    let thresholds = &thresholds.bloat;
    let least = i64::try_from(thresholds.size_min_mebibytes).unwrap_or(i64::MAX);
    let worst = estimates
        .iter()
        .filter(|one| one.is_confident && one.size_bytes >> 20 >= least)
        .filter(|one| !one.bloat_percent.is_nan())
        .max_by(|one, other| one.bloat_percent.total_cmp(&other.bloat_percent));
    let share = worst.map_or(0.0, |worst| worst.bloat_percent.max(0.0));
    let [share_metric, space_metric] = metrics;
    Judgement {
        message: format!(
            "{} of bloat in {which}{} {what}",
            bytes(total),
            estimates.len()
        ),
        advice: worst.map(|worst| worst.advice.clone()),
        measurements: vec![
            share_metric
                .of(share)
                .warning(Threshold::from(count(thresholds.share_warning_percent)))
                .critical(Threshold::from(count(thresholds.share_critical_percent))),
            // In kibibytes, the size of a large database stays within the range of a count.
            space_metric.of(count(total / 1024)),
        ],
    }
}
