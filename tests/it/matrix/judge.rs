//! What is a right answer, and what a clear rejection.

use serde_json::Value;

use super::programs::Program;
use super::table::Row;
use crate::cli::program::Run;

/// The longest rejection, in characters: one or two sentences.
const REJECTION_MAX: usize = 600;

/// What no person should read.
const FOREIGN: [&str; 10] = [
    "panicked",
    "relation \"",
    "Error {",
    "Error(",
    "Some(",
    "None)",
    "Kind::",
    "RUST_BACKTRACE",
    "unwrap",
    "code: ",
];

/// Nothing, or why the answer is neither right nor a clear rejection.
pub(super) fn judge(row: &Row, found: &Run, expected: &[i32], is_json: bool) -> Result<(), String> {
    let all = format!("{}{}", found.out, found.err);
    if !expected.contains(&found.code) {
        let start: String = all.trim().chars().take(700).collect();
        return Err(format!("{} instead of {expected:?}: {start}", found.code));
    }
    if let Some(foreign) = FOREIGN.iter().find(|foreign| all.contains(**foreign)) {
        return Err(format!("{foreign:?} in: {all}"));
    }
    let last = found.err.trim_end().lines().next_back().unwrap_or_default();
    match row.program {
        Program::Neobank if is_json && row.has_json() => document(row, found),
        _ if found.code == 0 => is_said(&found.out),
        // Not as it should be, or n/a: that is what it shows.
        Program::Neobank if found.code == 1 && !found.out.is_empty() => Ok(()),
        Program::Neobank if row.has_json() => rejection(found.err.trim_end()),
        Program::Neobank => is_said(&found.out),
        Program::Xtask => rejection(last),
    }
}

/// One JSON document, with an answer, or with an error in plain words.
fn document(row: &Row, found: &Run) -> Result<(), String> {
    let document: Value = serde_json::from_str(&found.out)
        .map_err(|error| format!("no document ({error}): {}{}", found.out, found.err))?;
    if document["command"] != row.command() {
        return Err(format!("another command: {}", document["command"]));
    }
    match (found.code, document["error"]["message"].as_str()) {
        (0, None) if !document["data"].is_null() => Ok(()),
        // What was looked at is not as it should be, or not available.
        (1, None) if !document["data"].is_null() => Ok(()),
        (1.., Some(message)) => rejection(&format!("error: {message}")),
        _ => Err(format!("code {} with {}", found.code, found.out)),
    }
}

/// One sentence, or a few, on one line.
fn rejection(said: &str) -> Result<(), String> {
    let message = said
        .strip_prefix("error: ")
        .ok_or_else(|| format!("no rejection: {said:?}"))?;
    let is_clear = !message.is_empty()
        && message.lines().count() == 1
        && message.chars().count() <= REJECTION_MAX;
    is_clear
        .then_some(())
        .ok_or_else(|| format!("no clear rejection: {said:?}"))
}

fn is_said(text: &str) -> Result<(), String> {
    (!text.trim().is_empty())
        .then_some(())
        .ok_or_else(|| "nothing was said".to_owned())
}
