//! The models and identifiers of every table and view, from the catalogue.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, ensure};
use neobank_db::{Database, Executor, FromRow, statement};

use super::SCHEMAS;
use super::code::{HEADER, format_code, type_name};
use super::enums::EnumColumns;
use super::output::Files;

// The catalog never marks a view's columns as NOT NULL.
const COLUMNS: &str = "SELECT space.nspname::text AS schema, class.relname::text AS relation,
    class.relkind = 'v' AS is_view, field.attname::text AS name,
    coalesce(base.typname, type.typname)::text AS type_name,
    field.attnotnull OR coalesce(type.typnotnull, false) AS is_required
FROM pg_catalog.pg_attribute AS field
JOIN pg_catalog.pg_class AS class ON class.oid = field.attrelid AND class.relkind IN ('r', 'p', 'v')
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
JOIN pg_catalog.pg_type AS type ON type.oid = field.atttypid
LEFT JOIN pg_catalog.pg_type AS base ON base.oid = type.typbasetype AND type.typtype = 'd'
WHERE space.nspname = ANY ($1) AND field.attnum > 0 AND NOT field.attisdropped
    AND NOT class.relispartition
ORDER BY space.nspname, class.relname, field.attnum";

#[derive(Debug, FromRow)]
struct ColumnRow {
    schema: String,
    relation: String,
    is_view: bool,
    name: String,
    type_name: String,
    is_required: bool,
}

/// Generates a module for each schema, with one for each of its tables and views.
pub(super) async fn generate(
    database: &Database,
    enums: &EnumColumns,
    files: &mut Files,
) -> anyhow::Result<()> {
    let schemas: Vec<String> = SCHEMAS.map(str::to_owned).to_vec();
    let columns: Vec<ColumnRow> = database
        .fetch_many(statement(COLUMNS, [schemas.into()]))
        .await?;
    let mut relations: BTreeMap<(&str, &str), Vec<&ColumnRow>> = BTreeMap::new();
    for column in &columns {
        let relation = (column.schema.as_str(), column.relation.as_str());
        relations.entry(relation).or_default().push(column);
    }
    for schema in SCHEMAS {
        let mut modules = String::new();
        for ((_, relation), columns) in relations.iter().filter(|((of, _), _)| *of == schema) {
            writeln!(modules, "pub mod {relation};")?;
            let path = format!("crates/entity/src/{schema}/{relation}.rs");
            files.add(path, format_code(&module(columns, enums)?)?);
        }
        let path = format!("crates/entity/src/{schema}/mod.rs");
        files.add(path, format_code(&format!("{HEADER}{modules}"))?);
    }
    Ok(())
}

fn module(columns: &[&ColumnRow], enums: &EnumColumns) -> anyhow::Result<String> {
    let first = columns.first().context("a relation without columns")?;
    let (schema, relation) = (&first.schema, &first.relation);
    let kind = if first.is_view { "view" } else { "table" };
    let table_path = format!("{schema}/{relation}");
    let mut fields = String::new();
    let mut identifiers = String::new();
    for column in columns {
        let name = &column.name;
        // The names are used unchanged in Rust, and unquoted in SQL.
        ensure!(
            name.starts_with(|letter: char| letter.is_ascii_lowercase())
                && name.chars().all(|letter| letter.is_ascii_lowercase()
                    || letter.is_ascii_digit()
                    || letter == '_'),
            "{schema}.{relation}.{name} is no simple name"
        );
        let rust_type = match enums.of(&table_path, name) {
            Some(name) => format!("crate::enums::{name}"),
            None => rust_type(&column.type_name)
                .with_context(|| {
                    format!(
                        "{schema}.{relation}.{name} is of type {}, which a model cannot hold",
                        column.type_name
                    )
                })?
                .to_owned(),
        };
        let rust_type = match column.is_required && !column.is_view {
            true => rust_type,
            false => format!("Option<{rust_type}>"),
        };
        writeln!(fields, "pub {name}: {rust_type},")?;
        writeln!(identifiers, "{name} => {},", type_name(name))?;
    }
    Ok(format!(
        "{HEADER}//! The {kind} `{schema}.{relation}`.\n\n\
         /// A row.\n#[derive(Clone, Debug, PartialEq)]\npub struct Model {{ {fields} }}\n\n\
         crate::relation::relation!(\"{schema}\".\"{relation}\" {{\n{identifiers}}});\n"
    ))
}

fn rust_type(type_name: &str) -> Option<&'static str> {
    Some(match type_name {
        "bool" => "bool",
        "int2" => "i16",
        "int4" => "i32",
        "int8" => "i64",
        "oid" => "u32",
        "float4" => "f32",
        "float8" => "f64",
        "numeric" => "rust_decimal::Decimal",
        "text" | "varchar" | "name" => "String",
        "interval" => "crate::Interval",
        "bytea" => "Vec<u8>",
        "uuid" => "uuid::Uuid",
        "date" => "chrono::NaiveDate",
        "timestamptz" => "chrono::DateTime<chrono::Utc>",
        "jsonb" => "serde_json::Value",
        "_text" | "_name" => "Vec<String>",
        "_int4" => "Vec<i32>",
        "_int8" => "Vec<i64>",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, type_name: &str, is_view: bool) -> ColumnRow {
        ColumnRow {
            schema: "banking".to_owned(),
            relation: "accounts".to_owned(),
            is_view,
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            is_required: true,
        }
    }

    #[test]
    fn a_views_columns_may_be_null_and_a_required_column_of_a_table_may_not() {
        let code = |is_view| {
            let column = column("version", "int8", is_view);
            module(&[&column], &EnumColumns::default()).unwrap()
        };
        assert!(code(false).contains("pub version: i64,"), "{}", code(false));
        assert!(
            code(true).contains("pub version: Option<i64>,"),
            "{}",
            code(true)
        );
    }

    #[test]
    fn a_column_that_a_model_cannot_hold_is_named() {
        for (name, type_name) in [("span", "tstzrange"), ("Odd", "text"), ("a\"b", "text")] {
            let column = column(name, type_name, false);
            let error = module(&[&column], &EnumColumns::default()).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
