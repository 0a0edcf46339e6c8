//! A reader of JSON that loses nothing.
//!
//! A [`Value`] holds a number as a 64-bit integer or float, and `serde_json` silently rounds a
//! number that fits neither. Of several members of one name it keeps the last. This reader returns
//! an error instead.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::shortened;

/// The most levels of objects and arrays that a stored value can have, the object itself included:
/// deeper ones cannot be read back.
pub const DEPTH_MAX: usize = 128;

/// The reason why a text cannot be read without loss.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is not a JSON object.
    #[error("{reason}")]
    Malformed {
        /// The parser's message.
        reason: String,
    },
    /// An object has two members of one name.
    #[error("the member {field:?} occurs twice")]
    Duplicate {
        /// The path of the member, such as `limits[0].amount`, cut to 80 characters.
        field: String,
    },
    /// Objects and arrays are nested deeper than the limit.
    #[error("{field:?} is nested deeper than {limit} levels")]
    TooDeep {
        /// The path of the object or array, cut to 80 characters.
        field: String,
        /// The most levels.
        limit: usize,
    },
    /// A JSON value would round the number.
    #[error("the number {number} in {field:?} cannot be kept exactly")]
    Inexact {
        /// The path of the number, cut to 80 characters.
        field: String,
        /// The number in the text, cut to 80 characters.
        number: String,
    },
}

/// Reads a JSON object of at most `depth_max` levels, the object itself included.
///
/// # Errors
///
/// [`JsonError`], whose path names the member.
///
/// # Example
///
/// ```
/// use neobank_domain::exact_json::{self, JsonError};
///
/// let twice = exact_json::object(r#"{"a": {"b": 1, "b": 2}}"#, exact_json::DEPTH_MAX);
/// assert_eq!(twice, Err(JsonError::Duplicate { field: "a.b".to_owned() }));
/// ```
pub fn object(text: &str, depth_max: usize) -> Result<Map<String, Value>, JsonError> {
    Reader { depth_max }.members(text, "", 1)
}

/// Reads the object that PostgreSQL wrote as a text. A member with a number that a JSON value would
/// round, or that is nested too deep, is the text of its JSON.
pub(crate) fn lossless(text: &str) -> Map<String, Value> {
    let members = read::<Members<'_>>(text).map_or_else(|_| Vec::new(), |Members(members)| members);
    let reader = Reader {
        depth_max: DEPTH_MAX,
    };
    let value = |name: &str, raw: &RawValue| {
        let value = reader.value(raw.get(), name, 1);
        value.unwrap_or_else(|_| Value::from(raw.get()))
    };
    members
        .into_iter()
        .map(|(name, raw)| {
            let value = value(&name, raw);
            (name, value)
        })
        .collect()
}

/// Returns the path of a member; the object at the first level has no path.
pub(crate) fn member_path(path: &str, depth: usize, name: &str) -> String {
    match depth {
        1 => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

struct Reader {
    depth_max: usize,
}

/// The members of an object in the text's order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

impl Reader {
    fn members(
        &self,
        text: &str,
        path: &str,
        depth: usize,
    ) -> Result<Map<String, Value>, JsonError> {
        let Members(members) = read(text)?;
        let mut names = HashSet::new();
        let twice = members
            .iter()
            .find(|(name, _)| !names.insert(name.as_str()));
        if let Some((name, _)) = twice {
            return Err(JsonError::Duplicate {
                field: shortened(&member_path(path, depth, name)),
            });
        }
        members
            .into_iter()
            .map(|(name, raw)| {
                let path = member_path(path, depth, &name);
                Ok((name, self.value(raw.get(), &path, depth)?))
            })
            .collect()
    }

    /// Reads a value within an object or array at a depth.
    fn value(&self, text: &str, path: &str, depth: usize) -> Result<Value, JsonError> {
        let begin = text.trim_start().bytes().next();
        if matches!(begin, Some(b'{' | b'[')) && depth >= self.depth_max {
            return Err(JsonError::TooDeep {
                field: shortened(path),
                limit: self.depth_max,
            });
        }
        let deeper = depth.saturating_add(1);
        match begin {
            Some(b'{') => self.members(text, path, deeper).map(Value::Object),
            Some(b'[') => {
                let raw: Vec<&RawValue> = read(text)?;
                let values = raw
                    .into_iter()
                    .enumerate()
                    .map(|(place, raw)| self.value(raw.get(), &format!("{path}[{place}]"), deeper));
                values.collect::<Result<_, _>>().map(Value::Array)
            }
            Some(b'-' | b'0'..=b'9') => number(text.trim(), path),
            _ => read(text),
        }
    }
}

fn number(text: &str, path: &str) -> Result<Value, JsonError> {
    let inexact = || JsonError::Inexact {
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

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, JsonError> {
    serde_json::from_str(text).map_err(|error| JsonError::Malformed {
        reason: error.to_string(),
    })
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
            assert_eq!(object(&json, DEPTH_MAX), Ok(expected), "{text}");
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
                let expected = JsonError::Inexact {
                    field: field.to_owned(),
                    number: number.to_owned(),
                };
                assert_eq!(object(&json, DEPTH_MAX), Err(expected), "{json}");
            }
        }
    }

    #[test]
    fn text_that_is_not_an_object_is_malformed() {
        for json in ["", "[]", "1", "{", "{\"a\": 01}", "{\"a\": }", "{} {}"] {
            let read = object(json, DEPTH_MAX);
            assert!(matches!(read, Err(JsonError::Malformed { .. })), "{json}");
        }
    }

    #[test]
    fn second_member_of_one_name_is_rejected_with_its_path() {
        for (json, field) in [
            (r#"{"a": 1, "a": 1}"#, "a"),
            (r#"{"a": 1, "\u0061": 2}"#, "a"),
            (
                r#"{"x": [{}, {"b": {"c": 1, "d": 2, "c": 3}}]}"#,
                "x[1].b.c",
            ),
            (r#"{"": {"a": 1, "a": 2}}"#, ".a"),
        ] {
            let field = field.to_owned();
            assert_eq!(object(json, DEPTH_MAX), Err(JsonError::Duplicate { field }));
        }
        assert!(object(r#"{"a": {"a": 1}, "b": {"a": 1}}"#, DEPTH_MAX).is_ok());
    }

    #[test]
    fn levels_of_nesting_are_counted_to_the_limit() {
        let nested = |levels: usize, [begin, end]: [&str; 2]| {
            let (begin, end) = (begin.repeat(levels - 1), end.repeat(levels - 1));
            format!("{{\"a\": {begin}1{end}}}")
        };
        for brackets in [["[", "]"], ["{\"a\": ", "}"]] {
            assert!(object(&nested(4, brackets), 4).is_ok());
            let error = object(&nested(5, brackets), 4).unwrap_err();
            assert!(
                matches!(error, JsonError::TooDeep { limit: 4, .. }),
                "{error:?}"
            );
            assert!(object(&nested(DEPTH_MAX, brackets), DEPTH_MAX).is_ok());
        }
        let endless = nested(200_000, ["[", "]"]);
        let error = object(&endless, DEPTH_MAX).unwrap_err();
        assert!(matches!(error, JsonError::TooDeep { .. }), "{error:?}");
    }
}
