//! A merge that is refused names what is wrong and changes nothing.

use neobank_domain::CustomerId;
use neobank_domain::preferences::{self, CUSTOMERS_MAX, PreferenceError};
use serde_json::json;

use super::{kept, update};
use crate::harness::TestBank;

on_both_versions!(
    unknown_customers_are_named,
    unknown_customers_are_named_inside_a_transaction_that_goes_on,
    a_nul_is_a_clear_error,
    too_many_are_refused,
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

async fn unknown_customers_are_named_inside_a_transaction_that_goes_on(bank: TestBank) {
    let (customer, unknown) = (bank.customer().await, CustomerId::new());
    bank.database
        .transaction(async |transaction| {
            preferences::merge(transaction, &[update(customer, json!({"a": 1}))]).await?;
            let refused = preferences::merge(transaction, &[update(customer, json!({"a": 2})), update(unknown, json!({}))]).await;
            assert!(
                matches!(&refused, Err(PreferenceError::UnknownCustomers { customers }) if *customers == [unknown]),
                "{refused:?}"
            );
            preferences::merge(transaction, &[update(customer, json!({"b": 3}))]).await
        })
        .await
        .unwrap();
    assert_eq!(kept(&bank, customer).await, json!({"a": 1, "b": 3}));
}

async fn a_nul_is_a_clear_error(bank: TestBank) {
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

async fn too_many_are_refused(bank: TestBank) {
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
