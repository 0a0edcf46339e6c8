//! A type for each function of the schema that a client can call, with its arguments as named fields.

use std::fmt::Write as _;

use anyhow::ensure;
use neobank_db::{Database, Executor, FromRow, statement};

use super::SCHEMAS;
use super::code::{HEADER, format_code, literal, type_name};
use super::output::Files;

const PATH: &str = "crates/entity/src/functions.rs";

// Triggers call their functions without arguments, and an internal function is called by its owner's
// other functions alone; no client calls them.
const FUNCTIONS: &str = "SELECT space.nspname::text AS schema, function.proname::text AS name,
    pg_get_function_arguments(function.oid) AS arguments, pg_get_function_result(function.oid) AS result,
    function.pronargs::int AS argument_count, function.pronargdefaults::int AS default_count,
    coalesce(function.proargnames[1:function.pronargs], ARRAY[]::text[]) AS names,
    ARRAY(SELECT format_type(coalesce(nullif(argument.typbasetype, 0), argument.oid), NULL)
          FROM unnest(function.proargtypes::oid[]) WITH ORDINALITY AS given (type, place)
          JOIN pg_type AS argument ON argument.oid = given.type
          ORDER BY given.place) AS types,
    ARRAY(SELECT given.type::bigint
          FROM unnest(function.proargtypes::oid[]) WITH ORDINALITY AS given (type, place)
          ORDER BY given.place) AS type_oids
FROM pg_proc AS function JOIN pg_namespace AS space ON space.oid = function.pronamespace
WHERE space.nspname = ANY ($1) AND function.prorettype <> 'trigger'::regtype
  AND EXISTS (SELECT FROM aclexplode(function.proacl) AS granted
              WHERE granted.grantee <> function.proowner)
ORDER BY 1, 2, pg_get_function_identity_arguments(function.oid)";

#[derive(Debug, FromRow)]
struct Function {
    schema: String,
    name: String,
    arguments: String,
    result: String,
    argument_count: i32,
    default_count: i32,
    names: Vec<String>,
    types: Vec<String>,
    type_oids: Vec<i64>,
}

struct Argument {
    name: String,
    field: String,
    rust_type: &'static str,
    is_optional: bool,
}

/// Generates `functions.rs`.
pub(super) async fn generate(database: &Database, files: &mut Files) -> anyhow::Result<()> {
    let schemas: Vec<String> = SCHEMAS.map(str::to_owned).to_vec();
    let functions: Vec<Function> = database
        .fetch_many(statement(FUNCTIONS, [schemas.into()]))
        .await?;
    let mut code = format!(
        "{HEADER}//! The functions of the schema that a client can call, a type for each: its fields are the arguments by name.\n"
    );
    for schema in SCHEMAS {
        let of_schema: Vec<&Function> = functions
            .iter()
            .filter(|function| function.schema == schema)
            .collect();
        for pair in of_schema.windows(2) {
            ensure!(
                pair[0].name != pair[1].name,
                "{schema}.{} has two signatures, so that its type would have two forms",
                pair[0].name
            );
        }
        writeln!(
            code,
            "\n/// Those of the schema `{schema}`.\npub mod {schema} {{\n\
             #[allow(unused_imports, reason = \"not every schema's functions take each type\")]\n\
             use chrono::{{DateTime, NaiveDate, Utc}};\n\
             #[allow(unused_imports, reason = \"not every schema's functions take each type\")]\n\
             use rust_decimal::Decimal;\n\
             #[allow(unused_imports, reason = \"not every schema's functions take each type\")]\n\
             use uuid::Uuid;\n\n\
             use crate::Statement;\nuse crate::call::Call;\n"
        )?;
        for function in of_schema {
            write_function(&mut code, function)?;
        }
        code.push_str("}\n");
    }
    files.add(PATH, format_code(&code)?);
    Ok(())
}

fn write_function(code: &mut String, function: &Function) -> anyhow::Result<()> {
    let name = type_name(&function.name);
    let path = format!("{}.{}", function.schema, function.name);
    let Some(arguments) = arguments(function) else {
        return write_parameters(code, function, &name, &path);
    };
    let fields: String = arguments
        .iter()
        .map(|argument| {
            let Argument {
                name,
                field,
                rust_type,
                is_optional,
            } = argument;
            if *is_optional {
                format!(
                    "/// `{name}`; without one, its default.\npub {field}: Option<{rust_type}>,\n"
                )
            } else {
                format!("/// `{name}`.\npub {field}: {rust_type},\n")
            }
        })
        .collect();
    let calls: String = arguments
        .iter()
        .map(|argument| {
            let method = if argument.is_optional {
                "optional"
            } else {
                "argument"
            };
            format!(
                ".{method}({}, self.{})",
                literal(&argument.name),
                argument.field
            )
        })
        .collect();
    write_documentation(code, function, &path)?;
    writeln!(
        code,
        "#[derive(Clone, Debug, PartialEq)]
        pub struct {name} {{ {fields} }}

        impl {name} {{
            /// The function's name with its schema's.
            pub const NAME: &'static str = {};

            /// Returns the call: a row with the result's columns, or with the result alone.
            #[must_use]
            pub fn statement(self) -> Statement {{
                Call::new(Self::NAME){calls}.statement()
            }}
        }}",
        literal(&path)
    )?;
    Ok(())
}

