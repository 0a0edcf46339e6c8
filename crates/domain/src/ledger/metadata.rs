//! Metadata: the caller's own data of a request.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::exact_json::{self, Problem};
use crate::shortened;

/// The caller's own data of a request: a JSON object, such as the number of an order.
///
/// The ledger stores it with the transfer and does not interpret it. It is part of the request's
/// hash: a request that is repeated under its key must have the same metadata. The order of the
/// members does not matter.
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
    /// A number cannot be kept exactly.
    #[error("{field} in the metadata has the number {number}, which cannot be kept exactly")]
    Number {
        /// The path of the number.
        field: String,
        /// The number, shortened.
        number: String,
    },
    /// A text has a NUL character, which PostgreSQL cannot store.
    #[error("{field} in the metadata has a NUL character")]
    Nul {
        /// The path of the text.
        field: String,
    },
}

impl Metadata {
    /// The most bytes of the compact JSON.
    pub const SIZE_MAX: usize = 8_192;

    /// The bounds of a fraction's magnitude. The database writes such a number in digits, which
    /// must not outgrow its own limit.
    const FRACTION: std::ops::Range<f64> = 1e-15..1e15;

    /// Returns an object as metadata.
    ///
    /// # Errors
    ///
    /// [`MetadataError`] for an object that is too large, or that has a text or number that the
    /// database cannot keep.
    pub fn new(object: Map<String, Value>) -> Result<Self, MetadataError> {
        let object = checked(Value::Object(object), "")?;
        let json = object.to_string();
        if json.len() > Self::SIZE_MAX {
            return Err(MetadataError::TooLarge { size: json.len() });
        }
        Ok(Self { json: json.into() })
    }

    /// Returns the compact JSON, with the members of every object in the order of their names.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.json
    }

    /// Returns the metadata as a value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // The text was written from a value.
        serde_json::from_str(&self.json).unwrap_or_default()
    }
}

impl FromStr for Metadata {
    type Err = MetadataError;

    fn from_str(text: &str) -> Result<Self, MetadataError> {
        let object = exact_json::object(text).map_err(|problem| match problem {
            Problem::Malformed(reason) => MetadataError::NotAnObject { reason },
            Problem::Inexact { field, number } => MetadataError::Number { field, number },
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
        self.to_value().serialize(serializer)
    }
}

/// Returns a value with the members of its objects in the order of their names, unless it has a
/// part that the database cannot keep.
fn checked(value: Value, path: &str) -> Result<Value, MetadataError> {
    Ok(match value {
        Value::Object(object) => {
            let mut members: Vec<_> = object.into_iter().collect();
            members.sort_by(|(left, _), (right, _)| left.cmp(right));
            let members = members.into_iter().map(|(name, value)| {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                require_no_nul(&name, &path)?;
                Ok((name, checked(value, &path)?))
            });
            Value::Object(members.collect::<Result<_, _>>()?)
        }
        Value::Array(values) => {
            let values = values.into_iter().enumerate();
            let values = values.map(|(index, value)| checked(value, &format!("{path}[{index}]")));
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
}
