//! The check of the buffers' hit ratio.

use serde::Serialize;

use super::text::count;
use super::verdict::{Judgement, SectionVerdict};
use super::{Metric, Subject, Threshold, Unit};
use crate::activity::CacheRow;
use crate::checks::thresholds::Thresholds;
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

pub(super) const SECTIONS: &[&str] = &[];

pub(super) static METRICS: &[&Metric] = &[&HITS];

static HITS: Metric = Metric::new(
    "hits",
    Unit::Percent,
    "cache_hit_ratio",
    "Blocks that were found in the server's buffers, as a share of all that were read.",
);

/// The blocks that each database requested.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct CacheFindings {
    /// A row for each database.
    pub databases: Section<Vec<CacheRow>>,
}

impl CacheFindings {
    pub(super) async fn read(monitor: &Monitor) -> Result<Self, OpsError> {
        Ok(Self {
            databases: monitor.cache_hits().await?,
        })
    }

    pub(super) fn sections(&self, thresholds: &Thresholds) -> Vec<SectionVerdict> {
        vec![SectionVerdict::only(
            Subject::Cache,
            &self.databases,
            |rows| judge(rows, thresholds),
        )]
    }
}

/// Judges the lowest hit ratio among the databases with enough requested blocks.
fn judge(rows: &[CacheRow], thresholds: &Thresholds) -> Judgement {
    let thresholds = &thresholds.cache;
    let blocks_min = i64::try_from(thresholds.blocks_min).unwrap_or(i64::MAX);
    let worst = rows
        .iter()
        .filter(|row| row.blocks_hit.saturating_add(row.blocks_read) >= blocks_min)
        .filter_map(|row| row.hit_percent)
        .min_by(f64::total_cmp);
    let measured = |percent| {
        HITS.of(percent)
            .warning(Threshold::below(count(thresholds.hit_warning_percent)))
            .critical(Threshold::below(count(thresholds.hit_critical_percent)))
    };
    Judgement {
        message: match worst {
            Some(percent) => format!("the worst database finds {percent:.1} % in the buffers"),
            None => "too few blocks were requested to judge".to_owned(),
        },
        advice: Some(
            "Find the statements that read most blocks, or give the server more shared_buffers."
                .to_owned(),
        ),
        measurements: worst.map(measured).into_iter().collect(),
    }
}
