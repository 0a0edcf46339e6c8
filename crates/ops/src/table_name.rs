//! The name of a table in two parts, whatever characters they contain.

use std::fmt;

use sea_query::{Alias, IntoTableRef, TableRef};
use serde::{Deserialize, Serialize};

/// A table's schema and its own name as in the catalog: without quotes, whatever characters they
/// contain.
///
/// # Example
///
/// ```
/// use neobank_ops::TableName;
///
/// assert_eq!(TableName::new("banking", "accounts").to_string(), "banking.accounts");
/// assert_eq!(TableName::new("My Bank", "a.\"b\"").to_string(), r#""My Bank"."a.""b""""#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// The schema's name.
    pub schema: String,
    /// The table's name in it.
    pub table: String,
}

impl TableName {
    /// Creates a name from the two parts.
    #[must_use]
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            table: table.into(),
        }
    }

    /// Returns the reference for a statement; sea-query quotes both parts.
    pub(crate) fn reference(&self) -> TableRef {
        (Alias::new(&self.schema), Alias::new(&self.table)).into_table_ref()
    }
}

/// The words that need quotes as names in some place: those that `pg_get_keywords()` of PostgreSQL
/// 15 to 18 gives any category but "unreserved".
const KEYWORDS: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "json",
    "json_array",
    "json_arrayagg",
    "json_exists",
    "json_object",
    "json_objectagg",
    "json_query",
    "json_scalar",
    "json_serialize",
    "json_table",
    "json_value",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "merge_action",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

/// Returns an identifier in quotes, for the few places where sea-query takes a name unquoted.
pub(crate) fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

impl fmt::Display for TableName {
    /// Writes the SQL form, with quotes where `quote_ident` sets them, also around keywords.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |part: &str| {
            !KEYWORDS.contains(&part)
                && part.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
                && part
                    .chars()
                    .all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_')
        };
        let [schema, table] = [&self.schema, &self.table].map(|part| {
            if plain(part) {
                part.clone()
            } else {
                quoted(part)
            }
        });
        write!(formatter, "{schema}.{table}")
    }
}
