//! Transaction locks.

use std::time::Duration;

use neobank_db::locks::{self, LockError, held_locks};
use neobank_db::{
    DatabaseError, ErrorClass, Executor, IsolationLevel, TransactionOptions, statement,
};

use super::{assert_no_lock_left, name};
use crate::harness::TestBank;

on_both_versions!(
    locks_end_with_the_transaction,
    rolled_back_savepoint_releases_its_locks,
    set_is_locked_as_a_whole_or_not_at_all,
    locks_are_advisory_locks_of_the_server,
    try_lock_does_not_wait,
    held_lock_is_granted_again,
    read_only_transaction_cannot_lock,
    snapshot_from_before_the_wait_is_rejected,
    token_of_a_rolled_back_transaction_is_issued_again,
    lock_costs_one_round_trip,
);

const SECOND: Duration = Duration::from_secs(1);

async fn locks_end_with_the_transaction(bank: TestBank) {
    for commit in [true, false] {
        let mut transaction = bank.database.begin().await.unwrap();
        let locks = locks::lock(&mut transaction, &[name("a"), name("b"), name("a")], SECOND)
            .await
            .unwrap();
        let mut names: Vec<_> = locks.names().cloned().collect();
        assert!(names.is_sorted_by_key(locks::LockName::key));
        names.sort_by_key(|name| name.identifier().to_owned());
        assert_eq!(names, [name("a"), name("b")]);
        assert!(locks.fencing_token(&name("c")).is_none());
        assert_eq!(held_locks(&bank.database).await.unwrap().len(), 2);
        if commit {
            transaction.commit().await.unwrap();
        } else {
            drop(transaction);
        }
        assert_no_lock_left(&bank).await;
    }
}

async fn rolled_back_savepoint_releases_its_locks(bank: TestBank) {
    let mut transaction = bank.database.begin().await.unwrap();
    locks::lock(&mut transaction, &[name("outer")], SECOND)
        .await
        .unwrap();
    let undone = transaction
        .nested(async |inner| {
            locks::lock(inner, &[name("inner")], SECOND).await?;
            assert_eq!(held_locks(inner).await?.len(), 2);
            Err::<(), LockError>(DatabaseError::NoRow.into())
        })
        .await;
    assert!(undone.is_err());
    assert_eq!(held_locks(&transaction).await.unwrap().len(), 1);
    transaction.commit().await.unwrap();
    assert_no_lock_left(&bank).await;
}

async fn set_is_locked_as_a_whole_or_not_at_all(bank: TestBank) {
    let mut holder = bank.database.begin().await.unwrap();
    let all: Vec<_> = (0..20).map(|number| name(&number.to_string())).collect();
    locks::lock(&mut holder, &all[13..14], SECOND)
        .await
        .unwrap();
    let mut other = bank.database.begin().await.unwrap();
    let rejected = locks::lock(&mut other, &all, Duration::from_millis(30)).await;
    let Err(LockError::Timeout { name, holders, .. }) = rejected else {
        panic!("{rejected:?}")
    };
    assert_eq!((name, holders.len()), (all[13].clone(), 1));
    assert_eq!(held_locks(&bank.database).await.unwrap().len(), 1);
    holder.commit().await.unwrap();
    locks::lock(&mut other, &all, SECOND).await.unwrap();
    assert_eq!(held_locks(&bank.database).await.unwrap().len(), 20);
    locks::lock(&mut other, &[], SECOND).await.unwrap();
    other.commit().await.unwrap();
    assert_no_lock_left(&bank).await;
}

/// The registry's row excludes two of our holders as well; this is without it.
async fn locks_are_advisory_locks_of_the_server(bank: TestBank) {
    let stranger = bank.database.begin().await.unwrap();
    let key = name("a").key();
    stranger
        .execute(statement("SELECT pg_advisory_xact_lock($1)", [key.into()]))
        .await
        .unwrap();
    let mut transaction = bank.database.begin().await.unwrap();
    let names = [name("a")];
    let rejected = locks::lock(&mut transaction, &names, Duration::from_millis(30)).await;
    assert!(
        matches!(&rejected, Err(LockError::Timeout { holders, .. }) if holders.len() == 1),
        "{rejected:?}"
    );
    assert!(
        locks::try_lock(&mut transaction, &names)
            .await
            .unwrap()
            .is_none()
    );
    stranger.commit().await.unwrap();
    locks::lock(&mut transaction, &names, SECOND).await.unwrap();
    let granted: bool = bank
        .database
        .fetch_value(statement(
            "SELECT pg_try_advisory_xact_lock($1)",
            [key.into()],
        ))
        .await
        .unwrap();
    assert!(!granted);
    transaction.commit().await.unwrap();
}

