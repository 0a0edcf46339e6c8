//! Savepoints.

use std::task::{Context, Waker};

use futures_util::future::BoxFuture;
use neobank_db::{DatabaseError, Executor, pipeline, statement};

use super::{insert, noted, notes};
use crate::harness::TestBank;

on_both_versions!(
    released_work_stays_and_dropped_work_is_undone,
    savepoints_nest_three_deep,
    error_inside_leaves_the_transaction_usable,
    release_after_a_swallowed_error_is_transaction_aborted,
    empty_savepoint_is_not_sent,
    dropped_rollback_leaves_the_transaction_usable,
    pipelined_statements_keep_their_order,
);

async fn released_work_stays_and_dropped_work_is_undone(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let mut transaction = database.begin().await.unwrap();
    let mut savepoint = transaction.savepoint();
    savepoint
        .transaction()
        .execute(insert("released"))
        .await
        .unwrap();
    savepoint.release().await.unwrap();
    let mut savepoint = transaction.savepoint();
    savepoint
        .transaction()
        .execute(insert("dropped"))
        .await
        .unwrap();
    drop(savepoint);
    let mut savepoint = transaction.savepoint();
    savepoint
        .transaction()
        .execute(insert("rolled back"))
        .await
        .unwrap();
    savepoint.rollback().await.unwrap();
    transaction.commit().await.unwrap();
    assert!(noted(&bank, "released").await);
    assert!(!noted(&bank, "dropped").await && !noted(&bank, "rolled back").await);
}

async fn savepoints_nest_three_deep(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let mut transaction = database.begin().await.unwrap();
    let mut one = transaction.savepoint();
    one.transaction().execute(insert("1")).await.unwrap();
    {
        let mut two = one.transaction().savepoint();
        two.transaction().execute(insert("2")).await.unwrap();
        {
            let mut three = two.transaction().savepoint();
            three.transaction().execute(insert("3")).await.unwrap();
            three.release().await.unwrap();
        }
        drop(two);
    }
    let mut again = one.transaction().savepoint();
    again.transaction().execute(insert("4")).await.unwrap();
    again.release().await.unwrap();
    one.release().await.unwrap();
    transaction.commit().await.unwrap();
    assert!(noted(&bank, "1").await && noted(&bank, "4").await);
    assert!(!noted(&bank, "2").await && !noted(&bank, "3").await);
}

async fn error_inside_leaves_the_transaction_usable(bank: TestBank) {
    let database = notes(&bank, 1).await;
    database
        .transaction(async |transaction| {
            transaction.execute(insert("outer")).await?;
            let failed = transaction
                .nested(async |inner| inner.execute(insert("outer")).await)
                .await;
            assert!(failed.is_err());
            transaction.execute(insert("after")).await?;
            Ok::<_, DatabaseError>(())
        })
        .await
        .unwrap();
    assert!(noted(&bank, "outer").await && noted(&bank, "after").await);
}

async fn release_after_a_swallowed_error_is_transaction_aborted(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let mut transaction = database.begin().await.unwrap();
    transaction.execute(insert("before")).await.unwrap();
    let mut savepoint = transaction.savepoint();
    savepoint
        .transaction()
        .execute(insert("inside"))
        .await
        .unwrap();
    assert!(
        savepoint
            .transaction()
            .execute(statement("SELECT 1 / 0", []))
            .await
            .is_err()
    );
    let outcome = savepoint.release().await;
    assert!(
        matches!(outcome, Err(DatabaseError::TransactionAborted)),
        "{outcome:?}"
    );
    transaction.execute(insert("after")).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(
        noted(&bank, "before").await
            && noted(&bank, "after").await
            && !noted(&bank, "inside").await
    );
}

async fn empty_savepoint_is_not_sent(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let mut transaction = database.begin().await.unwrap();
    drop(transaction.savepoint());
    transaction.savepoint().release().await.unwrap();
    transaction.savepoint().rollback().await.unwrap();
    let mut outer = transaction.savepoint();
    outer.transaction().savepoint().release().await.unwrap();
    outer.transaction().execute(insert("kept")).await.unwrap();
    outer.release().await.unwrap();
    transaction.commit().await.unwrap();
    assert!(noted(&bank, "kept").await);
    database
        .begin()
        .await
        .unwrap()
        .savepoint()
        .release()
        .await
        .unwrap();
    assert_eq!(database.status().idle, 1);
}

async fn dropped_rollback_leaves_the_transaction_usable(bank: TestBank) {
    let database = notes(&bank, 1).await;
    for release in [false, true] {
        let mut transaction = database.begin().await.unwrap();
        let text = format!("inner {release}");
        let mut savepoint = transaction.savepoint();
        savepoint
            .transaction()
            .execute(insert(&text))
            .await
            .unwrap();
        {
            let mut ending: BoxFuture<'_, Result<(), DatabaseError>> = if release {
                Box::pin(savepoint.release())
            } else {
                Box::pin(savepoint.rollback())
            };
            // The poll sends the command; a fast server may even have answered.
            let _ = ending
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
        }
        let outer = format!("outer {release}");
        transaction.execute(insert(&outer)).await.unwrap();
        transaction.commit().await.unwrap();
        assert!(noted(&bank, &outer).await);
        assert_eq!(noted(&bank, &text).await, release);
    }
}

async fn pipelined_statements_keep_their_order(bank: TestBank) {
    let database = notes(&bank, 1).await;
    let transaction = database.begin().await.unwrap();
    let count =
        || transaction.fetch_value::<i64>(statement("SELECT count(*) FROM scratch.note", []));
    let (first, second) = pipeline(transaction.execute(insert("a")), count())
        .await
        .unwrap();
    assert_eq!((first, second), (1, 1));
    // When the first statement fails, the second is rejected with it.
    assert!(
        pipeline(transaction.execute(insert("a")), count())
            .await
            .is_err()
    );
    assert!(matches!(
        transaction.commit().await,
        Err(DatabaseError::TransactionAborted)
    ));
    assert!(!noted(&bank, "a").await);
}
