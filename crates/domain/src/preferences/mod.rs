//! Preferences of customers: one JSON object each, merged key by key.
//!
//! A [`Value`] holds a number as a 64-bit integer or float, and reading a text into one silently
//! rounds every other number. [`PreferenceUpdate::from_json`] and [`find`] return an error that
//! names the number instead.

mod query;

use std::collections::BTreeMap;

use neobank_db::{DatabaseError, Executor};
use neobank_entity::constraints::banking as rules;
use neobank_entity::{FromColumn, FromRow, RowError};
use serde_json::{Map, Value};
use thiserror::Error;
use uuid::Uuid;

use crate::exact_json::{self, JsonError};
use crate::{CustomerId, shortened};

/// The most updates in one call of [`merge`].
pub const CUSTOMERS_MAX: usize = 50_000;

/// The most bytes of a customer's preferences as a text, as PostgreSQL writes it.
pub const BYTES_MAX: usize = 1_000_000;

/// Preferences to merge into those of a customer. Each key replaces the stored one; other keys
/// stay.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PreferenceUpdate {
    /// The customer's identifier.
    pub customer_id: CustomerId,
    /// The keys and their new values.
    pub preferences: Map<String, Value>,
}

impl PreferenceUpdate {
    /// Creates an update of a customer's preferences from keys and their new values.
    #[must_use]
    pub const fn new(customer_id: CustomerId, preferences: Map<String, Value>) -> Self {
        Self {
            customer_id,
            preferences,
        }
    }

    /// Reads the preferences of a customer from a JSON object.
    ///
    /// # Errors
    ///
    /// [`PreferenceError::Json`] for a text that is not a JSON object,
    /// [`PreferenceError::Duplicate`] for two members of one name, [`PreferenceError::TooDeep`], and
    /// [`PreferenceError::Number`] for a number that would be rounded.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_domain::CustomerId;
    /// use neobank_domain::preferences::PreferenceUpdate;
    ///
    /// let customer = CustomerId::new();
    /// let exact = r#"{"language": "cs", "limit": 0.1}"#;
    /// assert!(PreferenceUpdate::from_json(customer, exact).is_ok());
    /// let rounded = r#"{"limits": [0.123456789012345678901234567890]}"#;
    /// let error = PreferenceUpdate::from_json(customer, rounded).unwrap_err().to_string();
    /// assert!(error.contains("limits[0]") && error.contains("0.123456789012345678901234567890"));
    /// ```
    pub fn from_json(customer_id: CustomerId, text: &str) -> Result<Self, PreferenceError> {
        let preferences = read(customer_id, text)?;
        Ok(Self {
            customer_id,
            preferences,
        })
    }
}

/// The error of reading or merging preferences. Every variant but [`PreferenceError::Database`]
/// means that nothing was changed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum PreferenceError {
    /// Some of the customers do not exist.
    #[error("unknown customers: {}", .customers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    UnknownCustomers {
        /// The identifiers that no customer has, in their order.
        customers: Vec<CustomerId>,
    },
    /// The call has more updates than one statement takes.
    #[error("{customers} customers at once are more than the limit of {limit}")]
    TooMany {
        /// The number of updates that the caller gave.
        customers: usize,
        /// The most updates in one call: [`CUSTOMERS_MAX`].
        limit: usize,
    },
    /// With the update, a customer's preferences would be larger than the database allows.
    #[error(
        "the preferences of {} would have more than {limit} bytes",
        .customer.map_or_else(|| "a customer".to_owned(), |one| format!("customer {one}"))
    )]
    TooLarge {
        /// The customer's identifier; `None` if the call has updates of several customers, because
        /// the database does not name the customer.
        customer: Option<CustomerId>,
        /// The most bytes of a customer's preferences: [`BYTES_MAX`].
        limit: usize,
    },
    /// The preferences contain a NUL character, which PostgreSQL cannot store.
    #[error("the preferences of customer {customer} have a NUL character")]
    HasNul {
        /// The customer's identifier.
        customer: CustomerId,
    },
    /// The text is not a JSON object.
    #[error("the preferences of customer {customer} cannot be read: {reason}")]
    Json {
        /// The customer's identifier.
        customer: CustomerId,
        /// The parser's message.
        reason: String,
    },
    /// An object of the preferences has two members of one name.
    #[error("the preferences of customer {customer} have the member {field:?} twice")]
    Duplicate {
        /// The customer's identifier.
        customer: CustomerId,
        /// The path of the member, such as `theme.size`, cut to 80 characters.
        field: String,
    },
    /// Objects and arrays are nested deeper than [`exact_json::DEPTH_MAX`] levels.
    #[error(
        "the preferences of customer {customer} are nested deeper than {limit} levels in {field:?}",
        limit = exact_json::DEPTH_MAX
    )]
    TooDeep {
        /// The customer's identifier.
        customer: CustomerId,
        /// The path of the object or array, cut to 80 characters; only the outermost key where the
        /// caller gave values.
        field: String,
    },
    /// A JSON value cannot hold the number exactly: it is not a 64-bit integer, and has more digits
    /// than a 64-bit float.
    #[error(
        "the preferences of customer {customer} have a number in {field:?} that cannot be kept exactly: {number}; use a text"
    )]
    Number {
        /// The customer's identifier.
        customer: CustomerId,
        /// The path of the number, such as `limits[0].amount`, cut to 80 characters; only the
        /// outermost key where the caller gave values.
        field: String,
        /// The number in the text, cut to 80 characters; the rounded number where the caller gave
        /// values.
        number: String,
    },
    /// The database failed or rejected the statement. The merge may have taken effect if the client
    /// lost the connection or the answer; see [`DatabaseError::ConnectionLost`].
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The stored preferences of a customer, as a JSON text.
struct Stored(String);

