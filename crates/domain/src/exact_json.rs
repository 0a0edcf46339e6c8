//! A reader of JSON that never rounds a number.
//!
//! A [`Value`] holds a number as a 64-bit integer or float, and `serde_json` silently rounds a
//! number that fits neither. This reader returns an error instead.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::shortened;

/// The reason why a text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The text is not a JSON object, or is nested too deep. The string is the parser's message.
    Malformed(String),
    /// A JSON value would round the number.
    Inexact {
        /// The path of the number.
        field: String,
        /// The number in the text.
        number: String,
    },
}

/// The most levels of nesting, the same as in `serde_json`.
const DEPTH_MAX: usize = 128;

/// Reads a JSON object.
pub(crate) fn object(text: &str) -> Result<Map<String, Value>, Problem> {
    members(text, "", 0)
}

fn members(text: &str, path: &str, depth: usize) -> Result<Map<String, Value>, Problem> {
    let raw: std::collections::BTreeMap<String, &RawValue> = read(text)?;
    raw.into_iter()
        .map(|(key, raw)| {
            let path = match path {
                "" => key.clone(),
                _ => format!("{path}.{key}"),
            };
            Ok((key, value(raw.get(), &path, depth)?))
        })
        .collect()
}

fn value(text: &str, path: &str, depth: usize) -> Result<Value, Problem> {
    if depth >= DEPTH_MAX {
        return Err(Problem::Malformed(format!(
            "{} is nested deeper than {DEPTH_MAX} levels",
            shortened(path)
        )));
    }
    let deeper = depth.saturating_add(1);
    match text.trim_start().bytes().next() {
        Some(b'{') => members(text, path, deeper).map(Value::Object),
        Some(b'[') => {
            let raw: Vec<&RawValue> = read(text)?;
            let values = raw
                .into_iter()
                .enumerate()
                .map(|(place, raw)| value(raw.get(), &format!("{path}[{place}]"), deeper));
            values.collect::<Result<_, _>>().map(Value::Array)
        }
        Some(b'-' | b'0'..=b'9') => number(text.trim(), path),
        _ => read(text),
    }
}

fn number(text: &str, path: &str) -> Result<Value, Problem> {
    let inexact = || Problem::Inexact {
        field: shortened(path),
        number: shortened(text),
    };
    // `serde_json` fails on a number beyond the range of a float.
    let read: Value = serde_json::from_str(text).map_err(|_| inexact())?;
    if Decimal::of(text) == Decimal::of(&read.to_string()) {
        Ok(read)
    } else {
        Err(inexact())
    }
}

fn read<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| Problem::Malformed(error.to_string()))
}

/// A number as its digits without zeros at either end, and the power of ten of the last digit.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads a number of JSON. Returns `None` when its exponent does not fit 64 bits.
    fn of(text: &str) -> Option<Self> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i64 = exponent.parse().ok()?;
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let digits = format!("{whole}{fraction}");
        let kept = digits.trim_end_matches('0');
        let zeros = i64::try_from(digits.len().saturating_sub(kept.len())).ok()?;
        let kept = kept.trim_start_matches('0');
        if kept.is_empty() {
            return Some(Self {
                is_negative: false,
                digits: String::new(),
                exponent: 0,
            });
        }
        Some(Self {
            is_negative,
            digits: kept.to_owned(),
            exponent: exponent.checked_add(zeros)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_number_is_read() {
        for text in [
            "0",
            "-0",
            "0.0",
            "0.1",
            "-12.50",
            "1e2",
            "100000000000000000000",
            "1E-7",
            "2.5e-8",
            "18446744073709551615",
            "-9223372036854775808",
            "1e300",
            "0.30000000000000004",
        ] {
            let json = format!("{{\"a\": {text}}}");
            let expected: Map<String, Value> = serde_json::from_str(&json).unwrap();
            assert_eq!(object(&json), Ok(expected), "{text}");
        }
    }

    #[test]
    fn number_that_would_be_rounded_is_rejected_with_its_path() {
        for number in [
            "0.123456789012345678901234567890",
            "123456789012345678901234567890",
            "18446744073709551617",
            "-9223372036854775809",
            "1e400",
            "1e-400",
            "1e99999999999999999999",
            "9007199254740993.0",
        ] {
            for (json, field) in [
                (format!("{{\"a\": {number}}}"), "a"),
                (format!("{{\"x\": [1, {{\"b\": {number}}}]}}"), "x[1].b"),
            ] {
                let expected = Problem::Inexact {
                    field: field.to_owned(),
                    number: number.to_owned(),
                };
                assert_eq!(object(&json), Err(expected), "{json}");
            }
        }
    }

    #[test]
    fn text_that_is_not_an_object_is_malformed_at_any_depth() {
        for json in ["", "[]", "1", "{", "{\"a\": 01}", "{\"a\": }", "{} {}"] {
            assert!(matches!(object(json), Err(Problem::Malformed(_))), "{json}");
        }
        let deep = format!("{{\"a\": {}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(matches!(object(&deep), Err(Problem::Malformed(_))));
    }
}
