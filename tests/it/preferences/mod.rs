//! Preferences: merged key by key, for many customers in one statement.

mod concurrency;
mod merge;
mod rejection;

use neobank_domain::CustomerId;
use neobank_domain::preferences::{self, PreferenceUpdate};
use serde_json::{Map, Value};

use crate::harness::TestBank;

/// Returns an update with preferences from a JSON object.
pub(crate) fn update(customer_id: CustomerId, preferences: Value) -> PreferenceUpdate {
    PreferenceUpdate::new(customer_id, object(preferences))
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("not an object: {other}"),
    }
}

pub(crate) async fn kept(bank: &TestBank, customer: CustomerId) -> Value {
    Value::Object(preferences::find(&bank.database, customer).await.unwrap())
}
