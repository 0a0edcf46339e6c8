//! How far each database and table is from the end of transaction numbers.
//!
//! Numbers of transactions, and of groups of transactions that lock a row together, have 32 bits and go round. A row must be
//! frozen before half of them have passed. Autovacuum sees to that from `autovacuum_freeze_max_age` on; when it cannot, the
//! server refuses all writes three million numbers before the end.

use neobank_db::{FromQueryResult, Statement, statement};
use serde::Serialize;

use crate::arrays::texts;
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

/// From this age on the server assigns no numbers any more: half of all of them, less three million (`xidStopLimit` and
/// `multiStopLimit` in PostgreSQL's source).
pub const STOP_AGE: i64 = 2_147_483_648 - 3_000_000;

/// How many tables are told at most: those that matter come first.
pub const TABLES_MAX: u32 = 1_000;

/// A database's age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromQueryResult)]
#[non_exhaustive]
pub struct DatabaseAgeRow {
    /// The database; also those that nobody may connect to grow old.
    pub database_name: String,
    /// Transactions since the oldest row that is not frozen.
    pub transaction_age: i64,
    /// Groups of transactions since the oldest one that is still in use.
    pub multixact_age: i64,
    /// `autovacuum_freeze_max_age`.
    pub transaction_age_max: i64,
    /// `autovacuum_multixact_freeze_max_age`.
    pub multixact_age_max: i64,
}

/// A table's age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromQueryResult)]
#[non_exhaustive]
pub struct TableAgeRow {
    /// The table's schema.
    pub schema_name: String,
    /// The table; its TOAST table counts as part of it.
    pub table_name: String,
    /// Transactions since the oldest row that is not frozen.
    pub transaction_age: i64,
    /// Groups of transactions since the oldest one that is still in use.
    pub multixact_age: i64,
    /// From when on autovacuum freezes it: the setting, or the table's own.
    pub transaction_age_max: i64,
    /// As above, for groups.
    pub multixact_age_max: i64,
}

/// How much of an age is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AgeLevel {
    /// Autovacuum has nothing to do yet.
    Young,
    /// Autovacuum is at it, or should be.
    Due,
    /// Twice as old as autovacuum lets it become: something keeps it from its work.
    Overdue,
    /// More than four fifths of the way to the end.
    Critical,
}

impl AgeLevel {
    /// The level of an age; `max` is from when on autovacuum freezes.
    #[must_use]
    pub const fn of(age: i64, max: i64) -> Self {
        if age >= STOP_AGE / 5 * 4 {
            Self::Critical
        } else if age >= max.saturating_mul(2) {
            Self::Overdue
        } else if age > max {
            Self::Due
        } else {
            Self::Young
        }
    }
}

impl DatabaseAgeRow {
    /// The worse of its two levels.
    #[must_use]
    pub fn level(&self) -> AgeLevel {
        AgeLevel::of(self.transaction_age, self.transaction_age_max)
            .max(AgeLevel::of(self.multixact_age, self.multixact_age_max))
    }

    /// How many transactions are left before the server refuses writes.
    #[must_use]
    pub const fn transactions_left(&self) -> i64 {
        STOP_AGE.saturating_sub(self.transaction_age)
    }
}

impl TableAgeRow {
    /// The worse of its two levels.
    #[must_use]
    pub fn level(&self) -> AgeLevel {
        AgeLevel::of(self.transaction_age, self.transaction_age_max)
            .max(AgeLevel::of(self.multixact_age, self.multixact_age_max))
    }
}

/// The text of the question: a row for each database, the oldest first.
#[must_use]
pub fn databases() -> Statement {
    statement(include_str!("databases.sql"), [])
}

/// The text of the question: a row for each table, the oldest first, [`TABLES_MAX`] at most. Without schemas, all of them.
#[must_use]
pub fn tables(schemas: Option<&[String]>) -> Statement {
    statement(
        include_str!("tables.sql"),
        [texts(schemas), i64::from(TABLES_MAX).into()],
    )
}

impl Monitor {
    /// How old each database is.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    ///
    /// # Example
    ///
    /// ```
    /// # use neobank_db::DatabaseConfig;
    /// # use neobank_ops::{Monitor, MonitorLimits};
    /// use neobank_ops::wraparound::AgeLevel;
    ///
    /// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let monitor = Monitor::connect(DatabaseConfig::from_url(server.url())?, MonitorLimits::default()).await?;
    /// let databases = monitor.database_ages().await?.into_value().unwrap();
    /// assert!(databases.iter().all(|database| database.level() == AgeLevel::Young));
    /// # Ok::<(), neobank_ops::OpsError>(())
    /// # }).unwrap();
    /// ```
    pub async fn database_ages(&self) -> Result<Section<Vec<DatabaseAgeRow>>, OpsError> {
        self.section(databases()).await
    }

    /// How old each table of this database is.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn table_ages(
        &self,
        schemas: Option<&[String]>,
    ) -> Result<Section<Vec<TableAgeRow>>, OpsError> {
        self.section(tables(schemas)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_texts_stay_as_they_are() {
        insta::assert_snapshot!("database_ages", readable(&databases()));
        insta::assert_snapshot!("table_ages", readable(&tables(None)));
    }

    #[test]
    fn levels_follow_the_limits() {
        let max = 200_000_000;
        for (age, level) in [
            (0, AgeLevel::Young),
            (max, AgeLevel::Young),
            (max + 1, AgeLevel::Due),
            (2 * max, AgeLevel::Overdue),
            (1_715_586_918, AgeLevel::Critical),
            (i64::MAX, AgeLevel::Critical),
        ] {
            assert_eq!(AgeLevel::of(age, max), level, "{age}");
        }
        // A limit close to the end does not hide the end.
        assert_eq!(
            AgeLevel::of(1_900_000_000, 2_000_000_000),
            AgeLevel::Critical
        );
    }
}
