//! SeaORM's entities by its own generator, with corrections for the schemas, and errors for what it
//! cannot express.

use std::collections::{BTreeMap, HashSet};

use anyhow::{bail, ensure};
use neobank_db::{Database, Executor, FromRow, statement};
use sea_orm_codegen::{
    BannerVersion, BigIntegerType, DateTimeCrate, EntityFormat, EntityTransformer,
    EntityWriterContext, OutputFile, WithPrelude, WithSerde,
};
use sea_schema::postgres::def::TableDef;
use sea_schema::postgres::discovery::SchemaDiscovery;
use sqlx::postgres::PgPoolOptions;

use super::SCHEMAS;
use super::code::{HEADER, format_code};
use super::enums::EnumColumns;
use super::output::Files;

#[derive(Debug, FromRow)]
struct PartialIndex {
    name: String,
}

#[derive(Debug, FromRow)]
struct ColumnType {
    column: String,
    type_name: String,
}

/// Generates a module for each schema.
pub(super) async fn generate(
    url: &str,
    database: &Database,
    enums: &EnumColumns,
    files: &mut Files,
) -> anyhow::Result<()> {
    reject_columns_without_a_type(database).await?;
    // Discovery finds names by the search path; every schema must be on it.
    let pool = PgPoolOptions::new().max_connections(1).connect(url).await?;
    sqlx::query("SET search_path = banking, pooling, concurrency")
        .execute(&pool)
        .await?;
    let partial = partial_indexes(database).await?;

    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for schema in SCHEMAS {
        let discovered = SchemaDiscovery::new(pool.clone(), schema)
            .discover()
            .await?;
        for table in &discovered.tables {
            // The generator resolves foreign keys by the bare name of a table.
            if let Some(other) = seen.insert(table.info.name.clone(), schema) {
                bail!(
                    "{other}.{0} and {schema}.{0} have one name: relations between schemas would be wrong",
                    table.info.name
                );
            }
        }
        let tables = discovered
            .tables
            .into_iter()
            .map(|table| without_partial_indexes(table, &partial).write());
        let output = EntityTransformer::transform(tables.collect())?.generate(&context(schema));
        for OutputFile { name, content } in output.files {
            ensure!(
                !content.contains("#[sea_orm(ignore"),
                "{schema}/{name} has a column that cannot be typed"
            );
            let table_path = format!("{schema}/{}", name.trim_end_matches(".rs"));
            let content = format_code(&set_right(&content))?;
            let content = with_enums(&content, &table_path, enums)?;
            let path = format!("crates/entity/src/orm/{schema}/{name}");
            files.add(path, format_code(&format!("{HEADER}{content}"))?);
        }
    }
    Ok(())
}

/// Fails on the first column whose type the generator would omit silently, or read as a text.
async fn reject_columns_without_a_type(database: &Database) -> anyhow::Result<()> {
    let sql = "SELECT format('%s.%s.%s', n.nspname, c.relname, a.attname) AS column,
                coalesce(base.typname, t.typname)::text AS type_name
         FROM pg_catalog.pg_attribute AS a
         JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
         LEFT JOIN pg_catalog.pg_type AS base ON base.oid = t.typbasetype AND t.typtype = 'd'
         WHERE a.attnum > 0 AND NOT a.attisdropped AND n.nspname = ANY ($1)
         ORDER BY n.nspname, c.relname, a.attnum";
    let schemas: Vec<String> = SCHEMAS.map(str::to_owned).to_vec();
    let columns: Vec<ColumnType> = database
        .fetch_many(statement(sql, [schemas.into()]))
        .await?;
    reject_untyped(&columns)
}

fn reject_untyped(columns: &[ColumnType]) -> anyhow::Result<()> {
    // The types that both the generated code and the models support.
    let known: HashSet<&str> = [
        "bool",
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "numeric",
        "text",
        "varchar",
        "bytea",
        "uuid",
        "date",
        "timestamptz",
        "jsonb",
    ]
    .into();
    match columns
        .iter()
        .find(|column| !known.contains(column.type_name.as_str()))
    {
        Some(column) => bail!(
            "{} is of type {}, which the entities cannot hold",
            column.column,
            column.type_name
        ),
        None => Ok(()),
    }
}

/// The generator takes a unique index with a condition for a unique column.
async fn partial_indexes(database: &Database) -> anyhow::Result<HashSet<String>> {
    let sql = "SELECT c.relname::text AS name FROM pg_catalog.pg_index AS i
         JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
         WHERE i.indpred IS NOT NULL OR i.indexprs IS NOT NULL";
    let rows: Vec<PartialIndex> = database.fetch_many(statement(sql, [])).await?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

fn without_partial_indexes(mut table: TableDef, partial: &HashSet<String>) -> TableDef {
    table
        .unique_constraints
        .retain(|unique| !partial.contains(&unique.name));
    table
}

fn context(schema: &str) -> EntityWriterContext {
    EntityWriterContext::new(
        EntityFormat::Compact,
        WithPrelude::None,
        WithSerde::None,
        false,
        DateTimeCrate::Chrono,
        BigIntegerType::I64,
        Some(schema.to_owned()),
        false,
        false,
        false,
        Vec::new(),
        Vec::new(),
        Vec::new(),
        Vec::new(),
        Vec::new(),
        false,
        true,
        BannerVersion::Off,
    )
}

/// Times are UTC in the models; the generator would give them an offset.
fn set_right(content: &str) -> String {
    let content = content.replace("DateTimeWithTimeZone", "DateTimeUtc");
    let lines = content.lines().filter(|line| !line.starts_with("//!"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Gives columns of a domain with few values their enum, which has the column's type.
fn with_enums(content: &str, table_path: &str, enums: &EnumColumns) -> anyhow::Result<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in content.lines() {
        let field = line
            .trim()
            .strip_prefix("pub ")
            .and_then(|field| field.split_once(": "));
        match field.and_then(|(column, type_name)| {
            Some((column, type_name, enums.of(table_path, column)?))
        }) {
            None => lines.push(line.to_owned()),
            Some((column, type_name, name)) => {
                ensure!(
                    lines
                        .pop()
                        .is_some_and(|before| before.contains("column_type = \"Text\"")),
                    "{table_path}.{column} has attributes that its enum would lose"
                );
                let type_name = type_name.replace("String", &format!("crate::enums::{name}"));
                lines.push(format!("pub {column}: {type_name}"));
            }
        }
    }
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_cannot_be_typed_is_named() {
        let column = |column: &str, type_name: &str| ColumnType {
            column: column.to_owned(),
            type_name: type_name.to_owned(),
        };
        let good = [
            column("banking.a.b", "numeric"),
            column("banking.a.c", "uuid"),
        ];
        assert!(reject_untyped(&good).is_ok());
        for type_name in ["inet", "interval", "xid8", "tstzrange", "account_status"] {
            let error = reject_untyped(&[column("banking.a.b", type_name)])
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("banking.a.b") && error.contains(type_name),
                "{error}"
            );
        }
    }
}
