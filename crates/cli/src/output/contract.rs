//! The contract with programs that read `--json`.

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::error::CommandError;
use neobank_domain::printable::is_unsafe;

/// The version of the shapes that the operator's guide documents. It grows when a field is removed
/// or changes its meaning; new fields may come at any time.
const CONTRACT: u32 = 2;

/// Returns an output as one JSON document with a line break at its end.
pub(crate) fn output_as_json(command: &str, data: &Value) -> String {
    document(&json!({
        "contract": CONTRACT,
        "command": command,
        "generated_at": now(),
        "data": data,
    }))
}

/// Returns an error as one JSON document with a line break at its end. A command that did a part of
/// its work before has the data of that part too.
pub(crate) fn error_as_json(command: &str, error: &CommandError) -> String {
    let mut error_document = json!({
        "contract": CONTRACT,
        "command": command,
        "generated_at": now(),
        "error": error,
    });
    if let (Some(done), Some(members)) = (&error.done, error_document.as_object_mut()) {
        members.insert("data".to_owned(), Value::clone(done));
    }
    document(&error_document)
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The JSON library escapes only the control characters of ASCII. The others occur only in texts,
/// so they are escaped afterwards, and programs read the same text.
fn document(value: &Value) -> String {
    let mut text = String::new();
    for character in format!("{value:#}").chars() {
        if is_unsafe(character) && character != '\n' {
            let mut units = [0_u16; 2];
            for unit in character.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(character);
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn json_round_trips_without_unsafe_characters(text in any::<String>()) {
            let written = document(&json!({ "text": text }));
            prop_assert!(!written.chars().any(|c| is_unsafe(c) && c != '\n'));
            let read: Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read["text"].as_str().unwrap(), text);
        }
    }
}
