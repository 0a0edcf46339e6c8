//! How much of each index holds nothing: an estimate, and the exact figures of one index on demand.

use neobank_db::{FromRow, Statement};
use serde::Serialize;

use crate::arrays::texts;
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;
use crate::table_name::{TableName, quoted};

/// A B-tree index, and what the statistics say of the space in its leaves.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct IndexBloatRow {
    /// The schema of the table and of its index.
    pub schema_name: String,
    /// The table.
    pub table_name: String,
    /// The index.
    pub index_name: String,
    /// The file.
    pub size_bytes: i64,
    /// How full a build makes a leaf, in percent.
    pub fillfactor: i32,
    /// Entries, as the last vacuum or analyze counted them.
    pub entries: i64,
    /// An entry's own width with header and padding.
    pub entry_bytes: f64,
    /// Free in the leaves, what the fillfactor reserves among it.
    pub free_percent: f64,
    /// What a rebuild would give back.
    pub bloat_bytes: i64,
    /// `bloat_bytes` of the file.
    pub bloat_percent: f64,
    /// By how many points `free_percent` may be wrong; 100, and no figures above, where the role may not read the
    /// statistics.
    pub margin_percent: f64,
    /// Whether the margin is 5 points at most and there are no doubts.
    pub is_confident: bool,
    /// What speaks against the estimate.
    pub doubts: Vec<String>,
}

/// What was measured of an index.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct MeasuredIndex {
    /// The file.
    pub size_bytes: i64,
    /// Pages with entries.
    pub leaf_pages: i64,
    /// Pages without.
    pub empty_pages: i64,
    /// Pages that may be used again.
    pub deleted_pages: i64,
    /// Free in the leaves and in pages without entries.
    pub free_percent: f64,
    /// Leaves that do not lie one behind the other.
    pub fragmented_percent: f64,
}

/// Indexes that are looked at most: the largest, since a smaller one has less to give back.
pub const INDEXES_MAX: usize = 1_000;

/// The estimate, which the schema's `concurrency.index_bloat()` makes too. It stays SQL: its
/// arithmetic on pages and rows is recursive.
pub(crate) const SQL: &str = include_str!("indexes.sql");

/// The SQL of the estimate: a row for each of the [`INDEXES_MAX`] largest B-trees, those first that would give back most.
///
/// Without schemas, all but the system's.
#[must_use]
pub fn statement(schemas: Option<&[String]>) -> Statement {
    neobank_db::statement(SQL, [texts(schemas)])
}

/// The SQL that measures one index; the extension is in this schema. No row when there is no such index.
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
    /// How much of each B-tree holds nothing, of the [`INDEXES_MAX`] largest. Reads no index and waits for none.
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

    /// Measures a B-tree by reading all of it; its name is given as a table's would be.
    ///
    /// Needs the extension `pgstattuple`, and the role `pg_stat_scan_tables` or a superuser.
    ///
    /// # Errors
    ///
    /// [`OpsError::Invalid`] for an index that is not there, else as [`Monitor::section`].
    pub async fn measure_index(
        &self,
        index: &TableName,
    ) -> Result<Section<MeasuredIndex>, OpsError> {
        self.measured(|home| measure(index, home))
            .await?
            .ok_or_else(|| OpsError::invalid("index", index, "an index that is there"))
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
