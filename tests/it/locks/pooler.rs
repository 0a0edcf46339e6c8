//! Locks behind a pooler in transaction mode, where a session holds nothing.

use std::time::Duration;

use neobank_db::locks::{self, LockError, SessionLock, SessionLockOptions};
use neobank_db::{Database, Pooler};

use super::{assert_no_lock_left, name, session_lock};
use crate::harness::{SharingProxy, TestBank};

on_both_versions!(
    declared_pooler_is_rejected,
    shared_server_session_is_detected,
    changed_server_session_is_detected,
    transactions_lock_behind_a_pooler,
);

async fn acquire(database: &Database, identifier: &str) -> Result<SessionLock, LockError> {
    SessionLock::acquire(
        database,
        &[name(identifier)],
        &SessionLockOptions::default(),
    )
    .await
}

async fn declared_pooler_is_rejected(bank: TestBank) {
    let mut config = bank.config();
    config.pooler = Pooler::Transaction;
    let database = Database::connect(config).await.unwrap();
    let rejected = acquire(&database, "a").await;
    assert!(
        matches!(rejected, Err(LockError::Pooler { .. })),
        "{rejected:?}"
    );
}

/// Connects a pool behind an undeclared pooler with this many server connections.
async fn pooled(bank: &TestBank, size: usize) -> Database {
    let mut config = bank.config();
    let proxy = SharingProxy::before(&config, size).await;
    proxy.stand_before(&mut config);
    config.pool_min = size;
    config.pool_max = size;
    Database::connect(config).await.unwrap()
}

async fn shared_server_session_is_detected(bank: TestBank) {
    let database = pooled(&bank, 1).await;
    // A single lock looks like one on a connection of its own.
    let first = acquire(&database, "a").await.unwrap();
    // The server would grant the same lock to the same session again.
    for identifier in ["a", "b"] {
        let rejected = acquire(&database, identifier).await;
        assert!(
            matches!(rejected, Err(LockError::Pooler { .. })),
            "{rejected:?}"
        );
    }
    assert!(!first.is_lost());
    first.release().await.unwrap();
    assert_no_lock_left(&bank).await;
}

async fn changed_server_session_is_detected(bank: TestBank) {
    let database = pooled(&bank, 2).await;
    for _ in 0..4 {
        let rejected = acquire(&database, "a").await;
        assert!(
            matches!(rejected, Err(LockError::Pooler { .. })),
            "{rejected:?}"
        );
        assert_no_lock_left(&bank).await;
    }
    // The rejected attempts exclude no other holder.
    session_lock(&bank.database, "a")
        .await
        .release()
        .await
        .unwrap();
}

async fn transactions_lock_behind_a_pooler(bank: TestBank) {
    let mut config = bank.config();
    config.pooler = Pooler::Transaction;
    let database = Database::connect(config).await.unwrap();
    let mut holder = database.begin().await.unwrap();
    locks::lock(&mut holder, &[name("a")], Duration::from_secs(20))
        .await
        .unwrap();
    let mut other = database.begin().await.unwrap();
    assert!(
        locks::try_lock(&mut other, &[name("a")])
            .await
            .unwrap()
            .is_none()
    );
    holder.commit().await.unwrap();
    assert!(
        locks::try_lock(&mut other, &[name("a")])
            .await
            .unwrap()
            .is_some()
    );
    other.commit().await.unwrap();
    assert_no_lock_left(&bank).await;
}
