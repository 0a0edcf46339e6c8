//! Rules of the sources that no compiler checks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The files that may name the schema's objects in texts of SQL, with the reason. A builder cannot say what these say, or
/// costs what they must not cost; everything else is built on `neobank-entity`.
const WITH_SQL: [(&str, &str); 6] = [
    (
        "crates/bench/",
        "measures other ways to move money, beside ours",
    ),
    (
        "crates/cli/src/output/table.rs",
        "a test of wrapping long texts",
    ),
    ("crates/cli/src/top/tests.rs", "a test of shown statements"),
    (
        "crates/ops/src/health/mod.rs",
        "names a table that may be missing",
    ),
    (
        "crates/ops/src/pgbouncer/console/sample.rs",
        "scales a mean on the server",
    ),
    (
        "crates/torture/",
        "injects faults, and reads the books without the code that it tests",
    ),
];

const SCHEMAS: [&str; 3] = ["banking.", "pooling.", "concurrency."];

#[test]
fn schema_names_stand_in_sql_only_where_a_builder_cannot_say_it() {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut used = vec![false; WITH_SQL.len()];
    for path in sources() {
        if path.starts_with("crates/entity/") {
            continue;
        }
        let text = fs::read_to_string(root().join(&path)).unwrap();
        for line in text.lines().filter(|line| names_the_schema(line)) {
            match WITH_SQL
                .iter()
                .position(|(known, _)| path.starts_with(known))
            {
                Some(known) => used[known] = true,
                None => found
                    .entry(path.clone())
                    .or_default()
                    .push(line.trim().to_owned()),
            }
        }
    }
    assert!(found.is_empty(), "use neobank-entity: {found:#?}");
    let unused: Vec<_> = WITH_SQL
        .iter()
        .zip(used)
        .filter(|(_, used)| !used)
        .collect();
    assert!(
        unused.is_empty(),
        "exceptions that nothing needs: {unused:#?}"
    );
}

/// Whether a line of code, not of a comment, has the name of an object of the schema in a text.
fn names_the_schema(line: &str) -> bool {
    let code = line.trim_start();
    !code.starts_with("//")
        && SCHEMAS.iter().any(|schema| {
            code.split(schema)
                .skip(1)
                .any(|rest| rest.starts_with(|letter: char| letter.is_ascii_lowercase()))
                && !code.contains("use ")
        })
}

/// Every source file of a library or a program, by its path in the workspace.
fn sources() -> Vec<String> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("src"))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let path = path.strip_prefix(root()).unwrap();
                files.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    assert!(files.len() > 100, "{files:?}");
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
