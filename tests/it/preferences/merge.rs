//! The preferences that a merge stores.

use neobank_db::{Executor, statement};
use neobank_domain::preferences;
use serde_json::{Value, json};

use super::{kept, update};
use crate::harness::TestBank;

on_both_versions!(
    merge_replaces_given_keys_and_keeps_others,
    repeated_customer_is_merged_in_list_order,
    values_of_every_type_are_read_back,
    many_customers_are_merged_in_one_statement,
    merge_raises_the_update_time,
);

async fn merge_replaces_given_keys_and_keeps_others(bank: TestBank) {
    let customer = bank.customer().await;
    assert_eq!(kept(&bank, customer).await, json!({}));
    for (given, expected) in [
        (
            json!({"language": "cs", "paper": true}),
            json!({"language": "cs", "paper": true}),
        ),
        (
            json!({"paper": false, "theme": {"dark": true, "size": 3}}),
            json!({"language": "cs", "paper": false, "theme": {"dark": true, "size": 3}}),
        ),
        // A nested object is replaced as a whole, like any other value.
        (
            json!({"theme": {"size": 4}}),
            json!({"language": "cs", "paper": false, "theme": {"size": 4}}),
        ),
        // Null is a value too: it does not delete the key.
        (
            json!({"language": null}),
            json!({"language": null, "paper": false, "theme": {"size": 4}}),
        ),
        (
            json!({}),
            json!({"language": null, "paper": false, "theme": {"size": 4}}),
        ),
    ] {
        assert_eq!(
            preferences::merge(&bank.database, &[update(customer, given)])
                .await
                .unwrap(),
            1
        );
        assert_eq!(kept(&bank, customer).await, expected);
    }
    assert_eq!(preferences::merge(&bank.database, &[]).await.unwrap(), 0);
}

async fn repeated_customer_is_merged_in_list_order(bank: TestBank) {
    let (customer, other) = (bank.customer().await, bank.customer().await);
    let updates = [
        update(customer, json!({"a": 1, "b": {"x": 1}})),
        update(other, json!({"a": "other"})),
        update(customer, json!({"a": 2, "b": {"y": 2}, "c": 2})),
        update(customer, json!({"a": 3})),
    ];
    assert_eq!(
        preferences::merge(&bank.database, &updates).await.unwrap(),
        2
    );
    assert_eq!(
        kept(&bank, customer).await,
        json!({"a": 3, "b": {"y": 2}, "c": 2})
    );
    assert_eq!(kept(&bank, other).await, json!({"a": "other"}));
}

async fn values_of_every_type_are_read_back(bank: TestBank) {
    let customer = bank.customer().await;
    let given = json!({
        "": "empty key", "null": null, "yes": true, "number": -1.5, "large": u64::MAX, "text": "o'brien \\ \" % _ $1 \u{1}",
        "ž日🏦": "ž日🏦", "list": [1, [2, {"three": []}], null], "object": {"a": {"b": {"c": {}}}},
    });
    preferences::merge(&bank.database, &[update(customer, given.clone())])
        .await
        .unwrap();
    assert_eq!(kept(&bank, customer).await, given);
}

async fn many_customers_are_merged_in_one_statement(bank: TestBank) {
    let superuser = bank.superuser().await;
    superuser
        .execute(statement(
            "INSERT INTO banking.customers (customer_id, first_name, last_name)
             SELECT gen_random_uuid(), 'A', 'B' FROM generate_series(1, 5000)",
            [],
        ))
        .await
        .unwrap();
    // This statement trigger counts the statements that insert or update here: one statement, one
    // row.
    for sql in [
        "CREATE TABLE public.statements (n integer)",
        "GRANT INSERT ON public.statements TO neobank_app",
        "CREATE FUNCTION public.count_statement() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN INSERT INTO public.statements VALUES (1); RETURN NULL; END$$",
        "CREATE TRIGGER count_statement AFTER INSERT ON banking.customer_preferences
         FOR EACH STATEMENT EXECUTE FUNCTION public.count_statement()",
    ] {
        superuser.execute(statement(sql, [])).await.unwrap();
    }
    let rows = superuser
        .query(statement("SELECT customer_id FROM banking.customers", []))
        .await
        .unwrap();
    let customers: Vec<_> = rows
        .iter()
        .map(|row| row.get::<_, uuid::Uuid>(0).into())
        .collect();
    for round in 0..2 {
        let updates: Vec<_> = customers
            .iter()
            .enumerate()
            .map(|(number, customer)| {
                update(
                    *customer,
                    json!({ "number": number, format!("round {round}"): true }),
                )
            })
            .collect();
        assert_eq!(
            preferences::merge(&bank.database, &updates).await.unwrap(),
            5000
        );
    }
    assert_eq!(bank.count("banking.customer_preferences").await, 5000);
    assert_eq!(
        superuser
            .fetch_value::<i64>(statement("SELECT count(*) FROM public.statements", []))
            .await
            .unwrap(),
        2
    );
    for number in [0, 2500, 4999] {
        let expected = json!({"number": number, "round 0": true, "round 1": true});
        assert_eq!(kept(&bank, customers[number]).await, expected);
    }
}

async fn merge_raises_the_update_time(bank: TestBank) {
    let (customer, other) = (bank.customer().await, bank.customer().await);
    let both = [update(customer, json!({})), update(other, json!({}))];
    preferences::merge(&bank.database, &both).await.unwrap();
    preferences::merge(
        &bank.database,
        &[update(customer, Value::Object(serde_json::Map::new()))],
    )
    .await
    .unwrap();
    // One statement inserted both rows, so the updated one has the later time.
    let order =
        "SELECT customer_id FROM banking.customer_preferences ORDER BY updated_at DESC LIMIT 1";
    let latest: uuid::Uuid = bank
        .database
        .fetch_value(statement(order, []))
        .await
        .unwrap();
    assert_eq!(latest, customer.as_uuid());
}