async fn try_lock_does_not_wait(bank: TestBank) {
    let mut holder = bank.database.begin().await.unwrap();
    assert!(
        locks::try_lock(&mut holder, &[name("a")])
            .await
            .unwrap()
            .is_some()
    );
    let mut other = bank.database.begin().await.unwrap();
    let started = std::time::Instant::now();
    for _ in 0..20 {
        assert!(
            locks::try_lock(&mut other, &[name("b"), name("a")])
                .await
                .unwrap()
                .is_none()
        );
    }
    assert!(started.elapsed() < SECOND);
    assert_eq!(held_locks(&other).await.unwrap().len(), 1);
    holder.commit().await.unwrap();
    assert!(
        locks::try_lock(&mut other, &[name("a")])
            .await
            .unwrap()
            .is_some()
    );
    other.commit().await.unwrap();
}

async fn held_lock_is_granted_again(bank: TestBank) {
    let mut transaction = bank.database.begin().await.unwrap();
    let first = locks::lock(&mut transaction, &[name("a")], SECOND)
        .await
        .unwrap();
    let second = locks::lock(&mut transaction, &[name("a")], SECOND)
        .await
        .unwrap();
    assert!(first.fencing_token(&name("a")) < second.fencing_token(&name("a")));
    transaction.commit().await.unwrap();
    assert_no_lock_left(&bank).await;
}

async fn read_only_transaction_cannot_lock(bank: TestBank) {
    let options = TransactionOptions::default().with_read_only(true);
    let mut transaction = bank.database.begin_with(options).await.unwrap();
    let rejected = locks::lock(&mut transaction, &[name("a")], SECOND).await;
    let Err(LockError::Database(error)) = rejected else {
        panic!("{rejected:?}")
    };
    assert_eq!(error.class(), ErrorClass::ReadOnly);
    assert_eq!(held_locks(&transaction).await.unwrap(), []);
    transaction.commit().await.unwrap();
}

async fn snapshot_from_before_the_wait_is_rejected(bank: TestBank) {
    for level in [IsolationLevel::RepeatableRead, IsolationLevel::Serializable] {
        let options = TransactionOptions::default().with_isolation(level);
        let mut late = bank.database.begin_with(options).await.unwrap();
        late.fetch_value::<i64>(statement("SELECT count(*) FROM concurrency.lock_names", []))
            .await
            .unwrap();
        let mut holder = bank.database.begin().await.unwrap();
        locks::lock(&mut holder, &[name("a")], SECOND)
            .await
            .unwrap();
        holder.commit().await.unwrap();
        let rejected = locks::lock(&mut late, &[name("a")], SECOND).await;
        let Err(LockError::Database(error)) = rejected else {
            panic!("{rejected:?}")
        };
        assert_eq!(error.class(), ErrorClass::SerializationFailure);
        assert_eq!(held_locks(&late).await.unwrap(), []);
    }
}

async fn token_of_a_rolled_back_transaction_is_issued_again(bank: TestBank) {
    for commit in [false, true] {
        let mut transaction = bank.database.begin().await.unwrap();
        let locks = locks::lock(&mut transaction, &[name("a")], SECOND)
            .await
            .unwrap();
        assert_eq!(locks.fencing_token(&name("a")).unwrap().number(), 1);
        if commit {
            transaction.commit().await.unwrap();
        }
    }
}

async fn lock_costs_one_round_trip(bank: TestBank) {
    let proxy = crate::harness::CountingProxy::before(bank.config()).await;
    let mut config = bank.config();
    config.pool_max = 1;
    proxy.stand_before(&mut config);
    let database = neobank_db::Database::connect(config).await.unwrap();
    let mut transaction = database.begin().await.unwrap();
    transaction
        .execute(statement("SELECT 1", []))
        .await
        .unwrap();
    let before = proxy.round_trips();
    locks::lock(&mut transaction, &[name("a"), name("b"), name("c")], SECOND)
        .await
        .unwrap();
    // The release of the savepoint is sent with the next statement.
    transaction
        .execute(statement("SELECT 1", []))
        .await
        .unwrap();
    assert_eq!(proxy.round_trips() - before, 2);
    transaction.commit().await.unwrap();
}
