//! The check of the sealer and of the consumers of events.

use serde::Serialize;

use super::text::{count, counted, seconds};
use super::verdict::{Judgement, SectionVerdict};
use super::{Metric, Threshold, Unit};
use crate::checks::thresholds::Thresholds;
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::sealing::{ConsumerLagRow, SealingLagRow, WAITING_RECORDS_MAX};
use crate::section::Section;

pub(super) const SECTIONS: &[&str] = &["sealer", "consumers"];

pub(super) static METRICS: &[&Metric] = &[&SEALER_AGE, &SEALER_RECORDS, &CONSUMER_AGE, &BEHIND];

static SEALER_AGE: Metric = Metric::new(
    "sealer_lag",
    Unit::Seconds,
    "sealing_lag_seconds",
    "The age of the oldest committed transfer or hold event that is not sealed.",
);
static SEALER_RECORDS: Metric = Metric::new(
    "sealer_waiting",
    Unit::Count,
    "sealing_waiting_records",
    "Committed transfers and hold events that are not sealed, counted up to 100,000.",
);
static CONSUMER_AGE: Metric = Metric::new(
    "consumers_longest_lag",
    Unit::Seconds,
    "event_consumers_longest_lag_seconds",
    "The longest time since an event was sealed that a consumer has not processed.",
);
static BEHIND: Metric = Metric::new(
    "consumers_behind",
    Unit::Count,
    "event_consumers_behind",
    "Consumers with sealed events that they have not processed.",
);

/// The lags of the sealer and of the consumers of events.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SealingFindings {
    /// The records that wait to be sealed, in one row.
    pub sealer: Section<Vec<SealingLagRow>>,
    /// The consumers, the longest lag first.
    pub consumers: Section<Vec<ConsumerLagRow>>,
}

impl SealingFindings {
    pub(super) async fn read(monitor: &Monitor) -> Result<Self, OpsError> {
        let sealer = monitor.sealing_lag().await?;
        Ok(Self {
            sealer,
            consumers: monitor.consumer_lags().await?,
        })
    }

    pub(super) fn sections(&self, thresholds: &Thresholds) -> Vec<SectionVerdict> {
        vec![
            SectionVerdict::of("sealer", "Sealer", &self.sealer, |rows| {
                judge_sealer(rows, thresholds)
            }),
            SectionVerdict::of(
                "consumers",
                "Consumers of events",
                &self.consumers,
                |rows| judge_consumers(rows, thresholds),
            ),
        ]
    }
}

fn judge_sealer(rows: &[SealingLagRow], thresholds: &Thresholds) -> Judgement {
    let thresholds = &thresholds.sealing;
    let row = rows.first();
    let message = match row {
        None => "the lag of the sealer is unknown".to_owned(),
        Some(row) if row.waiting_records == 0 => "every record is sealed".to_owned(),
        Some(row) => {
            let or_more = if row.waiting_records >= WAITING_RECORDS_MAX {
                " or more"
            } else {
                ""
            };
            format!(
                "{}{or_more} to be sealed, the oldest for {}",
                counted(row.waiting_records, "record waits", "records wait"),
                seconds(row.waiting_seconds)
            )
        }
    };
    let measure = |row: &SealingLagRow| {
        [
            SEALER_AGE
                .of(row.waiting_seconds)
                .warning(Threshold::from(count(thresholds.record_warning_seconds)))
                .critical(Threshold::from(count(thresholds.record_critical_seconds))),
            SEALER_RECORDS.of(count(row.waiting_records)),
        ]
    };
    Judgement {
        message,
        advice: Some(
            "Run neobank seal --follow as a service, and find the session that locks the seals: neobank ops locks."
                .to_owned(),
        ),
        measurements: row.map(measure).into_iter().flatten().collect(),
    }
}

fn judge_consumers(rows: &[ConsumerLagRow], thresholds: &Thresholds) -> Judgement {
    let thresholds = &thresholds.sealing;
    let behind = rows.iter().filter(|row| row.waiting_events > 0).count();
    let longest = rows
        .iter()
        .max_by(|one, other| one.waiting_seconds.total_cmp(&other.waiting_seconds));
    let message = match longest {
        None => "there are no consumers".to_owned(),
        Some(_) if behind == 0 => "every consumer has processed every event".to_owned(),
        Some(row) => format!(
            "consumer {} has not processed {}, the first for {}",
            row.consumer_name,
            counted(row.waiting_events, "event", "events"),
            seconds(row.waiting_seconds)
        ),
    };
    Judgement {
        message,
        advice: Some(
            "Start the consumer again, or find out why its events fail: it processes one after the other."
                .to_owned(),
        ),
        measurements: vec![
            CONSUMER_AGE
                .of(longest.map_or(0.0, |row| row.waiting_seconds))
                .warning(Threshold::from(count(thresholds.event_warning_seconds)))
                .critical(Threshold::from(count(thresholds.event_critical_seconds))),
            BEHIND.of(count(behind)),
        ],
    }
}
