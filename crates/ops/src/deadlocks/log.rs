//! Past deadlocks: the schema's own log, and the server's count.

use chrono::{DateTime, Utc};
use neobank_db::{FromRow, Statement};
use neobank_entity::concurrency::deadlock_log::{Column, Entity};
use neobank_entity::pg_catalog::PgStatDatabase;
use sea_query::{Expr, ExprTrait, Func, Order, Query};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;

/// The greatest number of rows that are read from the log, the newest first.
pub const LOGGED_MAX: u64 = 1_000;

/// A deadlock whose victim was a transaction of this library: a row of `concurrency.deadlock_log`.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct DeadlockRow {
    /// The row's number.
    pub log_id: i64,
    /// The time of the entry.
    pub deadlock_time: DateTime<Utc>,
    /// The process identifier of the victim's session, where it is known.
    pub process_id: Option<i32>,
    /// The name of the victim's transaction.
    pub query_text: Option<String>,
    /// `{"waits": […]}`: the waits of each side, in the server's words.
    pub lock_info: Option<serde_json::Value>,
    /// The result for the victim.
    pub resolution: Option<String>,
}

/// The number of logged deadlocks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromRow)]
#[non_exhaustive]
pub struct DeadlockTotalRow {
    /// Rows of the log, including those beyond [`LOGGED_MAX`] and those that cannot be read.
    pub logged: i64,
}

/// Deadlocks of all sessions of a database, by the server's own count.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct DeadlockCountRow {
    /// The database's name.
    pub database: String,
    /// The number since the statistics began.
    pub deadlocks: i64,
    /// The start of the statistics; none when they were never reset.
    pub counted_since: Option<DateTime<Utc>>,
}

/// Returns the SQL for the log of the last hours, the newest first.
#[must_use]
pub fn statement(window_hours: u32) -> Statement {
    build(
        Query::select()
            .columns([
                Column::LogId,
                Column::DeadlockTime,
                Column::ProcessId,
                Column::QueryText,
                Column::LockInfo,
                Column::Resolution,
            ])
            .from(Entity.table_ref())
            .and_where(is_since(window_hours))
            .order_by(Column::DeadlockTime, Order::Desc)
            .order_by(Column::LogId, Order::Desc)
            .limit(LOGGED_MAX),
    )
}

/// Returns the SQL for the number of logged deadlocks: one row.
#[must_use]
pub fn total_statement(window_hours: u32) -> Statement {
    build(
        Query::select()
            .expr_as(Func::count(Expr::cust("*")), "logged")
            .from(Entity.table_ref())
            .and_where(is_since(window_hours)),
    )
}

fn is_since(window_hours: u32) -> Expr {
    Expr::col(Column::DeadlockTime).gt(Expr::cust_with_values(
        "pg_catalog.clock_timestamp() - pg_catalog.make_interval(hours => $1)",
        [i32::try_from(window_hours).unwrap_or(i32::MAX)],
    ))
}

/// Returns the SQL for the server's count.
#[must_use]
pub fn count_statement() -> Statement {
    let name = || Expr::col(PgStatDatabase::Datname);
    build(
        Query::select()
            .expr_as(name().cast_as("text"), "database")
            .column(PgStatDatabase::Deadlocks)
            .expr_as(Expr::col(PgStatDatabase::StatsReset), "counted_since")
            .from(PgStatDatabase::TABLE)
            .and_where(name().is_not_null())
            .order_by(PgStatDatabase::Deadlocks, Order::Desc)
            .order_by(PgStatDatabase::Datname, Order::Asc),
    )
}

impl Monitor {
    /// Reads the deadlocks that transactions of this library met in the last hours, the newest
    /// first.
    ///
    /// # Errors
    ///
    /// [`OpsError::Invalid`] for zero hours, or more than ten years of them; else as
    /// [`Monitor::section`].
    pub async fn deadlocks(
        &self,
        window_hours: u32,
    ) -> Result<Section<Vec<DeadlockRow>>, OpsError> {
        check(window_hours)?;
        self.section(statement(window_hours)).await
    }

    /// Counts the deadlocks that transactions of this library met in the last hours, also those
    /// beyond the list of [`Monitor::deadlocks`].
    ///
    /// # Errors
    ///
    /// As [`Monitor::deadlocks`].
    pub async fn deadlock_total(
        &self,
        window_hours: u32,
    ) -> Result<Section<DeadlockTotalRow>, OpsError> {
        check(window_hours)?;
        let rows = self.section(total_statement(window_hours)).await?;
        Ok(rows.and_then(Section::of_first))
    }

    /// Reads the server's own count of deadlocks for each database.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn deadlock_counts(&self) -> Result<Section<Vec<DeadlockCountRow>>, OpsError> {
        self.section(count_statement()).await
    }
}

fn check(window_hours: u32) -> Result<(), OpsError> {
    if (1..=87_600).contains(&window_hours) {
        return Ok(());
    }
    Err(OpsError::invalid(
        "window_hours",
        &window_hours,
        "between 1 and 87600",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_is_as_reviewed() {
        insta::assert_snapshot!("deadlocks", readable(&statement(24)));
        insta::assert_snapshot!("deadlock_total", readable(&total_statement(24)));
        insta::assert_snapshot!("deadlock_counts", readable(&count_statement()));
    }
}
