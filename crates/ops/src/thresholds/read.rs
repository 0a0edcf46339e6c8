//! A text of TOML as thresholds; what is wrong is named with its key and its value.

use toml::{Table, Value};

use super::Thresholds;
use crate::error::OpsError;

pub(super) fn read(text: &str) -> Result<Thresholds, OpsError> {
    let given: Table = text.parse().map_err(|error| unreadable(&error))?;
    let known = Table::try_from(Thresholds::default()).map_err(|error| unreadable(&error))?;
    check_keys(&given, &known, "")?;
    Thresholds::deserialize_table(given)
}

impl Thresholds {
    fn deserialize_table(table: Table) -> Result<Self, OpsError> {
        table.try_into().map_err(|error| unreadable(&error))
    }
}

/// Holds the keys and their types against those of the defaults.
fn check_keys(given: &Table, known: &Table, path: &str) -> Result<(), OpsError> {
    for (key, value) in given {
        let field = format!("{path}{key}");
        match (value, known.get(key)) {
            (_, None) => {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                return Err(OpsError::UnknownThreshold {
                    field,
                    value: value.to_string(),
                    known: names.join(", "),
                });
            }
            (Value::Table(given), Some(Value::Table(known))) => {
                check_keys(given, known, &format!("{field}."))?;
            }
            (_, Some(Value::Table(_))) => {
                return Err(OpsError::invalid(field, value, "a table of thresholds"));
            }
            (Value::Integer(number), Some(_)) if *number >= 0 => {}
            (_, Some(_)) => {
                return Err(OpsError::invalid(
                    field,
                    value,
                    "a whole number that is not negative",
                ));
            }
        }
    }
    Ok(())
}

fn unreadable(error: &dyn std::fmt::Display) -> OpsError {
    OpsError::ThresholdFile {
        path: None,
        reason: error.to_string().trim_end().to_owned(),
    }
}