impl FromRow for Stored {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        FromColumn::from_column(row, query::TEXT).map(Self)
    }
}

/// The result of a merge.
struct Merged {
    changed: i64,
    missing: Vec<Uuid>,
}

impl FromRow for Merged {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        Ok(Self {
            changed: FromColumn::from_column(row, query::CHANGED)?,
            missing: FromColumn::from_column(row, query::MISSING)?,
        })
    }
}

/// Merges the preferences of many customers in one statement, and returns the number of customers
/// that were changed.
///
/// Several updates of one customer are merged in the order of the list.
///
/// # Errors
///
/// [`PreferenceError`]: an unknown customer, more than [`CUSTOMERS_MAX`] updates, more than
/// [`BYTES_MAX`] bytes of a customer, a value that cannot be stored exactly, or a failure of the
/// database.
///
/// # Example
///
/// ```no_run
/// use neobank_domain::preferences::{self, PreferenceUpdate};
/// # async fn example(
/// #     database: neobank_db::Database,
/// #     customer_id: neobank_domain::CustomerId,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// let preferences = serde_json::from_str(r#"{"language": "cs", "paper": false}"#)?;
/// let update = PreferenceUpdate::new(customer_id, preferences);
/// let changed = preferences::merge(&database, &[update]).await?;
/// assert_eq!(changed, 1);
/// # Ok(())
/// # }
/// ```
pub async fn merge(
    on: &impl Executor,
    updates: &[PreferenceUpdate],
) -> Result<u64, PreferenceError> {
    if updates.len() > CUSTOMERS_MAX {
        return Err(PreferenceError::TooMany {
            customers: updates.len(),
            limit: CUSTOMERS_MAX,
        });
    }
    let merged = merge_in_order(updates)?;
    let ids: Vec<Uuid> = merged.keys().map(|customer| customer.as_uuid()).collect();
    let only_customer = match ids.as_slice() {
        [customer] => Some((*customer).into()),
        _ => None,
    };
    let values: Vec<Value> = merged.into_values().map(Value::Object).collect();
    let merged: Option<Merged> = on
        .fetch_one(query::merge(ids, values))
        .await
        .map_err(|error| why_not_merged(only_customer, error))?;
    let merged = merged.ok_or(DatabaseError::NoRow)?;
    if merged.missing.is_empty() {
        return Ok(u64::try_from(merged.changed).unwrap_or_default());
    }
    Err(PreferenceError::UnknownCustomers {
        customers: merged.missing.into_iter().map(Into::into).collect(),
    })
}

/// Removes keys from a customer's preferences, and returns true when the customer had one of them.
///
/// # Errors
///
/// [`PreferenceError::HasNul`] and [`PreferenceError::Database`]. An unknown customer has no
/// preferences.
pub async fn remove(
    on: &impl Executor,
    customer: CustomerId,
    keys: &[String],
) -> Result<bool, PreferenceError> {
    if keys.iter().any(|key| key.contains('\0')) {
        return Err(PreferenceError::HasNul { customer });
    }
    Ok(on.execute(query::remove(customer, keys)).await? > 0)
}

/// Returns a customer's preferences; an empty object when none were ever stored.
///
/// # Errors
///
/// [`PreferenceError::Number`] where another program stored a number that would be rounded, and
/// [`PreferenceError::Database`].
pub async fn find(
    on: &impl Executor,
    customer: CustomerId,
) -> Result<Map<String, Value>, PreferenceError> {
    let stored: Option<Stored> = on.fetch_one(query::find(customer)).await?;
    stored.map_or_else(|| Ok(Map::new()), |Stored(text)| read(customer, &text))
}

fn why_not_merged(only_customer: Option<CustomerId>, error: DatabaseError) -> PreferenceError {
    match error.violated() {
        Some(rules::CUSTOMER_PREFERENCES_SIZE) => PreferenceError::TooLarge {
            customer: only_customer,
            limit: BYTES_MAX,
        },
        _ => error.into(),
    }
}

