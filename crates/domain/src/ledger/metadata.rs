//! Metadata: the caller's own data of a request.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::exact_json::{self, JsonError};
use crate::shortened;

/// The caller's own data of a request: a JSON object, such as the number of an order.
///
/// The ledger stores it with the transfer and does not interpret it. It is part of the request's
/// hash: a request that is repeated under its key must have the same metadata. The order of the
/// members does not matter.
///
/// An object has at most [`Metadata::SIZE_MAX`] bytes and [`Metadata::DEPTH_MAX`] levels, and no
/// two members of one name.
///
/// # Example
///
/// ```
/// use neobank_domain::ledger::Metadata;
///
/// let metadata: Metadata = r#"{"order": 4711, "channel": "web"}"#.parse()?;
/// assert_eq!(metadata.as_str(), r#"{"channel":"web","order":4711}"#);
/// # Ok::<(), neobank_domain::ledger::MetadataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Metadata {
    /// Compact JSON with the members in the order of their names.
    json: Arc<str>,
    /// The same as a value.
    object: Arc<Map<String, Value>>,
}

/// The reason why a value cannot be metadata.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataError {
    /// The text is not a JSON object.
    #[error("the metadata is not a JSON object: {reason}")]
    NotAnObject {
        /// The parser's message.
        reason: String,
    },
    /// The JSON has more bytes than [`Metadata::SIZE_MAX`].
    #[error("the metadata has {size} bytes, more than {limit}", limit = Metadata::SIZE_MAX)]
    TooLarge {
        /// The size of the compact JSON in bytes.
        size: usize,
    },
    /// Objects and arrays are nested deeper than [`Metadata::DEPTH_MAX`].
    #[error(
        "the metadata is nested deeper than {limit} levels in {field:?}",
        limit = Metadata::DEPTH_MAX
    )]
    TooDeep {
        /// The path of the object or array, such as `order.lines[0]`, cut to 80 characters.
        field: String,
    },
    /// An object has two members of one name.
    #[error("the metadata has the member {field:?} twice")]
    Duplicate {
        /// The path of the member, cut to 80 characters.
        field: String,
    },
    /// A number cannot be kept exactly.
    #[error("{field:?} in the metadata has the number {number}, which cannot be kept exactly")]
    Number {
        /// The path of the number, cut to 80 characters.
        field: String,
        /// The number, cut to 80 characters.
        number: String,
    },
    /// A name or a text has a NUL character, which PostgreSQL cannot store.
    #[error("{field:?} in the metadata has a NUL character")]
    Nul {
        /// The path of the text, cut to 80 characters.
        field: String,
    },
}

impl Metadata {
    /// The most bytes of the compact JSON. The database allows 50,000 bytes of its own notation,
    /// which is longer: it has spaces, and writes a number such as `1e-9` in digits.
    pub const SIZE_MAX: usize = 8_192;

    /// The most levels of objects and arrays, the object itself included.
    pub const DEPTH_MAX: usize = 32;

    /// The bounds of a fraction's magnitude. The database writes such a number in digits, which
    /// must not outgrow its own limit.
    const FRACTION: std::ops::Range<f64> = 1e-15..1e15;

    /// Returns an object as metadata.
    ///
    /// # Errors
    ///
    /// [`MetadataError`] for an object that is too large or nested too deep, or that has a text or
    /// number that the database cannot keep.
    pub fn new(object: Map<String, Value>) -> Result<Self, MetadataError> {
        let object = members(object, "", 1)?;
        let json = serde_json::to_string(&object).map_err(|error| MetadataError::NotAnObject {
            reason: error.to_string(),
        })?;
        if json.len() > Self::SIZE_MAX {
            return Err(MetadataError::TooLarge { size: json.len() });
        }
        Ok(Self {
            json: json.into(),
            object: object.into(),
        })
    }

    /// Returns the compact JSON, with the members of every object in the order of their names.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.json
    }

    /// Returns the metadata as a value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Object(Map::clone(&self.object))
    }
}

impl FromStr for Metadata {
    type Err = MetadataError;

    fn from_str(text: &str) -> Result<Self, MetadataError> {
        let object = exact_json::object(text, Self::DEPTH_MAX).map_err(|error| match error {
            JsonError::Malformed { reason } => MetadataError::NotAnObject { reason },
            JsonError::Duplicate { field } => MetadataError::Duplicate { field },
            JsonError::TooDeep { field, .. } => MetadataError::TooDeep { field },
            JsonError::Inexact { field, number } => MetadataError::Number { field, number },
        })?;
        Self::new(object)
    }
}

impl fmt::Display for Metadata {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.json)
    }
}

/// Writes the JSON object itself.
impl Serialize for Metadata {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object.serialize(serializer)
    }
}

/// Returns an object at a depth with its members in the order of their names, unless it has a part
/// that the database cannot keep.
fn members(
    object: Map<String, Value>,
    path: &str,
    depth: usize,
) -> Result<Map<String, Value>, MetadataError> {
    let mut members: Vec<_> = object.into_iter().collect();
    members.sort_by(|(left, _), (right, _)| left.cmp(right));
    let members = members.into_iter().map(|(name, value)| {
        let path = exact_json::member_path(path, depth, &name);
        require_no_nul(&name, &path)?;
        Ok((name, checked(value, &path, depth)?))
    });
    members.collect()
}