/// Writes the type of a function with an argument that no field of a fixed type can hold, such as an
/// array with NULLs: the caller chooses what its fields hold, such as references to the driver's
/// parameters.
fn write_parameters(
    code: &mut String,
    function: &Function,
    name: &str,
    path: &str,
) -> anyhow::Result<()> {
    let fields: Vec<&str> = function
        .names
        .iter()
        .filter_map(|name| name.strip_prefix("p_"))
        .collect();
    ensure!(
        fields.len() == function.types.len(),
        "{path} has an argument whose name does not begin with p_"
    );
    let declared: String = fields
        .iter()
        .zip(&function.names)
        .zip(&function.types)
        .map(|((field, name), type_name)| format!("/// `{name} {type_name}`.\npub {field}: T,\n"))
        .collect();
    let call: Vec<String> = function
        .names
        .iter()
        .zip(1..)
        .map(|(name, place)| format!("{name} => ${place}"))
        .collect();
    let oids: Vec<String> = function.type_oids.iter().map(ToString::to_string).collect();
    let values: Vec<String> = fields.iter().map(|field| format!("self.{field}")).collect();
    let count = fields.len();
    write_documentation(code, function, path)?;
    writeln!(
        code,
        "#[derive(Clone, Copy, Debug, PartialEq)]
        pub struct {name}<T> {{ {declared} }}

        impl {name}<()> {{
            /// The function's name with its schema's.
            pub const NAME: &'static str = {};

            /// The call with each argument by its name, as a parameter.
            pub const CALL: &'static str = {};

            /// The parameters' types, by their identifiers in the catalogue.
            pub const TYPES: [u32; {count}] = [{}];
        }}

        impl<T> {name}<T> {{
            /// Returns the parameters in the order of the call.
            #[must_use]
            pub fn parameters(self) -> [T; {count}] {{
                [{}]
            }}
        }}",
        literal(path),
        literal(&format!("{path}({})", call.join(", "))),
        oids.join(", "),
        values.join(", ")
    )?;
    Ok(())
}

fn write_documentation(code: &mut String, function: &Function, path: &str) -> anyhow::Result<()> {
    let result = function.result.replace('\n', " ");
    writeln!(
        code,
        "\n/// `{path}({})`.\n///\n/// Returns `{result}`.",
        function.arguments
    )?;
    Ok(())
}

/// Returns the arguments as fields, or nothing when one has no name or a type that a field cannot hold.
fn arguments(function: &Function) -> Option<Vec<Argument>> {
    let first_optional = function.argument_count - function.default_count;
    if function.names.len() != function.types.len() {
        return None;
    }
    function
        .names
        .iter()
        .zip(&function.types)
        .zip(0..)
        .map(|((name, type_name), place)| {
            Some(Argument {
                field: name
                    .strip_prefix("p_")
                    .filter(|field| !field.is_empty())?
                    .to_owned(),
                name: name.clone(),
                rust_type: rust_type(type_name)?,
                is_optional: place >= first_optional,
            })
        })
        .collect()
}

fn rust_type(type_name: &str) -> Option<&'static str> {
    Some(match type_name {
        "boolean" => "bool",
        "smallint" => "i16",
        "integer" => "i32",
        "bigint" => "i64",
        "real" => "f32",
        "double precision" => "f64",
        "numeric" => "Decimal",
        "text" => "String",
        "uuid" => "Uuid",
        "date" => "NaiveDate",
        "timestamp with time zone" => "DateTime<Utc>",
        "jsonb" => "serde_json::Value",
        "bytea" => "Vec<u8>",
        "text[]" => "Vec<String>",
        "bigint[]" => "Vec<i64>",
        "uuid[]" => "Vec<Uuid>",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(names: &[&str], types: &[&str], default_count: i32) -> Function {
        Function {
            schema: "banking".to_owned(),
            name: "close_day".to_owned(),
            arguments: String::new(),
            result: "void".to_owned(),
            argument_count: i32::try_from(names.len()).unwrap(),
            default_count,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            types: types.iter().map(|name| (*name).to_owned()).collect(),
            type_oids: types.iter().map(|_| 25).collect(),
        }
    }

    #[test]
    fn the_last_arguments_have_the_defaults() {
        let found = arguments(&function(&["p_day", "p_limit"], &["date", "integer"], 1)).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|a| (a.field.as_str(), a.rust_type, a.is_optional))
            .collect();
        assert_eq!(found, [("day", "NaiveDate", false), ("limit", "i32", true)]);
    }

    #[test]
    fn an_argument_that_no_field_can_hold_becomes_a_parameter() {
        assert!(arguments(&function(&[], &["text"], 0)).is_none());
        let mut code = String::new();
        let found = function(&["p_range", "p_note"], &["tstzrange", "text"], 0);
        assert!(arguments(&found).is_none());
        write_function(&mut code, &found).unwrap();
        for part in [
            "pub struct CloseDay<T>",
            "/// `p_range tstzrange`.\npub range: T,",
            "\"banking.close_day(p_range => $1, p_note => $2)\"",
            "pub const TYPES: [u32; 2] = [25, 25];",
            "[self.range, self.note]",
        ] {
            assert!(code.contains(part), "{part}: {code}");
        }
    }
}
