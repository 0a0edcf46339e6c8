//! Locks behind PgBouncer.

use std::time::Duration;

use neobank_db::Pooler;
use neobank_db::locks::{self, LockError, SessionLock, SessionLockOptions};
use neobank_ops::pgbouncer::PoolMode;

use super::{before, connect, drop_user};
use crate::harness::TestBank;
use crate::locks::name;

on_both_versions!(
    session_locks_are_rejected,
    undeclared_pooler_is_rejected_for_a_single_client,
    transaction_locks_exclude_each_other,
);

async fn session_locks_are_rejected(bank: TestBank) {
    let (pgbouncer, config) = before(&bank, |_| ()).await;
    let rejected = SessionLock::acquire(
        &connect(&config).await,
        &[name("a")],
        &SessionLockOptions::default(),
    )
    .await;
    assert!(
        matches!(rejected, Err(LockError::Pooler { .. })),
        "{rejected:?}"
    );
    drop(pgbouncer);
    drop_user(&bank, &config).await;
}

async fn transaction_locks_exclude_each_other(bank: TestBank) {
    let (pgbouncer, config) = before(&bank, |_| ()).await;
    let database = connect(&config).await;
    let mut holder = database.begin().await.unwrap();
    locks::lock(&mut holder, &[name("a")], Duration::from_secs(5))
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
    drop((database, pgbouncer));
    drop_user(&bank, &config).await;
}

/// The configuration declares no pooler, and PgBouncer ignores the options that would reveal it.
async fn undeclared_pooler_is_rejected_for_a_single_client(bank: TestBank) {
    // In session mode, which a single client cannot distinguish from the others.
    let (pgbouncer, mut config) = before(&bank, |config| {
        config.pool_mode = PoolMode::Session;
        config.max_prepared_statements = 0;
        config.pool_size = 8;
    })
    .await;
    config.pooler = Pooler::None;
    let rejected = SessionLock::acquire(
        &connect(&config).await,
        &[name("a")],
        &SessionLockOptions::default(),
    )
    .await;
    assert!(
        matches!(rejected, Err(LockError::Pooler { .. })),
        "{rejected:?}"
    );
    drop(pgbouncer);
    drop_user(&bank, &config).await;
}
