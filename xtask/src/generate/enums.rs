//! An enum for each domain over text whose check lists its values.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, bail, ensure};
use neobank_db::{Database, Executor, FromRow, statement};

use super::SCHEMAS;
use super::code::{HEADER, format_code, literal, type_name};
use super::output::Files;

/// The domains that never get another value: bookkeeping has two sides.
const COMPLETE: [&str; 1] = ["entry_type"];

const PATH: &str = "crates/entity/src/enums.rs";

const DOMAINS: &str = "SELECT domain.typname::text AS name,
    obj_description(domain.oid, 'pg_type') AS comment,
    pg_get_constraintdef(rule.oid) AS definition
FROM pg_type AS domain
JOIN pg_namespace AS space ON space.oid = domain.typnamespace
JOIN pg_constraint AS rule ON rule.contypid = domain.oid AND rule.contype = 'c'
WHERE space.nspname = ANY ($1) AND domain.typtype = 'd' AND domain.typbasetype = 'text'::regtype
ORDER BY domain.typname";

const COLUMNS: &str = "SELECT format('%s/%s', space.nspname, class.relname) AS table_path,
    field.attname::text AS column_name, domain.typname::text AS domain_name
FROM pg_attribute AS field
JOIN pg_class AS class ON class.oid = field.attrelid AND class.relkind IN ('r', 'p', 'v')
JOIN pg_namespace AS space ON space.oid = class.relnamespace
JOIN pg_type AS domain ON domain.oid = field.atttypid AND domain.typtype = 'd'
WHERE space.nspname = ANY ($1) AND field.attnum > 0 AND NOT field.attisdropped";

#[derive(Debug, FromRow)]
struct Domain {
    name: String,
    comment: Option<String>,
    definition: String,
}

#[derive(Debug, FromRow)]
struct DomainColumn {
    table_path: String,
    column_name: String,
    domain_name: String,
}

/// The enum of each column that has one, by `schema/table` and by the column's name.
#[derive(Debug, Default)]
pub(super) struct EnumColumns(BTreeMap<(String, String), String>);

impl EnumColumns {
    /// Returns the enum's name in Rust.
    pub(super) fn of(&self, table_path: &str, column: &str) -> Option<&str> {
        self.0
            .get(&(table_path.to_owned(), column.to_owned()))
            .map(String::as_str)
    }
}

/// Generates the enums and returns which columns hold one.
pub(super) async fn generate(
    database: &Database,
    files: &mut Files,
) -> anyhow::Result<EnumColumns> {
    let schemas: Vec<String> = SCHEMAS.map(str::to_owned).to_vec();
    let domains: Vec<Domain> = database
        .fetch_many(statement(DOMAINS, [schemas.clone().into()]))
        .await?;
    let mut code = format!(
        "{HEADER}//! The values of texts with few values, an enum for each domain of the schema.\n\n\
         use std::fmt;\nuse std::str::FromStr;\n\n\
         use serde::{{Deserialize, Serialize}};\n\n\
         use crate::UnknownValue;\nuse crate::text_column::text_column;\n"
    );
    let mut known = BTreeMap::new();
    for domain in &domains {
        let Some(values) = listed_values(&domain.definition) else {
            continue;
        };
        let name = type_name(&domain.name);
        ensure!(
            known.insert(domain.name.clone(), name.clone()).is_none(),
            "two domains are called {}, or one has two lists of values",
            domain.name
        );
        write_enum(&mut code, domain, &name, &values)?;
    }
    files.add(PATH, format_code(&code)?);

    let columns: Vec<DomainColumn> = database
        .fetch_many(statement(COLUMNS, [schemas.into()]))
        .await?;
    let columns = columns.into_iter().filter_map(|column| {
        let name = known.get(&column.domain_name)?;
        Some(((column.table_path, column.column_name), name.clone()))
    });
    Ok(EnumColumns(columns.collect()))
}

/// Returns the values of `CHECK ((VALUE = ANY (ARRAY['a'::text, 'b'::text])))`, and nothing for any
/// other check.
fn listed_values(definition: &str) -> Option<Vec<String>> {
    // An enlarged list is not validated against the rows, which all have older values.
    let definition = definition.strip_suffix(" NOT VALID").unwrap_or(definition);
    let list = definition
        .strip_prefix("CHECK ((VALUE = ANY (ARRAY[")?
        .strip_suffix("])))")?;
    list.split(", ")
        .map(|value| {
            let value = value.strip_prefix('\'')?.strip_suffix("'::text")?;
            let is_simple = value
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '_');
            is_simple.then(|| value.to_owned())
        })
        .collect()
}

