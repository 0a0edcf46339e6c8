//! Concurrent merges for the same customers, each in another order.

use futures_util::future::join_all;
use neobank_db::{ErrorClass, Executor, statement};
use neobank_domain::preferences::{self, PreferenceUpdate};
use serde_json::json;

use super::{kept, update};
use crate::harness::TestBank;

on_both_versions!(
    concurrent_merges_in_different_orders_do_not_deadlock,
    same_updates_by_hand_deadlock
);

async fn concurrent_merges_in_different_orders_do_not_deadlock(bank: TestBank) {
    let mut customers = Vec::new();
    for _ in 0..40 {
        customers.push(bank.customer().await);
    }
    for round in 0..8 {
        let calls: Vec<Vec<PreferenceUpdate>> = (0..16)
            .map(|call| {
                let mut updates: Vec<_> = customers
                    .iter()
                    .map(|customer| update(*customer, json!({ format!("{round}.{call}"): call })))
                    .collect();
                updates.rotate_left(call * 7 % 40);
                if call % 2 == 1 {
                    updates.reverse();
                }
                updates
            })
            .collect();
        let outcomes = join_all(
            calls
                .iter()
                .map(|updates| preferences::merge(&bank.database, updates)),
        )
        .await;
        assert!(
            outcomes.iter().all(|outcome| matches!(outcome, Ok(40))),
            "{outcomes:?}"
        );
    }
    // Every call's keys were stored.
    for customer in customers {
        assert_eq!(super::object(kept(&bank, customer).await).len(), 8 * 16);
    }
}

/// The control: the same updates without the order of the identifiers deadlock, so this test would
/// detect a deadlock.
async fn same_updates_by_hand_deadlock(bank: TestBank) {
    let pair = [bank.customer().await, bank.customer().await];
    preferences::merge(
        &bank.database,
        &pair.map(|customer| update(customer, json!({}))),
    )
    .await
    .unwrap();
    let sql = "UPDATE banking.customer_preferences SET preferences = preferences || '{}' WHERE customer_id = $1";
    let by_hand = async |order: [usize; 2]| {
        let transaction = bank.database.begin().await?;
        for place in order {
            transaction
                .execute(statement(sql, [pair[place].as_uuid().into()]))
                .await?;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        transaction.commit().await
    };
    let outcomes = join_all([by_hand([0, 1]), by_hand([1, 0])]).await;
    let deadlocks = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Err(error) if error.class() == ErrorClass::Deadlock))
        .count();
    assert_eq!(deadlocks, 1, "{outcomes:?}");
}
