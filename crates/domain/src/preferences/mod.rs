//! Customers' preferences: a JSON object each, merged key by key.
//!
//! A JSON value holds a number as a 64-bit integer or float; reading a text into one rounds every other number without a
//! word. [`PreferenceUpdate::from_json`] and [`find`] name the number instead of rounding it.

mod exact;

use std::collections::BTreeMap;

use neobank_db::{DatabaseError, Executor, FromQueryResult, statement};
use serde_json::{Map, Value};
use thiserror::Error;
use uuid::Uuid;

use crate::{CustomerId, shortened};

/// The most customers in one call.
pub const CUSTOMERS_MAX: usize = 50_000;

/// Preferences to merge into a customer's: a key that is given replaces the one that was there, others stay.
#[derive(Clone, Debug, PartialEq)]
pub struct PreferenceUpdate {
    /// Whose.
    pub customer_id: CustomerId,
    /// The keys and their new values.
    pub preferences: Map<String, Value>,
}

impl PreferenceUpdate {
    /// Reads the preferences of a customer from a JSON object.
    ///
    /// # Errors
    ///
    /// [`PreferenceError::Json`], [`PreferenceError::Number`] for a number that would be rounded.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_domain::CustomerId;
    /// use neobank_domain::preferences::PreferenceUpdate;
    ///
    /// let customer = CustomerId::new();
    /// assert!(PreferenceUpdate::from_json(customer, r#"{"language": "cs", "limit": 0.1}"#).is_ok());
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

/// Why preferences were not merged or read. Nothing was changed, whatever the reason.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum PreferenceError {
    /// These customers do not exist.
    #[error("unknown customers: {}", .customers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    UnknownCustomers {
        /// Who was named and is not there.
        customers: Vec<CustomerId>,
    },
    /// More customers than one statement takes.
    #[error("{customers} customers at once are more than the limit of {limit}")]
    TooMany {
        /// How many were given.
        customers: usize,
        /// [`CUSTOMERS_MAX`].
        limit: usize,
    },
    /// A text in the preferences that PostgreSQL cannot hold.
    #[error("the preferences of customer {customer} have a NUL character")]
    HasNul {
        /// Whose.
        customer: CustomerId,
    },
    /// A text that is no JSON object.
    #[error("the preferences of customer {customer} cannot be read: {reason}")]
    Json {
        /// Whose.
        customer: CustomerId,
        /// What is wrong, and where.
        reason: String,
    },
    /// A number that a JSON value cannot hold exactly: more digits than a 64-bit float has, and not a 64-bit integer.
    #[error(
        "the preferences of customer {customer} have a number in {field:?} that cannot be kept exactly: {number}; use a text"
    )]
    Number {
        /// Whose.
        customer: CustomerId,
        /// Where it is, such as `limits[0].amount`, cut to a length.
        field: String,
        /// The number as it was given, cut to a length; rounded, where it was given as a value.
        number: String,
    },
    /// The database failed or refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

#[derive(FromQueryResult)]
struct Stored {
    preferences: String,
}

#[derive(FromQueryResult)]
struct Merged {
    changed: i64,
    missing: Vec<Uuid>,
}

/// Merges many customers' preferences in one statement, and returns how many customers were changed. A customer that is
/// named twice is merged in the order of the list.
///
/// # Errors
///
/// [`PreferenceError`]; nothing was changed.
///
/// # Example
///
/// ```no_run
/// use neobank_domain::preferences::{self, PreferenceUpdate};
/// # async fn example(database: neobank_db::Database, customer_id: neobank_domain::CustomerId) -> Result<(), Box<dyn std::error::Error>> {
/// let update = PreferenceUpdate {
///     customer_id,
///     preferences: serde_json::from_str(r#"{"language": "cs", "paper": false}"#)?,
/// };
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
    let values: Vec<Value> = merged.values().cloned().map(Value::Object).collect();
    let merged: Merged = on
        .fetch_one(statement(MERGE, [ids.into(), values.into()]))
        .await?
        .ok_or(DatabaseError::NoRow)?;
    if merged.missing.is_empty() {
        return Ok(u64::try_from(merged.changed).unwrap_or_default());
    }
    Err(PreferenceError::UnknownCustomers {
        customers: merged.missing.into_iter().map(Into::into).collect(),
    })
}

/// Looks for unknown customers itself, because a foreign key's error would name one and end the caller's transaction.
/// In the order of the keys, so that two calls with the same customers cannot wait for each other.
const MERGE: &str = "\
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::jsonb[]) AS given (customer_id, preferences)
),
missing AS (
    SELECT given.customer_id FROM given
    WHERE NOT EXISTS (SELECT FROM banking.customers AS customer WHERE customer.customer_id = given.customer_id)
),
merged AS (
    INSERT INTO banking.customer_preferences AS stored (customer_id, preferences)
    SELECT given.customer_id, given.preferences FROM given
    WHERE NOT EXISTS (SELECT FROM missing)
    ORDER BY given.customer_id
    ON CONFLICT (customer_id) DO UPDATE
    SET preferences = stored.preferences || excluded.preferences
    RETURNING stored.customer_id
)
SELECT (SELECT count(*) FROM merged) AS changed,
       ARRAY(SELECT missing.customer_id FROM missing ORDER BY missing.customer_id) AS missing";

/// A customer's preferences; empty when nothing was ever kept.
///
/// # Errors
///
/// [`PreferenceError::Database`], [`PreferenceError::Number`] where another program has kept a number that would be rounded.
pub async fn find(
    on: &impl Executor,
    customer: CustomerId,
) -> Result<Map<String, Value>, PreferenceError> {
    let sql = "SELECT preferences::text AS preferences FROM banking.customer_preferences WHERE customer_id = $1";
    let stored: Option<Stored> = on
        .fetch_one(statement(sql, [customer.as_uuid().into()]))
        .await?;
    stored.map_or_else(
        || Ok(Map::new()),
        |stored| read(customer, &stored.preferences),
    )
}

fn read(customer: CustomerId, text: &str) -> Result<Map<String, Value>, PreferenceError> {
    exact::object(text).map_err(|problem| match problem {
        exact::Problem::Malformed(reason) => PreferenceError::Json { customer, reason },
        exact::Problem::Inexact { field, number } => PreferenceError::Number {
            customer,
            field,
            number,
        },
    })
}

/// One object for each customer; later keys replace earlier ones, as `||` does in the database.
fn merge_in_order(
    updates: &[PreferenceUpdate],
) -> Result<BTreeMap<CustomerId, Map<String, Value>>, PreferenceError> {
    let mut merged: BTreeMap<CustomerId, Map<String, Value>> = BTreeMap::new();
    for update in updates {
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

/// The least number from which on a 64-bit float skips integers: 2^53.
const INEXACT_FROM: f64 = 9_007_199_254_740_992.0;

/// A number that was rounded, or may have been, when it was read from a text.
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
    fn a_number_that_would_be_rounded_is_refused() {
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
            let refused = merge(json);
            assert!(
                matches!(refused, Err(PreferenceError::Number { .. })),
                "{json}: {refused:?}"
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
