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
    /// The access method: `btree`, `gin`, …
    pub method: String,
    /// The size of the file, in bytes; none while another session has locked the table exclusively.
    pub size_bytes: Option<i64>,
    /// `true` if queries may use it; a failed concurrent build leaves an invalid one.
    pub is_valid: bool,
    /// `true` if writes maintain it; an invalid index may cost as much as any other.
    pub is_ready: bool,
    /// `true` while a concurrent build or rebuild of it runs, so that it is not valid yet.
    pub is_being_built: bool,
    /// `true` if it rejects equal rows.
    pub is_unique: bool,
    /// The constraint that it enforces.
    pub constraint_name: Option<String>,
    /// A foreign key of the table whose columns it begins with: deletes and updates in the
    /// referenced table find rows by it.
    pub foreign_key_name: Option<String>,
    /// `true` if logical replication identifies rows by it.
    pub is_replica_identity: bool,
    /// `true` if `CLUSTER` orders the table by it.
    pub is_clustered: bool,
    /// `true` if it belongs to an index of a partitioned table, and cannot be dropped alone.
    pub is_of_partition: bool,
    /// Each key: its column or expression, followed by operator class, collation and order, as
    /// numbers of the catalog.
    pub keys: Vec<String>,
    /// Columns that it includes without being keys.
    pub included: Vec<String>,
    /// The condition of a partial index.
    pub predicate: Option<String>,
    /// Scans on this server since `counted_since`.
    pub scans: i64,
    /// The time of the last scan; PostgreSQL 16 and newer.
    pub last_scan: Option<DateTime<Utc>>,
    /// The last reset of the counters of this database; none when they were never reset, except by
    /// a crash.
    pub counted_since: Option<DateTime<Utc>>,
    /// The least time that the counters cover, in seconds: since the server's start, or since a
    /// later reset.
    pub counted_seconds: f64,
    /// `true` if queries may also run on standbys, whose scans are not counted here.
    pub has_standbys: bool,
}

/// Returns the SQL for the facts. Without schemas, it covers all but the system's.
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
