//! A rejected merge names its cause and changes nothing.

use neobank_db::{Executor, statement};
use neobank_domain::CustomerId;
use neobank_domain::preferences::{
    self, BYTES_MAX, CUSTOMERS_MAX, PreferenceError, PreferenceUpdate,
};
use serde_json::json;

use super::{kept, update};
use crate::harness::TestBank;

on_both_versions!(
    unknown_customers_are_named,
    unknown_customers_leave_the_transaction_usable,
    nul_character_is_rejected,
    number_that_would_be_rounded_is_rejected_by_name,
    too_many_updates_are_rejected,
    preferences_of_more_bytes_than_the_limit_are_rejected,
);

async fn unknown_customers_are_named(bank: TestBank) {
    let customer = bank.customer().await;
    preferences::merge(&bank.database, &[update(customer, json!({"a": 1}))])
        .await
        .unwrap();
    let mut unknown = [CustomerId::new(), CustomerId::new()];
    let updates = [
        update(unknown[1], json!({"a": 2})),
        update(customer, json!({"a": 2})),
        update(unknown[0], json!({"a": 2})),
        update(unknown[1], json!({"a": 3})),
    ];
    let error = preferences::merge(&bank.database, &updates)
        .await
        .unwrap_err();
    let PreferenceError::UnknownCustomers { customers } = &error else {
        panic!("{error:?}")
    };
    unknown.sort_unstable();
    assert_eq!(*customers, unknown);
    assert!(
        unknown
            .iter()
            .all(|customer| error.to_string().contains(&customer.to_string())),
        "{error}"
    );
    assert_eq!(kept(&bank, customer).await, json!({"a": 1}));
    assert_eq!(bank.count("banking.customer_preferences").await, 1);
}

async fn unknown_customers_leave_the_transaction_usable(bank: TestBank) {
    let (customer, unknown) = (bank.customer().await, CustomerId::new());
    bank.database
        .transaction(async |transaction| {
            preferences::merge(transaction, &[update(customer, json!({"a": 1}))]).await?;
            let rejected = preferences::merge(transaction, &[update(customer, json!({"a": 2})), update(unknown, json!({}))]).await;
            assert!(
                matches!(&rejected, Err(PreferenceError::UnknownCustomers { customers }) if *customers == [unknown]),
                "{rejected:?}"
            );
            preferences::merge(transaction, &[update(customer, json!({"b": 3}))]).await
        })
        .await
        .unwrap();
    assert_eq!(kept(&bank, customer).await, json!({"a": 1, "b": 3}));
}

/// Another program stored the number; PostgreSQL admits any number in a JSON value.
async fn number_that_would_be_rounded_is_rejected_by_name(bank: TestBank) {
    const NUMBER: &str = "0.123456789012345678901234567890";
    let customer = bank.customer().await;
    let sql = "INSERT INTO banking.customer_preferences (customer_id, preferences) VALUES ($1, $2::text::jsonb)";
    let json = format!(r#"{{"limits": [1, {{"daily": {NUMBER}}}]}}"#);
    bank.database
        .execute(statement(sql, [customer.as_uuid().into(), json.into()]))
        .await
        .unwrap();
    // A merge of other keys keeps the number exact, and reading names it in an error.
    let update =
        PreferenceUpdate::from_json(customer, r#"{"language": "cs", "rate": 0.1}"#).unwrap();
    preferences::merge(&bank.database, &[update]).await.unwrap();
    let error = preferences::find(&bank.database, customer)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, PreferenceError::Number { field, number, .. } if field == "limits[1].daily" && number == NUMBER),
        "{error:?}"
    );
    let sql = "SELECT preferences->'limits'->1->>'daily' FROM banking.customer_preferences WHERE customer_id = $1";
    let stored: String = bank
        .database
        .fetch_value(statement(sql, [customer.as_uuid().into()]))
        .await
        .unwrap();
    assert_eq!(stored, NUMBER);
}

async fn nul_character_is_rejected(bank: TestBank) {
    let (customer, other) = (bank.customer().await, bank.customer().await);
    for given in [
        json!({"a\0": 1}),
        json!({"a": "\0"}),
        json!({"a": [[{"b": "x\0y"}]]}),
        json!({"a": {"b": {"\0": null}}}),
    ] {
        let updates = [update(other, json!({"a": 1})), update(customer, given)];
        let error = preferences::merge(&bank.database, &updates)
            .await
            .unwrap_err();
        assert!(
            matches!(error, PreferenceError::HasNul { customer: named } if named == customer),
            "{error:?}"
        );
    }
    assert_eq!(bank.count("banking.customer_preferences").await, 0);
}

async fn too_many_updates_are_rejected(bank: TestBank) {
    let customer = bank.customer().await;
    let updates = vec![update(customer, json!({})); CUSTOMERS_MAX + 1];
    let error = preferences::merge(&bank.database, &updates)
        .await
        .unwrap_err();
    assert!(
        matches!(error, PreferenceError::TooMany { customers, limit } if customers == CUSTOMERS_MAX + 1 && limit == CUSTOMERS_MAX),
        "{error:?}"
    );
    assert_eq!(
        preferences::merge(&bank.database, &updates[1..])
            .await
            .unwrap(),
        1
    );
}

async fn preferences_of_more_bytes_than_the_limit_are_rejected(bank: TestBank) {
    let (customer, other) = (bank.customer().await, bank.customer().await);
    let of_bytes = |bytes: usize| update(customer, json!({"a": "x".repeat(bytes - 9)}));
    let merge = async |updates: &[PreferenceUpdate]| {
        let merged = preferences::merge(&bank.database, updates).await;
        let error = merged.unwrap_err();
        let PreferenceError::TooLarge { customer, limit } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(*limit, BYTES_MAX);
        assert!(error.to_string().contains("1000000 bytes"), "{error}");
        *customer
    };
    assert_eq!(merge(&[of_bytes(BYTES_MAX + 1)]).await, Some(customer));
    let updates = [update(other, json!({"b": 1})), of_bytes(BYTES_MAX + 1)];
    assert_eq!(merge(&updates).await, None);
    assert_eq!(bank.count("banking.customer_preferences").await, 0);
    preferences::merge(&bank.database, &[of_bytes(BYTES_MAX)])
        .await
        .unwrap();
    // The stored preferences count.
    let more = update(customer, json!({"b": 1}));
    assert_eq!(merge(&[more]).await, Some(customer));
}
