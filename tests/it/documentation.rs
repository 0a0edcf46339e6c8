//! The documentation keeps up with the sources: pages have what the code has, and links lead to files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The error types whose every variant `docs/errors.md` explains.
const ERROR_TYPES: [&str; 19] = [
    "AccountError",
    "BalanceError",
    "ChangeLogError",
    "ConfigError",
    "CustomerError",
    "DatabaseError",
    "ErrorClass",
    "EventError",
    "ImportError",
    "LedgerError",
    "LockError",
    "MoneyError",
    "PeriodError",
    "PreferenceError",
    "Rejection",
    "RolloutError",
    "StatementError",
    "TransactionError",
    "TransferQueryError",
];

/// The parts of a decision record, in their order.
const DECISION_PARTS: [&str; 5] = [
    "Context",
    "Decision",
    "Alternatives",
    "Consequences",
    "Revisit when",
];

#[test]
fn each_kind_of_a_json_error_has_a_heading() {
    let page = read("docs/errors.md");
    let mut kinds = BTreeSet::new();
    for path in files_of("crates/cli/src", "rs") {
        let text = fs::read_to_string(&path).unwrap();
        let code = || {
            text.lines()
                .map(str::trim_start)
                .filter(|line| !line.starts_with("//") && !line.starts_with("#["))
        };
        if path.ends_with("cli/src/error.rs") {
            // Every word in quotes there is a kind.
            let quoted = code().flat_map(|line| line.split('"').skip(1).step_by(2));
            kinds.extend(quoted.filter(|text| is_kind(text)).map(str::to_owned));
        }
        if path.ends_with("cli/src/schema.rs") {
            let constants = code().filter(|line| line.starts_with("pub(crate) const"));
            kinds.extend(constants.filter_map(|line| line.split('"').nth(1).map(str::to_owned)));
        }
        for call in text.split("CommandError::failed(").skip(1) {
            let literal = call.trim_start().strip_prefix('"');
            kinds.extend(literal.and_then(|rest| rest.split('"').next().map(str::to_owned)));
        }
    }
    let names = read("crates/domain/src/ledger/rejection.rs");
    let arms = names
        .lines()
        .filter_map(|line| line.split_once("=> \"")?.1.strip_suffix("\","));
    kinds.extend(arms.map(str::to_owned));
    assert!(kinds.len() > 50, "{kinds:?}");
    let missing: Vec<_> = kinds
        .iter()
        .filter(|kind| !page.contains(&format!("\n### `{kind}`\n")))
        .collect();
    assert!(
        missing.is_empty(),
        "no heading in docs/errors.md: {missing:?}"
    );
}

#[test]
fn each_variant_of_an_error_type_is_explained() {
    let page = read("docs/errors.md");
    let sources: Vec<String> = ["crates/db/src", "crates/domain/src", "migration/src"]
        .into_iter()
        .flat_map(|folder| files_of(folder, "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let mut missing = Vec::new();
    for name in ERROR_TYPES {
        let variants = variants_of(name, &sources);
        assert!(variants.len() > 3, "{name}: {variants:?}");
        missing.extend(
            variants
                .into_iter()
                .filter(|variant| {
                    !page.contains(&format!("`{variant}`"))
                        && !page.contains(&format!("`{name}::{variant}`"))
                })
                .map(|variant| format!("{name}::{variant}")),
        );
    }
    assert!(missing.is_empty(), "not in docs/errors.md: {missing:?}");
}

#[test]
fn links_between_pages_lead_to_files() {
    let mut pages = files_of("docs", "md");
    pages.extend(files_of("crates", "md"));
    pages.extend(files_of("migration", "md"));
    pages.extend([root().join("README.md"), root().join("CHANGELOG.md")]);
    let mut broken = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if target.contains("://") || target.is_empty() {
                continue;
            }
            if !page.parent().unwrap().join(target).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn paths_that_pages_name_are_there() {
    let mut missing = Vec::new();
    for page in files_of("docs", "md") {
        let text = fs::read_to_string(&page).unwrap();
        let names = text.split('`').skip(1).step_by(2);
        missing.extend(
            names
                .filter(|name| is_path(name) && !root().join(name).exists())
                .map(|name| format!("{}: {name}", page.display())),
        );
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn each_decision_has_its_five_parts_and_a_line_in_the_list() {
    let list = read("docs/decisions/README.md");
    let mut wrong = Vec::new();
    for page in files_of("docs/decisions", "md") {
        let name = page.file_name().unwrap().to_str().unwrap();
        if name == "README.md" {
            continue;
        }
        let text = fs::read_to_string(&page).unwrap();
        let parts: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .collect();
        if parts != DECISION_PARTS {
            wrong.push(format!("{name}: {parts:?}"));
        }
        if !list.contains(&format!("]({name})")) {
            wrong.push(format!("{name} is not in README.md"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether a text in backticks is a file or a folder of the workspace, and no pattern or command.
fn is_path(text: &str) -> bool {
    ["crates/", "docs/", "migration/", "tests/", "xtask/"]
        .iter()
        .any(|folder| text.starts_with(folder))
        && !text.contains([' ', '*', '<'])
}

fn is_kind(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter == '_')
}

/// The variants of the enum with this name: lines of its body that are indented once.
fn variants_of(name: &str, sources: &[String]) -> Vec<String> {
    let heads = [format!("pub enum {name} {{\n"), format!("pub enum {name}<")];
    let body = sources
        .iter()
        .find_map(|text| {
            heads
                .iter()
                .find_map(|head| text.split(head.as_str()).nth(1))
        })
        .unwrap_or_else(|| panic!("no source has the type {name}"));
    body.lines()
        .take_while(|line| *line != "}")
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase()))
        .map(|line| line.split([' ', '(', ',']).next().unwrap().to_owned())
        .collect()
}

/// The files with this extension below a folder of the workspace.
fn files_of(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "{folder}");
    files
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
