//! The exact space in one table, on demand, by the extension `pgstattuple`.

use neobank_db::{Executor, FromRow, Statement, statement};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::{Cause, Section};
use crate::table_name::{TableName, quoted};

/// The method of measuring a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Measure {
    /// Reads every page: exact, and as slow as a sequential scan.
    Exact,
    /// Takes pages whose rows are all visible from the free space map, and reads the others.
    Approximate,
}

/// Measured figures of a table.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct MeasuredTable {
    /// The size of the file, in bytes.
    pub size_bytes: i64,
    /// Live rows.
    pub live_tuples: i64,
    /// Bytes of live rows.
    pub live_bytes: i64,
    /// Dead row versions.
    pub dead_tuples: i64,
    /// Bytes of dead row versions.
    pub dead_bytes: i64,
    /// Free bytes.
    pub free_bytes: i64,
    /// `live_bytes` as a percentage of the file.
    pub live_percent: f64,
    /// `dead_bytes` as a percentage of the file.
    pub dead_percent: f64,
    /// `free_bytes` as a percentage of the file.
    pub free_percent: f64,
    /// The percentage of the table that was read: 100 for [`Measure::Exact`].
    pub scanned_percent: f64,
}

/// The schema of the extension.
#[derive(Clone, Debug, FromRow)]
struct Home {
    schema_name: String,
}

/// Returns the SQL that measures a table; the extension is in this schema. The result has no row
/// when there is no such table.
#[must_use]
pub fn measure(table: &TableName, measure: Measure, extension_schema: &str) -> Statement {
    let home = quoted(extension_schema);
    let (function, columns) = match measure {
        Measure::Exact => (
            "pgstattuple",
            "measured.tuple_count AS live_tuples, measured.tuple_len AS live_bytes, measured.tuple_percent AS live_percent,
             measured.free_space AS free_bytes, measured.free_percent AS free_percent, 100::pg_catalog.float8 AS scanned_percent",
        ),
        Measure::Approximate => (
            "pgstattuple_approx",
            "measured.approx_tuple_count AS live_tuples, measured.approx_tuple_len AS live_bytes,
             measured.approx_tuple_percent AS live_percent, measured.approx_free_space AS free_bytes,
             measured.approx_free_percent AS free_percent, measured.scanned_percent AS scanned_percent",
        ),
    };
    let sql = format!(
        "SELECT measured.table_len AS size_bytes, measured.dead_tuple_count AS dead_tuples,
            measured.dead_tuple_len AS dead_bytes, measured.dead_tuple_percent AS dead_percent, {columns}
        FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
        CROSS JOIN LATERAL {home}.{function}(class.oid::pg_catalog.regclass) AS measured
        WHERE space.nspname = $1 AND class.relname = $2"
    );
    statement(
        &sql,
        [table.schema.as_str().into(), table.table.as_str().into()],
    )
}

/// Returns the SQL for the schema of the extension.
#[must_use]
pub fn home() -> Statement {
    statement(
        "SELECT space.nspname::pg_catalog.text AS schema_name
        FROM pg_catalog.pg_extension AS extension
        JOIN pg_catalog.pg_namespace AS space ON space.oid = extension.extnamespace
        WHERE extension.extname = 'pgstattuple'",
        [],
    )
}

impl Monitor {
    /// Measures a table. It takes as long as reading the table does: use [`Monitor::with_limits`]
    /// for a large one.
    ///
    /// Needs the extension `pgstattuple`, and the role `pg_stat_scan_tables` or a superuser.
    ///
    /// # Errors
    ///
    /// [`OpsError::Invalid`] for an unknown table, else as [`Monitor::section`].
    pub async fn measure_table(
        &self,
        table: &TableName,
        measure: Measure,
    ) -> Result<Section<MeasuredTable>, OpsError> {
        self.measured(|home| self::measure(table, measure, home))
            .await?
            .ok_or_else(|| OpsError::invalid("table", table, "an existing table"))
    }

    /// Returns the extension's result; none where it finds no relation to measure.
    pub(super) async fn measured<T: FromRow + Send>(
        &self,
        query: impl FnOnce(&str) -> Statement,
    ) -> Result<Option<Section<T>>, OpsError> {
        let measured = self
            .in_transaction(async |transaction| {
                let Some(home) = transaction.fetch_one::<Home>(home()).await? else {
                    return Ok(Some(Section::not_available(
                        Cause::Missing,
                        "the extension pgstattuple is not installed",
                    )));
                };
                let found = transaction.fetch_one(query(&home.schema_name)).await?;
                Ok(found.map(Section::available))
            })
            .await?;
        Ok(match measured {
            Section::Available { value, .. } => value,
            Section::NotAvailable { reason } => Some(Section::NotAvailable { reason }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn every_name_is_quoted() {
        let table = TableName::new("a\"b", "c'; DROP TABLE d; --");
        for (name, measure) in [
            ("measure_exact", Measure::Exact),
            ("measure_approximate", Measure::Approximate),
        ] {
            insta::assert_snapshot!(name, readable(&super::measure(&table, measure, "in\"side")));
        }
        insta::assert_snapshot!("measure_home", readable(&home()));
    }
}
