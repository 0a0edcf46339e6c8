//! The work of all databases since their statistics began, and its rate per second.

use std::time::Duration;

use chrono::{DateTime, Utc};
use neobank_db::{FromRow, Statement};
use neobank_entity::pg_catalog::PgStatDatabase;
use sea_query::{Expr, ExprTrait, Query};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;
use crate::sql::{clock, coalesce, number};

/// The counters of `pg_stat_database`, summed over all databases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromRow)]
#[non_exhaustive]
pub struct CountersRow {
    /// The time of the reading.
    pub taken_at: DateTime<Utc>,
    /// The last reset of the statistics of any database; none for never.
    pub reset_at: Option<DateTime<Utc>>,
    /// Committed transactions.
    pub commits: i64,
    /// Rolled back transactions.
    pub rollbacks: i64,
    /// Rows that scans read.
    pub rows_returned: i64,
    /// Rows that index scans fetched.
    pub rows_fetched: i64,
    /// Rows inserted, updated and deleted.
    pub rows_written: i64,
    /// Blocks that were not in the server's buffers.
    pub blocks_read: i64,
    /// Blocks that were in the server's buffers.
    pub blocks_hit: i64,
    /// Deadlocks that the server ended.
    pub deadlocks: i64,
    /// Bytes written to temporary files.
    pub temporary_bytes: i64,
}

/// The differences between two readings, per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Rates {
    /// Committed transactions.
    pub commits: u64,
    /// Rolled back transactions.
    pub rollbacks: u64,
    /// Rows that scans read.
    pub rows_returned: u64,
    /// Rows that index scans fetched.
    pub rows_fetched: u64,
    /// Rows inserted, updated and deleted.
    pub rows_written: u64,
    /// Blocks that were not in the server's buffers.
    pub blocks_read: u64,
    /// Blocks that were in the server's buffers.
    pub blocks_hit: u64,
    /// Bytes written to temporary files.
    pub temporary_bytes: u64,
    /// Deadlocks between the two readings, not per second.
    pub deadlocks: u64,
}

/// Returns the SQL for the counters: one row.
#[must_use]
pub fn statement() -> Statement {
    let column = |column: PgStatDatabase| Expr::col(column);
    let written = column(PgStatDatabase::TupInserted)
        .add(column(PgStatDatabase::TupUpdated))
        .add(column(PgStatDatabase::TupDeleted));
    let mut query = Query::select();
    query
        .expr_as(clock(), "taken_at")
        .expr_as(column(PgStatDatabase::StatsReset).max(), "reset_at");
    for (counter, name) in [
        (column(PgStatDatabase::XactCommit), "commits"),
        (column(PgStatDatabase::XactRollback), "rollbacks"),
        (column(PgStatDatabase::TupReturned), "rows_returned"),
        (column(PgStatDatabase::TupFetched), "rows_fetched"),
        (written, "rows_written"),
        (column(PgStatDatabase::BlksRead), "blocks_read"),
        (column(PgStatDatabase::BlksHit), "blocks_hit"),
        (column(PgStatDatabase::Deadlocks), "deadlocks"),
        (column(PgStatDatabase::TempBytes), "temporary_bytes"),
    ] {
        let sum = coalesce(counter.sum(), number(0));
        query.expr_as(sum.cast_as("int8"), name);
    }
    build(query.from(PgStatDatabase::TABLE))
}

impl Monitor {
    /// Reads the work of all databases since their statistics began.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn counters(&self) -> Result<Section<CountersRow>, OpsError> {
        let rows = self.section(statement()).await?;
        Ok(rows.and_then(Section::of_first))
    }
}

impl CountersRow {
    /// Returns the rates since an earlier reading. None when the readings are not comparable: too
    /// little time passed, statistics were reset, or a database was dropped with its counts.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<Rates> {
        let elapsed = (self.taken_at - earlier.taken_at).to_std().ok()?;
        if elapsed < Self::ELAPSED_MIN || self.reset_at != earlier.reset_at {
            return None;
        }
        let counted = |counter: fn(&Self) -> i64| {
            let now = counter(self);
            u64::try_from(now.checked_sub(counter(earlier))?).ok()
        };
        let rate = |counter: fn(&Self) -> i64| {
            let rate = u128::from(counted(counter)?) * 1_000 / elapsed.as_millis();
            u64::try_from(rate).ok()
        };
        Some(Rates {
            commits: rate(|row| row.commits)?,
            rollbacks: rate(|row| row.rollbacks)?,
            rows_returned: rate(|row| row.rows_returned)?,
            rows_fetched: rate(|row| row.rows_fetched)?,
            rows_written: rate(|row| row.rows_written)?,
            blocks_read: rate(|row| row.blocks_read)?,
            blocks_hit: rate(|row| row.blocks_hit)?,
            temporary_bytes: rate(|row| row.temporary_bytes)?,
            deadlocks: counted(|row| row.deadlocks)?,
        })
    }

    /// The least interval of a rate; over a shorter one it is noise.
    const ELAPSED_MIN: Duration = Duration::from_millis(50);
}

impl Rates {
    /// Returns the percentage of blocks that were in the buffers; none when no block was requested.
    #[must_use]
    pub fn hit_percent(&self) -> Option<u64> {
        let all = self.blocks_hit.checked_add(self.blocks_read)?;
        self.blocks_hit.checked_mul(100)?.checked_div(all)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::readable::readable;

    fn at(milliseconds: i64, commits: i64) -> CountersRow {
        CountersRow {
            taken_at: DateTime::UNIX_EPOCH + TimeDelta::milliseconds(milliseconds),
            commits,
            ..CountersRow::default()
        }
    }

    #[test]
    fn the_sql_is_as_reviewed() {
        insta::assert_snapshot!("live_counters", readable(&statement()));
    }

    #[test]
    fn rates_are_per_second() {
        assert_eq!(at(3_000, 700).since(&at(1_000, 100)).unwrap().commits, 300);
        assert_eq!(
            at(1_500, 700).since(&at(1_000, 100)).unwrap().commits,
            1_200
        );
    }

    #[test]
    fn incomparable_readings_have_no_rates() {
        assert_eq!(
            at(1_000, 700).since(&at(1_000, 100)),
            None,
            "no time went by"
        );
        assert_eq!(
            at(1_000, 700).since(&at(2_000, 100)),
            None,
            "time went back"
        );
        assert_eq!(
            at(2_000, 100).since(&at(1_000, 700)),
            None,
            "a database was dropped"
        );
        let reset = CountersRow {
            reset_at: Some(DateTime::UNIX_EPOCH),
            ..at(2_000, 700)
        };
        assert_eq!(reset.since(&at(1_000, 100)), None, "reset");
    }

    #[test]
    fn hit_ratio_needs_requested_blocks() {
        let rates = |blocks_hit, blocks_read| Rates {
            blocks_hit,
            blocks_read,
            ..Rates::default()
        };
        assert_eq!(rates(99, 1).hit_percent(), Some(99));
        assert_eq!(rates(0, 0).hit_percent(), None);
        assert_eq!(rates(u64::MAX, 1).hit_percent(), None);
    }

    proptest! {
        #[test]
        fn no_reading_panics(first in any::<(i32, i64)>(), second in any::<(i32, i64)>()) {
            let _ = at(first.0.into(), first.1).since(&at(second.0.into(), second.1));
        }
    }
}
