//! Fencing tokens: a write and the next holder exclude each other.

use std::time::Duration;

use neobank_db::locks::{self, FencingToken, LockError, SessionLock};
use neobank_db::{ErrorClass, Executor, statement};

use super::{counters, name, session_lock, within};
use crate::harness::TestBank;

on_both_versions!(
    next_holder_waits_for_a_checked_write,
    unknown_token_is_rejected,
    write_after_the_next_holder_is_rejected,
);

async fn next_holder_waits_for_a_checked_write(bank: TestBank) {
    counters(&bank).await;
    let first = session_lock(&bank.database, "a").await;
    let token = first.fencing_token(&name("a")).unwrap();
    let write = bank.database.begin().await.unwrap();
    locks::check_fencing_token(&write, &name("a"), token)
        .await
        .unwrap();
    // The lock is lost in the middle of the write.
    drop(first);
    let short = within(Duration::from_millis(300));
    let rejected = SessionLock::acquire(&bank.database, &[name("a")], &short).await;
    assert!(
        matches!(&rejected, Err(LockError::Timeout { holders, .. }) if holders.is_empty()),
        "{rejected:?}"
    );
    let database = bank.database.clone();
    let next = tokio::spawn(async move { session_lock(&database, "a").await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!next.is_finished());
    write
        .execute(statement(
            "UPDATE scratch.counter SET sections = 1 WHERE id = 1",
            [],
        ))
        .await
        .unwrap();
    write.commit().await.unwrap();
    let next = next.await.unwrap();
    assert_eq!(
        next.fencing_token(&name("a")).unwrap().number(),
        token.number() + 1
    );
    let late = bank.database.begin().await.unwrap();
    let rejected = locks::check_fencing_token(&late, &name("a"), token).await;
    assert!(matches!(rejected, Err(LockError::StaleToken { .. })));
}

async fn unknown_token_is_rejected(bank: TestBank) {
    let transaction = bank.database.begin().await.unwrap();
    let rejected =
        locks::check_fencing_token(&transaction, &name("never"), FencingToken::new(1)).await;
    assert!(
        matches!(rejected, Err(LockError::StaleToken { newest: None, .. })),
        "{rejected:?}"
    );
    let lock = session_lock(&bank.database, "a").await;
    let token = lock.fencing_token(&name("a")).unwrap().number();
    for other in [token - 1, token + 1, i64::MIN, i64::MAX] {
        let rejected =
            locks::check_fencing_token(&transaction, &name("a"), FencingToken::new(other)).await;
        assert!(
            matches!(rejected, Err(LockError::StaleToken { .. })),
            "{rejected:?}"
        );
    }
    locks::check_fencing_token(&transaction, &name("a"), FencingToken::new(token))
        .await
        .unwrap();
}

async fn write_after_the_next_holder_is_rejected(bank: TestBank) {
    counters(&bank).await;
    let mut rejected = 0;
    for round in 0..60_u64 {
        let first = session_lock(&bank.database, "a").await;
        let token = first.fencing_token(&name("a")).unwrap();
        let database = bank.database.clone();
        let (next_is_there, until_next) = tokio::sync::oneshot::channel();
        let writing = tokio::spawn(async move {
            // Around the change of holders, and in the last rounds certainly after it.
            tokio::time::sleep(Duration::from_micros(round * 300)).await;
            if round >= 50 {
                until_next.await.unwrap();
            }
            let write = database.begin().await?;
            locks::check_fencing_token(&write, &name("a"), token).await?;
            write
                .execute(statement(
                    "UPDATE scratch.counter SET sections = $1 WHERE id = 1",
                    [token.number().into()],
                ))
                .await?;
            write.commit().await?;
            Ok::<_, LockError>(())
        });
        if round < 5 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(first);
        let next = session_lock(&bank.database, "a").await;
        let newest = next.fencing_token(&name("a")).unwrap().number();
        let _ = next_is_there.send(());
        // From here on no older token may write.
        bank.database
            .execute(statement(
                "UPDATE scratch.counter SET sections = $1 WHERE id = 1",
                [newest.into()],
            ))
            .await
            .unwrap();
        match writing.await.unwrap() {
            Err(LockError::StaleToken { .. }) => rejected += 1,
            outcome => outcome.unwrap(),
        }
        let written: i64 = bank
            .database
            .fetch_value(statement(
                "SELECT sections FROM scratch.counter WHERE id = 1",
                [],
            ))
            .await
            .unwrap();
        assert_eq!(
            written, newest,
            "round {round}: an old holder wrote over the new one"
        );
        next.release().await.unwrap();
    }
    assert!(
        (10..60).contains(&rejected),
        "the race was one-sided: {rejected} of 60 rejected"
    );

    // Under a snapshot the change appears as a serialization failure, never as a write.
    let first = session_lock(&bank.database, "a").await;
    let token = first.fencing_token(&name("a")).unwrap();
    let options = neobank_db::TransactionOptions::default()
        .with_isolation(neobank_db::IsolationLevel::RepeatableRead);
    let late = bank.database.begin_with(options).await.unwrap();
    late.execute(statement("SELECT 1 FROM scratch.counter", []))
        .await
        .unwrap();
    first.release().await.unwrap();
    let _next = session_lock(&bank.database, "a").await;
    let rejected = locks::check_fencing_token(&late, &name("a"), token).await;
    let Err(LockError::Database(error)) = rejected else {
        panic!("{rejected:?}")
    };
    assert_eq!(error.class(), ErrorClass::SerializationFailure);
}