fn read(customer: CustomerId, text: &str) -> Result<Map<String, Value>, PreferenceError> {
    let object = exact_json::object(text, exact_json::DEPTH_MAX);
    object.map_err(|error| match error {
        JsonError::Malformed { reason } => PreferenceError::Json { customer, reason },
        JsonError::Duplicate { field } => PreferenceError::Duplicate { customer, field },
        JsonError::TooDeep { field, .. } => PreferenceError::TooDeep { customer, field },
        JsonError::Inexact { field, number } => PreferenceError::Number {
            customer,
            field,
            number,
        },
    })
}

/// Merges the updates into one object for each customer. Later keys replace earlier ones, as the
/// operator `||` does in the database.
fn merge_in_order(
    updates: &[PreferenceUpdate],
) -> Result<BTreeMap<CustomerId, Map<String, Value>>, PreferenceError> {
    let mut merged: BTreeMap<CustomerId, Map<String, Value>> = BTreeMap::new();
    for update in updates {
        // The object itself is the first level. What is nested deeper could not be read back. Before
        // the checks that go down to every level.
        let mut members = update.preferences.iter();
        let deep = members.find(|(_, value)| is_deeper(value, VALUE_DEPTH_MAX));
        if let Some((key, _)) = deep {
            return Err(PreferenceError::TooDeep {
                customer: update.customer_id,
                field: shortened(key),
            });
        }
        if update
            .preferences
            .iter()
            .any(|(key, value)| key.contains('\0') || has_nul(value))
        {
            return Err(PreferenceError::HasNul {
                customer: update.customer_id,
            });
        }
        let mut members = update.preferences.iter();
        let found = members.find_map(|(key, value)| Some((key, inexact(value)?)));
        if let Some((key, number)) = found {
            return Err(PreferenceError::Number {
                customer: update.customer_id,
                field: shortened(key),
                number,
            });
        }
        let preferences = update
            .preferences
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()));
        merged
            .entry(update.customer_id)
            .or_default()
            .extend(preferences);
    }
    Ok(merged)
}

/// The most levels of a preference's value: the object of all preferences is a level of its own.
const VALUE_DEPTH_MAX: usize = exact_json::DEPTH_MAX - 1;

/// Returns true when a value has more than a number of levels of objects and arrays.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let deeper = |inner| match levels.checked_sub(1) {
        Some(levels) => is_deeper(inner, levels),
        None => true,
    };
    match value {
        Value::Array(values) => levels == 0 || values.iter().any(deeper),
        Value::Object(object) => levels == 0 || object.values().any(deeper),
        _ => false,
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(object) => object
            .iter()
            .any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// 2^53: from here on a 64-bit float skips integers.
const INEXACT_FROM: f64 = 9_007_199_254_740_992.0;

/// Returns a number that may have been rounded when it was read from a text.
fn inexact(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) if number.is_f64() => number
            .as_f64()
            .filter(|float| float.abs() >= INEXACT_FROM)
            .map(|_| number.to_string()),
        Value::Array(values) => values.iter().find_map(inexact),
        Value::Object(object) => object.values().find_map(inexact),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_that_could_not_be_read_back_is_rejected() {
        let nested =
            |levels: usize| (0..levels).fold(Value::from(1), |inner, _| Value::from(vec![inner]));
        let merge = |levels| {
            let preferences = Map::from_iter([("a".to_owned(), nested(levels))]);
            merge_in_order(&[PreferenceUpdate::new(CustomerId::new(), preferences)])
        };
        assert!(merge(VALUE_DEPTH_MAX).is_ok());
        let error = merge(VALUE_DEPTH_MAX + 1).unwrap_err();
        assert!(
            matches!(error, PreferenceError::TooDeep { .. }),
            "{error:?}"
        );
        let read = |levels| read(CustomerId::new(), &format!("{{\"a\": {}}}", nested(levels)));
        assert!(read(VALUE_DEPTH_MAX).is_ok());
        assert!(read(VALUE_DEPTH_MAX + 1).is_err());
    }

    #[test]
    fn number_that_may_have_been_rounded_is_rejected() {
        let merge = |json: &str| {
            merge_in_order(&[PreferenceUpdate {
                customer_id: CustomerId::new(),
                preferences: serde_json::from_str(json).unwrap(),
            }])
        };
        for json in [
            r#"{"a": 123456789012345678901234567890}"#,
            r#"{"a": [{"b": -123456789012345678901234567890}]}"#,
            r#"{"a": 1e300}"#,
        ] {
            let result = merge(json);
            assert!(
                matches!(result, Err(PreferenceError::Number { .. })),
                "{json}: {result:?}"
            );
        }
        for json in [
            r#"{"a": 18446744073709551615}"#,
            r#"{"a": [-9223372036854775808, 0.1]}"#,
        ] {
            assert!(merge(json).is_ok(), "{json}");
        }
    }
}
