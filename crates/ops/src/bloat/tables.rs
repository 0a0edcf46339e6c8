//! How much of each table's file holds nothing: an estimate.

use neobank_db::{FromRow, Statement};
use serde::Serialize;

use crate::arrays::texts;
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

/// A table, and what its statistics say of the space in its file.
///
/// The estimate follows the layout of a row: the header, the bitmap of nulls, each field on its alignment, the pointer on the
/// page. What it cannot know (widths that vary, pointers of rows that are gone) is added up to a margin.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct TableBloatRow {
    /// The table's schema.
    pub schema_name: String,
    /// The table.
    pub table_name: String,
    /// The file; without indexes and TOAST.
    pub size_bytes: i64,
    /// The TOAST table beside it, of which nothing is estimated.
    pub toast_bytes: i64,
    /// How full an insert makes a page, in percent.
    pub fillfactor: i32,
    /// Rows, as the server counts them.
    pub live_tuples: i64,
    /// Row versions that a vacuum would remove, as the server counts them.
    pub dead_tuples: i64,
    /// A row's own width with header and padding.
    pub row_bytes: f64,
    /// Free for new rows, what the fillfactor reserves among it.
    pub free_bytes: i64,
    /// Taken by dead row versions; a vacuum makes it free. Versions that were pruned since are free already.
    pub dead_bytes: i64,
    /// What a rewrite would give back.
    pub bloat_bytes: i64,
    /// `free_bytes` of the file.
    pub free_percent: f64,
    /// `dead_bytes` of the file.
    pub dead_percent: f64,
    /// `bloat_bytes` of the file.
    pub bloat_percent: f64,
    /// By how many points free and dead space together may be wrong; 100, and no figures above, where the role may not read
    /// the statistics.
    pub margin_percent: f64,
    /// Whether the margin is 5 points at most and there are no doubts.
    pub is_confident: bool,
    /// What speaks against the estimate.
    pub doubts: Vec<String>,
    /// When the statistics were made.
    pub last_analyzed: Option<chrono::DateTime<chrono::Utc>>,
    /// The last `VACUUM` by a command.
    pub last_vacuum: Option<chrono::DateTime<chrono::Utc>>,
    /// The last vacuum by autovacuum.
    pub last_autovacuum: Option<chrono::DateTime<chrono::Utc>>,
}

/// Tables that are looked at most: the largest, since a smaller one has less to give back.
pub const TABLES_MAX: usize = 1_000;

/// The estimate, which the schema's `concurrency.table_bloat()` makes too. It stays SQL: its
/// arithmetic on pages and rows is recursive.
pub(crate) const SQL: &str = include_str!("tables.sql");

/// The SQL of the estimate: a row for each of the [`TABLES_MAX`] largest ordinary tables and materialized views, those first
/// that would give back most.
///
/// Without schemas, all but the system's.
#[must_use]
pub fn statement(schemas: Option<&[String]>) -> Statement {
    neobank_db::statement(SQL, [texts(schemas)])
}

impl Monitor {
    /// Estimates how much of each table's file is free or dead, for the [`TABLES_MAX`] largest.
    /// Reads no table and waits for none: a table that a session has locked exclusively, or wants
    /// to, has the size that the catalog recorded, and a doubt.
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
    /// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let monitor = Monitor::connect(DatabaseConfig::from_url(server.url())?, MonitorLimits::default()).await?;
    /// let tables = monitor.table_bloat(Some(&["banking".to_owned()])).await?.into_value().unwrap();
    /// for table in tables.iter().filter(|table| table.is_confident && table.bloat_percent > 30.0) {
    ///     println!("{}.{}: {} bytes to get back", table.schema_name, table.table_name, table.bloat_bytes);
    /// }
    /// # Ok::<(), neobank_ops::OpsError>(())
    /// # }).unwrap();
    /// ```
    pub async fn table_bloat(
        &self,
        schemas: Option<&[String]>,
    ) -> Result<Section<Vec<TableBloatRow>>, OpsError> {
        self.section_past_locks(statement(schemas)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_is_that_of_the_sql() {
        assert!(SQL.contains(&format!("\n    LIMIT {TABLES_MAX}\n")));
    }
}
