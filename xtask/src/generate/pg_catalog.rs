//! Identifiers of the relations of `pg_catalog` that monitoring reads, with the versions that have
//! each column.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::ensure;
use neobank_db::{Database, Executor, FromRow, statement};

use super::code::{HEADER, format_code, literal, type_name};
use super::output::Files;

/// The relations that `neobank-ops` reads.
const RELATIONS: [&str; 20] = [
    "pg_am",
    "pg_attribute",
    "pg_class",
    "pg_constraint",
    "pg_database",
    "pg_db_role_setting",
    "pg_extension",
    "pg_index",
    "pg_locks",
    "pg_namespace",
    "pg_prepared_xacts",
    "pg_replication_slots",
    "pg_roles",
    "pg_settings",
    "pg_stat_activity",
    "pg_stat_database",
    "pg_stat_progress_create_index",
    "pg_stat_progress_vacuum",
    "pg_stat_replication",
    "pg_stat_wal_receiver",
];

const PATH: &str = "crates/entity/src/pg_catalog.rs";

const COLUMNS: &str = "SELECT class.relname::text AS relation, field.attname::text AS name,
    field.attnum::int8 AS place, format_type(field.atttypid, NULL) AS data_type
FROM pg_catalog.pg_attribute AS field
JOIN pg_catalog.pg_class AS class ON class.oid = field.attrelid
WHERE class.relnamespace = 'pg_catalog'::regnamespace AND class.relname = ANY ($1)
    AND field.attnum > 0 AND NOT field.attisdropped";

#[derive(Debug, FromRow)]
struct ReadColumn {
    relation: String,
    name: String,
    place: i64,
    data_type: String,
}

/// A column in the versions that were read.
#[derive(Debug, PartialEq, Eq)]
struct Column {
    place: i64,
    data_type: String,
    since: u32,
    until: u32,
}

/// The columns of each relation in the versions that were read.
#[derive(Debug, Default)]
pub(super) struct Relations {
    versions: Vec<u32>,
    columns: BTreeMap<String, BTreeMap<String, Column>>,
}

impl Relations {
    /// Adds the columns of a server of this version; versions are read from the oldest on.
    pub(super) async fn read(&mut self, version: u32, database: &Database) -> anyhow::Result<()> {
        let names = RELATIONS.map(str::to_owned).to_vec();
        let read: Vec<ReadColumn> = database
            .fetch_many(statement(COLUMNS, [names.into()]))
            .await?;
        for relation in RELATIONS {
            ensure!(
                read.iter().any(|column| column.relation == relation),
                "PostgreSQL {version} has no pg_catalog.{relation}"
            );
        }
        self.add(version, read);
        Ok(())
    }

    fn add(&mut self, version: u32, read: Vec<ReadColumn>) {
        self.versions.push(version);
        for column in read {
            let columns = self.columns.entry(column.relation).or_default();
            let since = columns
                .get(&column.name)
                .map_or(version, |known| known.since);
            columns.insert(
                column.name,
                Column {
                    place: column.place,
                    data_type: column.data_type,
                    since,
                    until: version,
                },
            );
        }
    }

    /// Generates an enum for each relation.
    pub(super) fn generate(&self, files: &mut Files) -> anyhow::Result<()> {
        let newest = self.versions.last().copied().unwrap_or_default();
        let mut code = format!(
            "{HEADER}//! Columns of the relations of `pg_catalog` that monitoring reads.\n\n\
             use std::borrow::Cow;\n\nuse sea_query::{{Expr, Iden}};\n\n\
             use crate::catalog_relation::catalog_relation;\n\n\
             /// The major versions of PostgreSQL whose catalogs were read. A column that the newest\n\
             /// has and the oldest does not came with any version between.\n\
             pub const VERSIONS: [u32; {}] = {:?};\n",
            self.versions.len(),
            self.versions
        );
        for (relation, columns) in &self.columns {
            write!(
                code,
                "\ncatalog_relation! {{\n    /// Columns of `pg_catalog.{relation}`.\n    {} = {} {{\n",
                type_name(relation),
                literal(relation)
            )?;
            let mut columns: Vec<_> = columns.iter().collect();
            columns.sort_by_key(|(name, column)| (column.place, *name));
            for (name, column) in columns {
                code.push_str(&self.declaration(name, column, newest));
            }
            code.push_str("    }\n}\n");
        }
        files.add(PATH, format_code(&code)?);
        Ok(())
    }

    fn declaration(&self, name: &str, column: &Column, newest: u32) -> String {
        let oldest = self.versions.first().copied().unwrap_or_default();
        let limits = match (column.since > oldest, column.until < newest) {
            (false, false) => String::new(),
            (true, _) => format!(" Not in PostgreSQL {oldest}."),
            (_, true) => format!(" No longer in PostgreSQL {newest}."),
        };
        let until = if column.until < newest {
            format!("Some({})", column.until)
        } else {
            "None".to_owned()
        };
        format!(
            "        /// `{}`.{limits}\n        {} = {}, {}, {until};\n",
            column.data_type,
            type_name(name),
            literal(name),
            column.since
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &[&str]) -> Vec<ReadColumn> {
        let column = |name: &&str| ReadColumn {
            relation: "pg_class".to_owned(),
            name: (*name).to_owned(),
            place: 1,
            data_type: "oid".to_owned(),
        };
        names.iter().map(column).collect()
    }

    #[test]
    fn columns_that_a_version_lacks_are_documented() {
        let mut relations = Relations::default();
        relations.add(15, read(&["always", "old"]));
        relations.add(18, read(&["always", "new"]));
        let declared =
            |name: &str| relations.declaration(name, &relations.columns["pg_class"][name], 18);
        assert_eq!(
            declared("always").trim_start(),
            "/// `oid`.\n        Always = \"always\", 15, None;\n"
        );
        assert!(declared("new").contains("Not in PostgreSQL 15."));
        assert!(declared("new").contains("\"new\", 18, None;"));
        assert!(declared("old").contains("No longer in PostgreSQL 18."));
        assert!(declared("old").contains("\"old\", 15, Some(15);"));
    }
}
