//! The name of a table as its two parts, whatever characters they hold.

use std::fmt;

use sea_query::{Alias, IntoTableRef, TableRef};
use serde::{Deserialize, Serialize};

/// A table's schema and its own name, as the catalog has them: without quotes, whatever characters they hold.
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
    /// From the two parts.
    #[must_use]
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            table: table.into(),
        }
    }

    /// For a statement; sea-query quotes both parts.
    pub(crate) fn reference(&self) -> TableRef {
        (Alias::new(&self.schema), Alias::new(&self.table)).into_table_ref()
    }
}

/// An identifier in quotes, for the few places where sea-query takes a name as it is.
pub(crate) fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

impl fmt::Display for TableName {
    /// As SQL writes it, with quotes where it needs them (and around words that are reserved nowhere, which does no harm).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
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
