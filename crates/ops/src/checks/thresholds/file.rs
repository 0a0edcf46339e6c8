//! The file of thresholds, in TOML; each error names the key and the value.

use std::path::Path;

use toml::{Table, Value};

use super::Thresholds;
use crate::error::OpsError;

impl Thresholds {
    /// Parses TOML with a table for each group, as [`Thresholds::to_toml`] writes it.
    ///
    /// # Errors
    ///
    /// [`OpsError::ThresholdFile`] for a text that is not TOML, [`OpsError::UnknownThreshold`] for
    /// an unknown key, [`OpsError::Invalid`] for a value out of its range or of another type, or
    /// for a warning beyond its critical twin. Each names the key and the value.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_ops::Thresholds;
    ///
    /// let thresholds = Thresholds::from_toml("[connections]\nusage_warning_percent = 60\n")?;
    /// assert_eq!(thresholds.connections.usage_warning_percent, 60);
    /// assert_eq!(thresholds.connections.usage_critical_percent, 90);
    /// # Ok::<(), neobank_ops::OpsError>(())
    /// ```
    pub fn from_toml(text: &str) -> Result<Self, OpsError> {
        let thresholds = read(text)?;
        thresholds.check()?;
        Ok(thresholds)
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// As [`Thresholds::from_toml`], and [`OpsError::ThresholdFile`] when the file cannot be read.
    pub fn from_file(path: &Path) -> Result<Self, OpsError> {
        let failed = |reason: String| OpsError::ThresholdFile {
            path: Some(path.to_owned()),
            reason,
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Self::from_toml(&text).map_err(|error| match error {
            OpsError::ThresholdFile { reason, .. } => failed(reason),
            other => other,
        })
    }

    /// Returns all thresholds as TOML, each with its meaning, unit and range as a comment: a
    /// template for a file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut table = "";
        for bound in self.bounds() {
            if bound.group != table {
                let gap = if table.is_empty() { "" } else { "\n" };
                text.push_str(&format!("{gap}[{}]\n", bound.group));
                table = bound.group;
            }
            text.push_str(&format!(
                "# {} From {} to {}.\n{} = {}\n",
                bound.meaning,
                bound.range.start(),
                bound.range.end(),
                bound.field,
                bound.value
            ));
        }
        text
    }
}

fn read(text: &str) -> Result<Thresholds, OpsError> {
    let given: Table = text.parse().map_err(|error| unreadable(&error))?;
    let known = Table::try_from(Thresholds::default()).map_err(|error| unreadable(&error))?;
    check_keys(&given, &known, "")?;
    given.try_into().map_err(|error| unreadable(&error))
}

/// Compares the keys and their types with those of the defaults.
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
