//! Facts about each index from the catalog and the counters.

use chrono::{DateTime, Utc};
use neobank_db::{FromRow, Statement};
use serde::Serialize;

use super::query;
use crate::monitor::build;
use crate::server_version::ServerVersion;

/// An index.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct IndexRow {
    /// The schema of the table and of its index.
    pub schema_name: String,
    /// The table.
    pub table_name: String,
    /// The index.
    pub index_name: String,
    /// The method: `btree`, `gin`, …
    pub method: String,
    /// The file; none while another session has locked the table exclusively.
    pub size_bytes: Option<i64>,
    /// Whether queries may use it; a concurrent build that failed leaves one that is not.
    pub is_valid: bool,
    /// Whether writes keep it up to date; also one that is not valid costs as much as any other.
    pub is_ready: bool,
    /// A concurrent build or rebuild of it is under way, so that it is not valid yet.
    pub is_being_built: bool,
    /// Whether it refuses equal rows.
    pub is_unique: bool,
    /// The constraint that it stands for.
    pub constraint_name: Option<String>,
    /// A foreign key of the table whose columns it begins with: deletes and changes in the table that the key names look for
    /// rows by it.
    pub foreign_key_name: Option<String>,
    /// Whether logical replication tells rows apart by it.
    pub is_replica_identity: bool,
    /// Whether the table is kept in its order by `CLUSTER`.
    pub is_clustered: bool,
    /// Whether it belongs to an index of a partitioned table, and cannot be dropped alone.
    pub is_of_partition: bool,
    /// Each key: its column or expression, and behind it operator class, collation and order, as numbers of the catalog.
    pub keys: Vec<String>,
    /// Columns that it only carries along.
    pub included: Vec<String>,
    /// The condition of a partial index.
    pub predicate: Option<String>,
    /// Scans on this server since `counted_since`.
    pub scans: i64,
    /// The last of them; PostgreSQL 16 and newer.
    pub last_scan: Option<DateTime<Utc>>,
    /// When the counters of this database were reset; none when they never were, which is since the last crash at least.
    pub counted_since: Option<DateTime<Utc>>,
    /// For how long the counters have counted at least: since the server's start, or since they were reset after it.
    pub counted_seconds: f64,
    /// Whether queries may also run on standbys, whose scans are not counted here.
    pub has_standbys: bool,
}

/// The SQL for the facts. Without schemas, of all but the system's.
#[must_use]
pub fn statement(version: ServerVersion, schemas: Option<&[String]>) -> Statement {
    build(&query::select(version, schemas))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_text_fits_the_version() {
        for number in [150_000, 160_000] {
            let version = ServerVersion::from_number(number).unwrap();
            insta::assert_snapshot!(
                format!("indexes_{}", version.major()),
                readable(&statement(version, None))
            );
        }
    }
}
