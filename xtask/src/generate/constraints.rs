//! The constraints of the schema, and the SQLSTATEs of its own errors, as constants.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, ensure};
use neobank_db::{Database, Executor, FromRow, statement};

use super::SCHEMAS;
use super::code::{HEADER, constant_name, format_code, literal};
use super::output::Files;

// A unique index without a constraint is reported like one. From version 18 on, NOT NULL is a constraint too.
const CONSTRAINTS: &str = "SELECT space.nspname::text AS schema, class.relname::text AS owner, rule.conname::text AS name
FROM pg_constraint AS rule
JOIN pg_class AS class ON class.oid = rule.conrelid
JOIN pg_namespace AS space ON space.oid = class.relnamespace
WHERE space.nspname = ANY ($1) AND rule.contype IN ('p', 'u', 'f', 'c', 'x')
UNION ALL
SELECT space.nspname::text, domain.typname::text, rule.conname::text
FROM pg_constraint AS rule
JOIN pg_type AS domain ON domain.oid = rule.contypid
JOIN pg_namespace AS space ON space.oid = domain.typnamespace
WHERE space.nspname = ANY ($1) AND rule.contype = 'c'
UNION ALL
SELECT space.nspname::text, class.relname::text, unique_index.relname::text
FROM pg_index AS entry
JOIN pg_class AS unique_index ON unique_index.oid = entry.indexrelid
JOIN pg_class AS class ON class.oid = entry.indrelid
JOIN pg_namespace AS space ON space.oid = class.relnamespace
WHERE space.nspname = ANY ($1) AND entry.indisunique
    AND NOT EXISTS (SELECT FROM pg_constraint AS rule WHERE rule.conindid = unique_index.oid AND rule.contype IN ('p', 'u'))";

const FUNCTIONS: &str =
    "SELECT space.nspname::text AS schema, function.proname::text AS name, function.prosrc AS body
FROM pg_proc AS function JOIN pg_namespace AS space ON space.oid = function.pronamespace
WHERE space.nspname = ANY ($1) ORDER BY 1, 2, pg_get_function_identity_arguments(function.oid)";

/// The name and the meaning of each SQLSTATE of the schema.
const SQLSTATES: [(&str, &str, &str); 9] = [
    (
        "NB000",
        "POSTING_UNDONE",
        "Raised and caught inside `banking.await_predecessor_start()`; it never leaves the server.",
    ),
    (
        "NB001",
        "ENTRIES_MISSING",
        "A transfer does not have exactly its two entries.",
    ),
    (
        "NB002",
        "JOURNAL_NOT_CONTINUED",
        "An entry does not continue its account, or what posting validates has changed.",
    ),
    (
        "NB003",
        "CHANGE_REJECTED",
        "The journal, a balance or an identity cannot be changed that way.",
    ),
    (
        "NB004",
        "FOREIGN_SYSTEM_ACCOUNT",
        "An account has an identifier that is reserved for the bank's own accounts.",
    ),
    (
        "NB005",
        "NUMBERING_CHANGED",
        "The server's transaction numbers do not continue those of the sealed records.",
    ),
    (
        "NB006",
        "ACTOR_REQUIRED",
        "The change needs an actor, and the transaction names none.",
    ),
    (
        "NB007",
        "PERIOD_CLOSED",
        "A transfer is booked or value-dated before the first open day of its currency.",
    ),
    (
        "NB008",
        "LIMIT_EXCEEDED",
        "A transfer exceeds a limit of one of its accounts.",
    ),
];

#[derive(Debug, FromRow)]
struct ConstraintRow {
    schema: String,
    owner: String,
    name: String,
}

#[derive(Debug, FromRow)]
struct FunctionRow {
    schema: String,
    name: String,
    body: String,
}

/// The owner of each constraint, by schema and name.
type Constraints = BTreeMap<String, BTreeMap<String, String>>;

/// Generates `constraints.rs` and `sqlstates.rs`.
pub(super) async fn generate(database: &Database, files: &mut Files) -> anyhow::Result<()> {
    let schemas: Vec<String> = SCHEMAS.map(str::to_owned).to_vec();
    let rows: Vec<ConstraintRow> = database
        .fetch_many(statement(CONSTRAINTS, [schemas.clone().into()]))
        .await?;
    let functions: Vec<FunctionRow> = database
        .fetch_many(statement(FUNCTIONS, [schemas.into()]))
        .await?;

    let mut constraints = Constraints::new();
    for row in rows {
        add(&mut constraints, &row.schema, &row.owner, &row.name)?;
    }
    for function in &functions {
        for (table, name) in raised_constraints(&function.body) {
            add(&mut constraints, &function.schema, &table, &name)
                .with_context(|| format!("raised by {}.{}", function.schema, function.name))?;
        }
    }
    files.add(
        "crates/entity/src/constraints.rs",
        format_code(&constraints_code(&constraints)?)?,
    );

    let raised = functions
        .iter()
        .flat_map(|function| own_sqlstates(&function.body));
    files.add(
        "crates/entity/src/sqlstates.rs",
        format_code(&sqlstates_code(&raised.collect())?)?,
    );
    Ok(())
}