/// Splits a comment into the domain's meaning and the meaning of each value.
fn meanings<'comment>(
    domain: &'comment Domain,
    values: &[String],
) -> anyhow::Result<(&'comment str, Vec<&'comment str>)> {
    let comment = domain
        .comment
        .as_deref()
        .with_context(|| format!("the domain {} has no comment", domain.name))?;
    let mut lines = comment.lines();
    let first = lines.next().unwrap_or_default();
    let meanings: BTreeMap<&str, &str> = lines.filter_map(|line| line.split_once(": ")).collect();
    let of_values = values.iter().map(|value| {
        let meaning = meanings.get(value.as_str()).copied();
        meaning.with_context(|| format!("the comment of {} has no line for {value}", domain.name))
    });
    let of_values = of_values.collect::<anyhow::Result<Vec<_>>>()?;
    if meanings.len() != values.len() {
        bail!(
            "the comment of {} explains a value that the domain does not have",
            domain.name
        );
    }
    Ok((first, of_values))
}

fn write_enum(
    code: &mut String,
    domain: &Domain,
    name: &str,
    values: &[String],
) -> anyhow::Result<()> {
    let (meaning, of_values) = meanings(domain, values)?;
    writeln!(code, "\n/// {meaning}")?;
    code.push_str(
        "#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
         #[cfg_attr(feature = \"sea-orm\", derive(sea_orm::EnumIter, sea_orm::DeriveActiveEnum),
            sea_orm(rs_type = \"String\", db_type = \"Text\"))]\n",
    );
    if !COMPLETE.contains(&domain.name.as_str()) {
        code.push_str("#[non_exhaustive]\n");
    }
    writeln!(code, "pub enum {name} {{")?;
    for (value, meaning) in values.iter().zip(of_values) {
        let (text, variant) = (literal(value), type_name(value));
        writeln!(
            code,
            "/// {meaning}\n#[serde(rename = {text})]\n\
             #[cfg_attr(feature = \"sea-orm\", sea_orm(string_value = {text}))]\n{variant},"
        )?;
    }
    let variants: Vec<String> = values
        .iter()
        .map(|value| format!("Self::{}", type_name(value)))
        .collect();
    let arms: String = values
        .iter()
        .map(|value| format!("Self::{} => {},\n", type_name(value), literal(value)))
        .collect();
    writeln!(
        code,
        "}}

        impl {name} {{
            /// Every value, in the order of the schema.
            pub const ALL: [Self; {count}] = [{variants}];

            /// Returns the value's text in the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {{
                match self {{ {arms} }}
            }}
        }}

        impl fmt::Display for {name} {{
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {{
                formatter.pad(self.as_str())
            }}
        }}

        impl FromStr for {name} {{
            type Err = UnknownValue;

            fn from_str(text: &str) -> Result<Self, UnknownValue> {{
                Self::ALL
                    .into_iter()
                    .find(|known| known.as_str() == text)
                    .ok_or_else(|| UnknownValue::new({domain}, text))
            }}
        }}

        text_column!({name});",
        count = values.len(),
        variants = variants.join(", "),
        domain = literal(&domain.name),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lists_of_simple_texts_are_values() {
        let list = "CHECK ((VALUE = ANY (ARRAY['debit'::text, 'credit'::text])))";
        assert_eq!(listed_values(list).unwrap(), ["debit", "credit"]);
        let enlarged = format!("{list} NOT VALID");
        assert_eq!(listed_values(&enlarged).unwrap(), ["debit", "credit"]);
        for other in [
            "CHECK ((octet_length(VALUE) <= 4000))",
            "CHECK ((VALUE = ANY (ARRAY['Debit'::text])))",
            "CHECK ((VALUE = ANY (ARRAY['a, b'::text])))",
        ] {
            assert!(listed_values(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_value_without_a_meaning_and_a_meaning_without_a_value_are_rejected() {
        let domain = |comment: &str| Domain {
            name: "entry_type".to_owned(),
            comment: Some(comment.to_owned()),
            definition: String::new(),
        };
        let values = ["debit".to_owned(), "credit".to_owned()];
        let complete = domain("The side.\ndebit: It falls.\ncredit: It rises.");
        let (first, of_values) = meanings(&complete, &values).unwrap();
        assert_eq!(
            (first, of_values),
            ("The side.", vec!["It falls.", "It rises."])
        );
        assert!(meanings(&domain("The side.\ndebit: It falls."), &values).is_err());
        let more = domain("The side.\ndebit: It falls.\ncredit: It rises.\nother: None.");
        assert!(meanings(&more, &values).is_err());
    }
}