/// As [`members`], for a value within an object or array at a depth.
fn checked(value: Value, path: &str, depth: usize) -> Result<Value, MetadataError> {
    let is_nested = matches!(value, Value::Object(_) | Value::Array(_));
    if is_nested && depth >= Metadata::DEPTH_MAX {
        return Err(MetadataError::TooDeep {
            field: shortened(path),
        });
    }
    let deeper = depth.saturating_add(1);
    Ok(match value {
        Value::Object(object) => Value::Object(members(object, path, deeper)?),
        Value::Array(values) => {
            let values = values
                .into_iter()
                .enumerate()
                .map(|(place, value)| checked(value, &format!("{path}[{place}]"), deeper));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        Value::String(text) => {
            require_no_nul(&text, path)?;
            Value::String(text)
        }
        Value::Number(number) => {
            let is_fraction = !number.is_i64() && !number.is_u64();
            let magnitude = number.as_f64().map_or(f64::NAN, f64::abs);
            if is_fraction && magnitude != 0.0 && !Metadata::FRACTION.contains(&magnitude) {
                return Err(MetadataError::Number {
                    field: shortened(path),
                    number: shortened(&number.to_string()),
                });
            }
            Value::Number(number)
        }
        other => other,
    })
}

fn require_no_nul(text: &str, path: &str) -> Result<(), MetadataError> {
    if text.contains('\0') {
        return Err(MetadataError::Nul {
            field: shortened(path),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(value: &Value) -> Result<Metadata, MetadataError> {
        value.to_string().parse()
    }

    #[test]
    fn order_of_members_does_not_matter() {
        let one: Metadata = r#"{"b": {"d": 1, "c": [2, {"y": 1, "x": 2}]}, "a": "é"}"#
            .parse()
            .unwrap();
        let other: Metadata = r#"{"a":"é","b":{"c":[2,{"x":2,"y":1}],"d":1}}"#.parse().unwrap();
        assert_eq!(one, other);
        assert_eq!(
            one.as_str(),
            r#"{"a":"é","b":{"c":[2,{"x":2,"y":1}],"d":1}}"#
        );
    }

    #[test]
    fn everything_but_an_object_is_rejected() {
        for text in ["", "1", "[]", "null", "{", r#"{"a":1} x"#] {
            let rejected = text.parse::<Metadata>();
            assert!(
                matches!(rejected, Err(MetadataError::NotAnObject { .. })),
                "{text}: {rejected:?}"
            );
        }
    }

    #[test]
    fn value_that_the_database_cannot_keep_is_rejected() {
        let nul = |field: &str| MetadataError::Nul {
            field: field.to_owned(),
        };
        assert_eq!(
            metadata(&json!({"a": {"b": ["x", "\0"]}})),
            Err(nul("a.b[1]"))
        );
        assert_eq!(metadata(&json!({"a\0": 1})), Err(nul("a\0")));
        let error = metadata(&json!({"": "\0"})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"\" in the metadata has a NUL character"
        );
        for number in [
            "1e300",
            "1e-300",
            "0.10000000000000000000000001",
            "123456789012345678901234",
        ] {
            let rejected = format!(r#"{{"n": {number}}}"#).parse::<Metadata>();
            assert!(
                matches!(rejected, Err(MetadataError::Number { .. })),
                "{number}: {rejected:?}"
            );
        }
        assert_eq!(
            metadata(&json!({"n": [0.5, 0.0, -2, u64::MAX]}))
                .unwrap()
                .as_str(),
            format!(r#"{{"n":[0.5,0.0,-2,{}]}}"#, u64::MAX)
        );
    }

    #[test]
    fn size_is_limited() {
        let of = |length: usize| metadata(&json!({"a": "x".repeat(length)}));
        assert_eq!(
            of(Metadata::SIZE_MAX - 8).unwrap().as_str().len(),
            Metadata::SIZE_MAX
        );
        assert_eq!(
            of(Metadata::SIZE_MAX - 7),
            Err(MetadataError::TooLarge {
                size: Metadata::SIZE_MAX + 1
            })
        );
    }

    #[test]
    fn nesting_is_limited_for_texts_and_for_objects() {
        let nested = |levels: usize| {
            (1..levels).fold(json!({"a": 1}), |inner, level| match level % 2 {
                0 => json!({ "a": inner }),
                _ => json!({ "a": [inner] }),
            })
        };
        let levels = |value: &Value| {
            let text = value.to_string();
            text.matches('[').count() + text.matches('{').count()
        };
        let deepest = nested(22);
        assert_eq!(levels(&deepest), Metadata::DEPTH_MAX + 1);
        let Value::Object(mut object) = deepest else {
            unreachable!("an object")
        };
        let too_deep = |found: Result<Metadata, MetadataError>| match found {
            Err(MetadataError::TooDeep { field }) => field.starts_with("a[0].a"),
            _ => false,
        };
        assert!(too_deep(Metadata::new(object.clone())));
        assert!(too_deep(Value::Object(object.clone()).to_string().parse()));
        let inner = object["a"][0].take();
        object.insert("a".to_owned(), inner);
        let object = Value::Object(object);
        assert_eq!(levels(&object), Metadata::DEPTH_MAX);
        let kept = metadata(&object).unwrap();
        assert_eq!(kept.to_value(), object);
        assert_eq!(serde_json::to_value(&kept).unwrap(), object);
        // Deeper than a parser of JSON reads.
        let nested = |brackets: &str, levels| brackets.repeat(levels);
        let text = format!("{{\"a\": {}{}}}", nested("[", 127), nested("]", 127));
        let error = text.parse::<Metadata>().unwrap_err();
        assert!(matches!(error, MetadataError::TooDeep { .. }), "{error:?}");
    }

    #[test]
    fn second_member_of_one_name_is_rejected() {
        let error = r#"{"order": {"id": 1, "id": 2}}"#.parse::<Metadata>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the metadata has the member \"order.id\" twice"
        );
    }
}
