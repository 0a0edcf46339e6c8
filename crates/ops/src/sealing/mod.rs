//! The lag of the sealer, and of the consumers of events.
//!
//! Transactions that run do not hold the sealer back: it waits only for a lock on `banking.seals`,
//! and seals nothing where no process calls it.

use chrono::{DateTime, Utc};
use neobank_db::FromRow;
use neobank_entity::functions::banking::{ConsumerLags, SealingLag};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

/// The records that wait to be sealed.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct SealingLagRow {
    /// The newest seal; 0 if nothing was ever sealed.
    pub seal_number: i64,
    /// The position of the last sealed record.
    pub last_position: i64,
    /// Committed transfers and hold events that no seal has, counted up to
    /// [`WAITING_RECORDS_MAX`].
    pub waiting_records: i64,
    /// The time since the oldest of them was written, in seconds; 0 if there are none.
    pub waiting_seconds: f64,
}

/// The greatest number of waiting records that are counted.
pub const WAITING_RECORDS_MAX: i64 = 100_000;

/// A consumer of events.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct ConsumerLagRow {
    /// The consumer.
    pub consumer_name: String,
    /// The position of the last event that it has processed.
    pub last_position: i64,
    /// The sealed events after that position.
    pub waiting_events: i64,
    /// The time since the first of them was sealed, in seconds; 0 if there are none.
    pub waiting_seconds: f64,
    /// The time at which the consumer stored its position.
    pub updated_at: DateTime<Utc>,
}

impl Monitor {
    /// Reads the lag of the sealer: one row.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn sealing_lag(&self) -> Result<Section<Vec<SealingLagRow>>, OpsError> {
        self.section(SealingLag {}.statement()).await
    }

    /// Reads the lag of each consumer of events, the longest first, and at most 1,000 of them.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn consumer_lags(&self) -> Result<Section<Vec<ConsumerLagRow>>, OpsError> {
        self.section(ConsumerLags {}.statement()).await
    }
}
