//! Bloat of indexes: an estimate for each, and exact figures of one index on demand.

use neobank_db::{FromRow, Statement};
use serde::Serialize;

use crate::arrays::texts;
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;
use crate::table_name::{TableName, quoted};

/// A B-tree index with an estimate of the free space in its leaves, from statistics.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct IndexBloatRow {
    /// The schema of the table and of its index.
    pub schema_name: String,
    /// The table.
    pub table_name: String,
    /// The index.
    pub index_name: String,
    /// The size of the file, in bytes.
    pub size_bytes: i64,
    /// The fillfactor: how full a build makes a leaf, in percent.
    pub fillfactor: i32,
    /// The number of entries at the last vacuum or analyze.
    pub entries: i64,
    /// The width of an entry with header and padding, in bytes.
    pub entry_bytes: f64,
    /// Free space in the leaves, with the reserve of the fillfactor, as a percentage.
    pub free_percent: f64,
    /// Bytes that a rebuild would free.
    pub bloat_bytes: i64,
    /// `bloat_bytes` as a percentage of the file.
    pub bloat_percent: f64,
    /// The possible error of `free_percent`, in percentage points. It is 100 when the role may not
    /// read the statistics; the estimates of free space and bloat are then 0.
    pub margin_percent: f64,
    /// `true` if the margin is at most 5 points and `doubts` is empty.
    pub is_confident: bool,
    /// Reasons why the estimate may be wrong.
    pub doubts: Vec<String>,
}

/// Measured figures of an index.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct MeasuredIndex {
    /// The size of the file, in bytes.
    pub size_bytes: i64,
    /// Pages with entries.
    pub leaf_pages: i64,
    /// Pages without entries.
    pub empty_pages: i64,
    /// Pages that may be used again.
    pub deleted_pages: i64,
    /// Free space in the leaves and in pages without entries, as a percentage.
    pub free_percent: f64,
    /// Leaves that do not follow each other in the file, as a percentage.
    pub fragmented_percent: f64,
}

/// The greatest number of indexes in the estimate: the largest, since a smaller one can free less.
pub const INDEXES_MAX: usize = 1_000;

/// The estimate, which the schema's `concurrency.index_bloat()` also contains. It stays SQL,
/// because its arithmetic on pages and rows is recursive.
pub(crate) const SQL: &str = include_str!("indexes.sql");

/// Returns the SQL of the estimate: a row for each of the [`INDEXES_MAX`] largest B-trees, with the
/// most bloat first.
///
/// Without schemas, it covers all but the system's.
#[must_use]
pub fn statement(schemas: Option<&[String]>) -> Statement {
    neobank_db::statement(SQL, [texts(schemas)])
}

/// Returns the SQL that measures one index; the extension is in this schema. The result has no row
/// when there is no such index.
#[must_use]
pub fn measure(index: &TableName, extension_schema: &str) -> Statement {
    let sql = format!(
        "SELECT measured.index_size AS size_bytes, measured.leaf_pages AS leaf_pages, measured.empty_pages AS empty_pages,
            measured.deleted_pages AS deleted_pages,
            CASE WHEN measured.leaf_pages = 0 THEN 0 ELSE 100 - measured.avg_leaf_density * measured.leaf_pages
                / (measured.leaf_pages + measured.empty_pages + measured.deleted_pages) END AS free_percent,
            CASE WHEN measured.leaf_pages = 0 THEN 0 ELSE measured.leaf_fragmentation END AS fragmented_percent
        FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
        CROSS JOIN LATERAL {}.pgstatindex(class.oid::pg_catalog.regclass) AS measured
        WHERE space.nspname = $1 AND class.relname = $2 AND class.relkind = 'i'",
        quoted(extension_schema)
    );
    neobank_db::statement(
        &sql,
        [index.schema.as_str().into(), index.table.as_str().into()],
    )
}

impl Monitor {
    /// Estimates the bloat of the [`INDEXES_MAX`] largest B-trees. It reads no index and waits for
    /// none.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn index_bloat(
        &self,
        schemas: Option<&[String]>,
    ) -> Result<Section<Vec<IndexBloatRow>>, OpsError> {
        self.section_past_locks(statement(schemas)).await
    }

    /// Measures a B-tree by reading all of it; its name has the form of a table's name.
    ///
    /// Needs the extension `pgstattuple`, and the role `pg_stat_scan_tables` or a superuser.
    ///
    /// # Errors
    ///
    /// [`OpsError::Invalid`] for an unknown index, else as [`Monitor::section`].
    pub async fn measure_index(
        &self,
        index: &TableName,
    ) -> Result<Section<MeasuredIndex>, OpsError> {
        self.measured(|home| measure(index, home))
            .await?
            .ok_or_else(|| OpsError::invalid("index", index, "an existing index"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn limit_is_that_of_the_sql() {
        assert!(SQL.contains(&format!("\n    LIMIT {INDEXES_MAX}\n")));
    }

    #[test]
    fn the_sql_of_a_measure_is_as_reviewed() {
        let index = TableName::new("a\"b", "c'; DROP TABLE d; --");
        insta::assert_snapshot!("measure_index", readable(&measure(&index, "in\"side")));
    }
}
