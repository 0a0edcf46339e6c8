//! Entity-relationship diagrams in Mermaid, which GitHub and other forges render.

use std::fmt::Write as _;

use neobank_db::FromRow;

use super::reference::{Column, Table};

/// A reference from one table to another.
#[derive(Debug, FromRow)]
pub(super) struct ForeignKey {
    schema: String,
    table_name: String,
    columns: String,
    target_schema: String,
    target: String,
    is_optional: bool,
    is_unique: bool,
}

pub(super) const FOREIGN_KEYS: &str = "SELECT n.nspname::text AS schema, c.relname::text AS table_name,
    (SELECT string_agg(a.attname::text, ', ' ORDER BY a.attnum) FROM pg_attribute AS a
     WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey)) AS columns,
    tn.nspname::text AS target_schema, t.relname::text AS target,
    EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey) AND NOT a.attnotnull) AS is_optional,
    EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisunique AND i.indpred IS NULL
              AND i.indkey::smallint[] = k.conkey) AS is_unique
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_class AS t ON t.oid = k.confrelid JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
WHERE k.contype = 'f' AND n.nspname = ANY ($1) ORDER BY 1, 2, 3";

/// Returns the diagram of one schema with all columns, or of all schemas with the tables' names
/// alone.
pub(super) fn of(
    schema: Option<&str>,
    tables: &[Table],
    columns: &[Column],
    foreign_keys: &[ForeignKey],
) -> anyhow::Result<String> {
    let mut diagram = String::from("```mermaid\nerDiagram\n");
    for table in tables
        .iter()
        .filter(|table| schema.is_none_or(|schema| schema == table.schema))
    {
        if schema.is_none() {
            writeln!(diagram, "    {}", table.name)?;
            continue;
        }
        writeln!(diagram, "    {} {{", table.name)?;
        for column in columns
            .iter()
            .filter(|c| c.schema == table.schema && c.table_name == table.name)
        {
            let references = foreign_keys.iter().any(|key| {
                key.schema == table.schema
                    && key.table_name == table.name
                    && key.columns.split(", ").any(|name| name == column.name)
            });
            let marks = match (column.is_key, references) {
                (true, true) => " PK,FK",
                (true, false) => " PK",
                (false, true) => " FK",
                (false, false) => "",
            };
            writeln!(
                diagram,
                "        {} {}{marks}",
                word(&column.type_name),
                column.name
            )?;
        }
        diagram.push_str("    }\n");
    }
    let drawn = |name: &str| schema.is_none_or(|schema| schema == name);
    for key in foreign_keys
        .iter()
        .filter(|key| drawn(&key.schema) && drawn(&key.target_schema))
    {
        let one = if key.is_optional { "|o" } else { "||" };
        let many = if key.is_unique { "o|" } else { "o{" };
        writeln!(
            diagram,
            "    {} {one}--{many} {} : \"{}\"",
            key.target, key.table_name, key.columns
        )?;
    }
    diagram.push_str("```\n");
    Ok(diagram)
}

/// Returns a type as one word, as Mermaid requires.
fn word(type_name: &str) -> String {
    match type_name {
        "timestamp with time zone" => "timestamptz".to_owned(),
        other => other.replace(|character: char| !character.is_ascii_alphanumeric(), "_"),
    }
}
