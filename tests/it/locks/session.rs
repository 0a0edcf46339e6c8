//! Session locks.

use std::time::Duration;

use neobank_db::locks::{LockError, SessionLock, SessionLockOptions, held_locks};
use neobank_db::{Executor, statement};

use super::{assert_no_lock_left, name, session_lock, within};
use crate::harness::TestBank;

on_both_versions!(
    session_lock_is_held_until_its_release,
    set_is_held_as_one,
    session_lock_is_not_re_entrant,
    release_of_a_lost_lock_is_an_error,
    session_lock_needs_no_pooled_connection,
    options_outside_their_limits_are_rejected,
);

async fn session_lock_is_held_until_its_release(bank: TestBank) {
    let lock = session_lock(&bank.database, "a").await;
    // Much longer than the server keeps a silent session.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!lock.is_lost());
    assert!(lock.valid_until() > std::time::Instant::now());
    let held = held_locks(&bank.database).await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].name, Some(name("a")));
    assert!(
        tokio::time::timeout(Duration::from_millis(20), lock.lost())
            .await
            .is_err()
    );
    lock.release().await.unwrap();
    assert_eq!(held_locks(&bank.database).await.unwrap(), []);
}

async fn set_is_held_as_one(bank: TestBank) {
    let names = [name("a"), name("b"), name("a"), name("c")];
    let lock = SessionLock::acquire(&bank.database, &names, &within(Duration::from_secs(1)))
        .await
        .unwrap();
    assert_eq!(lock.names().count(), 3);
    assert!(
        lock.names()
            .all(|name| lock.fencing_token(name).unwrap().number() == 1)
    );
    let rejected = SessionLock::acquire(
        &bank.database,
        &[name("x"), name("b")],
        &within(Duration::from_millis(50)),
    )
    .await;
    assert!(matches!(rejected, Err(LockError::Timeout { name: of, .. }) if of == name("b")));
    assert_eq!(held_locks(&bank.database).await.unwrap().len(), 3);
    lock.release().await.unwrap();
    assert_no_lock_left(&bank).await;
}

async fn session_lock_is_not_re_entrant(bank: TestBank) {
    let lock = session_lock(&bank.database, "a").await;
    let again = SessionLock::acquire(
        &bank.database,
        &[name("a")],
        &within(Duration::from_millis(50)),
    )
    .await;
    assert!(matches!(again, Err(LockError::Timeout { .. })), "{again:?}");
    lock.release().await.unwrap();
}

async fn release_of_a_lost_lock_is_an_error(bank: TestBank) {
    let lock = session_lock(&bank.database, "a").await;
    let process = held_locks(&bank.database).await.unwrap()[0].process_id;
    bank.superuser()
        .await
        .execute(statement(
            "SELECT pg_terminate_backend($1)",
            [process.into()],
        ))
        .await
        .unwrap();
    assert_no_lock_left(&bank).await;
    // At once: before any keep-alive could have noticed the loss.
    let lost = lock.release().await;
    assert!(matches!(lost, Err(LockError::Lost { .. })), "{lost:?}");
}

async fn session_lock_needs_no_pooled_connection(bank: TestBank) {
    let mut config = bank.config();
    config.pool_max = 1;
    config.acquire_timeout = Duration::from_millis(200);
    let database = neobank_db::Database::connect(config).await.unwrap();
    let _transaction = database.begin().await.unwrap();
    let locks = [
        session_lock(&database, "a").await,
        session_lock(&database, "b").await,
    ];
    for lock in locks {
        lock.release().await.unwrap();
    }
}

async fn options_outside_their_limits_are_rejected(bank: TestBank) {
    let options = |keepalive: u64, release: u64| {
        SessionLockOptions::default()
            .with_keepalive_interval(Duration::from_millis(keepalive))
            .with_release_after(Duration::from_millis(release))
    };
    for wrong in [
        options(0, 1_000),
        options(501, 1_000),
        options(10, 99),
        options(10, 3_600_001),
    ] {
        let rejected = SessionLock::acquire(&bank.database, &[name("a")], &wrong).await;
        assert!(
            matches!(rejected, Err(LockError::Database(_))),
            "{wrong:?}: {rejected:?}"
        );
    }
    let long = SessionLock::acquire(&bank.database, &[name("a")], &within(Duration::MAX)).await;
    assert!(
        matches!(long, Err(LockError::TimeoutTooLong { .. })),
        "{long:?}"
    );
    let lock = SessionLock::acquire(&bank.database, &[name("a")], &options(100, 300))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    lock.release().await.unwrap();
}
