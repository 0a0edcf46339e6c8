//! JSON whose numbers are kept exactly or refused: a JSON value holds a number as a 64-bit integer or float, and reading a
//! text into one rounds what fits neither without a word.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::shortened;

/// What keeps a text from being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It is no JSON object, or is nested too deep.
    Malformed(String),
    /// A number that a JSON value would round.
    Inexact { field: String, number: String },
}

/// As deep as `serde_json` reads.
const DEPTH_MAX: usize = 128;

/// Reads an object.
pub(super) fn object(text: &str) -> Result<Map<String, Value>, Problem> {
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
    // Out of a float's range.
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

/// A number as its digits without zeros at the ends, and the power of ten of the last digit.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// The number of a JSON text; `None` where its exponent is beyond every number.
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
    fn numbers_that_are_kept_exactly_are_read() {
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
    fn a_number_that_would_be_rounded_is_refused_with_its_field() {
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
    fn what_is_no_object_is_malformed_however_deep() {
        for json in ["", "[]", "1", "{", "{\"a\": 01}", "{\"a\": }", "{} {}"] {
            assert!(matches!(object(json), Err(Problem::Malformed(_))), "{json}");
        }
        let deep = format!("{{\"a\": {}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(matches!(object(&deep), Err(Problem::Malformed(_))));
    }
}