fn add(constraints: &mut Constraints, schema: &str, owner: &str, name: &str) -> anyhow::Result<()> {
    let of_schema = constraints.entry(schema.to_owned()).or_default();
    let other = of_schema.insert(name.to_owned(), owner.to_owned());
    ensure!(
        other.is_none_or(|other| other == owner),
        "two constraints of {schema} are called {name}, so that an error is ambiguous"
    );
    Ok(())
}

/// Finds the constraint names that a trigger's function raises violations with: quoted names that
/// begin with the table's, in a function that sets `TABLE` and `CONSTRAINT`.
fn raised_constraints(body: &str) -> Vec<(String, String)> {
    if !body.contains("CONSTRAINT = ") {
        return Vec::new();
    }
    let Some(table) = body
        .split_once("TABLE = '")
        .and_then(|(_, rest)| rest.split_once('\''))
        .map(|(table, _)| table)
    else {
        return Vec::new();
    };
    let names: BTreeSet<&str> = body
        .split('\'')
        .filter(|quoted| {
            quoted.strip_prefix(table).is_some_and(|rest| {
                rest.starts_with('_')
                    && rest
                        .chars()
                        .all(|letter| letter.is_ascii_lowercase() || letter == '_')
            })
        })
        .collect();
    names
        .into_iter()
        .map(|name| (table.to_owned(), name.to_owned()))
        .collect()
}

/// Finds the SQLSTATEs of the schema that a function raises.
fn own_sqlstates(body: &str) -> Vec<String> {
    body.split("ERRCODE = '")
        .skip(1)
        .filter_map(|rest| rest.split_once('\'').map(|(code, _)| code))
        .filter(|code| code.starts_with("NB"))
        .map(str::to_owned)
        .collect()
}

fn constraints_code(constraints: &Constraints) -> anyhow::Result<String> {
    let mut code = format!(
        "{HEADER}//! The constraints of the schema, its unique indexes, and the rules that triggers enforce under a name of the\n\
         //! same kind; [`ALL`] has each.\n\nuse crate::Constraint;\n"
    );
    let mut all = String::new();
    for (schema, of_schema) in constraints {
        writeln!(
            code,
            "\n/// Those of the schema `{schema}`.\npub mod {schema} {{\nuse crate::Constraint;\n"
        )?;
        for (name, owner) in of_schema {
            let constant = constant_name(name);
            writeln!(
                code,
                "/// `{name}` of `{schema}.{owner}`.\npub const {constant}: Constraint = Constraint::new({}, {}, {});",
                literal(schema),
                literal(owner),
                literal(name),
            )?;
            writeln!(all, "{schema}::{constant},")?;
        }
        code.push_str("}\n");
    }
    write!(
        code,
        "\n/// Every constraint of every schema, by schema and name.\npub const ALL: &[Constraint] = &[\n{all}];\n"
    )?;
    Ok(code)
}

fn sqlstates_code(raised: &BTreeSet<String>) -> anyhow::Result<String> {
    let named: BTreeSet<String> = SQLSTATES
        .iter()
        .map(|(code, _, _)| (*code).to_owned())
        .collect();
    ensure!(
        *raised == named,
        "functions raise {raised:?}, and named are {named:?}: name each in xtask/src/generate/constraints.rs"
    );
    let mut code = format!("{HEADER}//! The SQLSTATEs that the schema's own functions raise.\n");
    for (sqlstate, name, meaning) in SQLSTATES {
        write!(
            code,
            "\n/// {meaning}\npub const {name}: &str = {};\n",
            literal(sqlstate)
        )?;
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_trigger_raises_belong_to_its_table() {
        let body = "v := CASE WHEN a THEN 'accounts_opened_at_range' WHEN b = 'closed' THEN 'accounts_closed' END;
            RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation', TABLE = 'accounts', CONSTRAINT = v;";
        let expected = ["accounts_closed", "accounts_opened_at_range"]
            .map(|name| ("accounts".to_owned(), name.to_owned()));
        assert_eq!(raised_constraints(body), expected);
        assert!(raised_constraints("SELECT 'accounts_x'").is_empty());
    }

    #[test]
    fn one_name_for_two_constraints_and_an_unnamed_sqlstate_are_rejected() {
        let mut constraints = Constraints::new();
        add(&mut constraints, "banking", "a", "x").unwrap();
        assert!(add(&mut constraints, "banking", "b", "x").is_err());
        let raised =
            own_sqlstates("USING ERRCODE = 'NB009', HINT = 'x'; ERRCODE = 'check_violation'");
        assert_eq!(raised, ["NB009"]);
        assert!(sqlstates_code(&raised.into_iter().collect()).is_err());
    }
}
