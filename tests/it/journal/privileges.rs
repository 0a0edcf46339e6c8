//! Every privilege of every role, against the table in `docs/security.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use neobank_db::{Executor, FromRow, statement};

use crate::harness::{EmptyDatabase, migrate};

on_empty_databases!(privileges_are_those_of_the_document);

/// The columns of the document's table. `public` is PUBLIC: what every role has.
const ROLES: [&str; 5] = [
    "public",
    "neobank_app",
    "neobank_read",
    "neobank_import",
    "pg_monitor",
];

/// What a role may do with an object.
#[derive(FromRow)]
struct Privileges {
    role: String,
    kind: String,
    name: String,
    privileges: String,
}

async fn privileges_are_those_of_the_document(empty: EmptyDatabase) {
    // A database that was copied from a template would lack the privileges on itself.
    let bank = EmptyDatabase::owned_on(empty.version).await;
    migrate(&bank.url).await;
    let found = found(&bank).await;
    let documented = documented();
    let only = |some: &[String], others: &[String]| {
        let only = some.iter().filter(|line| !others.contains(line));
        only.cloned().collect::<Vec<_>>().join("\n")
    };
    let (missing, extra) = (only(&found, &documented), only(&documented, &found));
    assert!(
        missing.is_empty() && extra.is_empty(),
        "docs/security.md lacks:\n{missing}\nand has in their place:\n{extra}"
    );
    assert_eq!(found, documented, "the order of the table's lines");
    assert!(found.len() > 100, "{}", found.len());
}

/// Returns the lines of the table as the database has the privileges. What every role has stands
/// under `public` alone.
async fn found(bank: &EmptyDatabase) -> Vec<String> {
    let superuser = bank.superuser().await;
    let version = i32::try_from(bank.version).unwrap();
    let sql = statement(
        include_str!("privileges.sql"),
        [ROLES.join(",").into(), version.into()],
    );
    let mut objects = BTreeMap::<(String, String), BTreeMap<String, String>>::new();
    for row in superuser.fetch_many::<Privileges>(sql).await.unwrap() {
        let object = objects.entry((row.kind, row.name)).or_default();
        object.insert(row.role, row.privileges);
    }
    let line = |((kind, name), by_role): ((String, String), BTreeMap<String, String>)| {
        let of_all = by_role.get("public").cloned();
        let cells = ROLES.map(|role| match by_role.get(role) {
            Some(privileges) if role == "public" || Some(privileges) != of_all.as_ref() => {
                format!(" {privileges} |")
            }
            _ => " |".to_owned(),
        });
        format!("| {kind} `{name}` |{}", cells.concat())
    };
    objects.into_iter().map(line).collect()
}

/// Returns the lines of the document's table.
fn documented() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/security.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("## Privileges\n").unwrap();
    let lines = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Object"));
    lines.map(str::to_owned).collect()
}
