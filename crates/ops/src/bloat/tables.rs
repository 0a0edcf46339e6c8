//! Bloat of tables: an estimate for each.

use neobank_db::{FromRow, Statement};
use serde::Serialize;

use crate::arrays::texts;
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

/// A table with an estimate of the free and dead space in its file, from statistics.
///
/// The estimate follows the layout of a row: the header, the bitmap of nulls, each field at its
/// alignment, the line pointer on the page. Unknown quantities (varying widths, line pointers of
/// removed rows) are added up to a margin.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct TableBloatRow {
    /// The table's schema.
    pub schema_name: String,
    /// The table.
    pub table_name: String,
    /// The size of the file, in bytes, without indexes and TOAST.
    pub size_bytes: i64,
    /// The size of its TOAST table, in bytes, which the estimate does not cover.
    pub toast_bytes: i64,
    /// The fillfactor: how full an insert makes a page, in percent.
    pub fillfactor: i32,
    /// Rows, as the server counts them.
    pub live_tuples: i64,
    /// Row versions that a vacuum would remove, as the server counts them.
    pub dead_tuples: i64,
    /// The width of a row with header and padding, in bytes.
    pub row_bytes: f64,
    /// Bytes that are free for new rows, with the reserve of the fillfactor.
    pub free_bytes: i64,
    /// Bytes of dead row versions, which a vacuum frees. Versions that were pruned already count as
    /// free.
    pub dead_bytes: i64,
    /// Bytes that a rewrite would free.
    pub bloat_bytes: i64,
    /// `free_bytes` as a percentage of the file.
    pub free_percent: f64,
    /// `dead_bytes` as a percentage of the file.
    pub dead_percent: f64,
    /// `bloat_bytes` as a percentage of the file.
    pub bloat_percent: f64,
    /// The possible error of free and dead space together, in percentage points. It is 100 when the
    /// role may not read the statistics; the estimates of free space, dead rows and bloat are then 0.
    pub margin_percent: f64,
    /// `true` if the margin is at most 5 points and `doubts` is empty.
    pub is_confident: bool,
    /// Reasons why the estimate may be wrong.
    pub doubts: Vec<String>,
    /// The time of the last analyze.
    pub last_analyzed: Option<chrono::DateTime<chrono::Utc>>,
    /// The last `VACUUM` by a command.
    pub last_vacuum: Option<chrono::DateTime<chrono::Utc>>,
    /// The last vacuum by autovacuum.
    pub last_autovacuum: Option<chrono::DateTime<chrono::Utc>>,
}

/// The greatest number of tables in the estimate: the largest, since a smaller one can free less.
pub const TABLES_MAX: usize = 1_000;

/// The estimate, which the schema's `concurrency.table_bloat()` also contains. It stays SQL,
/// because its arithmetic on pages and rows is recursive.
pub(crate) const SQL: &str = include_str!("tables.sql");

/// Returns the SQL of the estimate: a row for each of the [`TABLES_MAX`] largest ordinary tables
/// and materialized views, with the most bloat first.
///
/// Without schemas, it covers all but the system's.
#[must_use]
pub fn statement(schemas: Option<&[String]>) -> Statement {
    neobank_db::statement(SQL, [texts(schemas)])
}

impl Monitor {
    /// Estimates the free and dead space in each table's file, for the [`TABLES_MAX`] largest. It
    /// reads no table and waits for none. A table with an exclusive lock, held or awaited, has the
    /// size that the catalog recorded, and a doubt.
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
