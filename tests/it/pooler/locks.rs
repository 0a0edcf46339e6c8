//! Locks behind PgBouncer.

use std::time::Duration;

use neobank_db::locks::{self, LockError, SessionLock, SessionLockOptions};

use super::{before, connect, drop_user};
use crate::harness::TestBank;
use crate::locks::name;

on_both_versions!(sessions_may_not_lock, transactions_lock_each_other_out);

async fn sessions_may_not_lock(bank: TestBank) {
    let (pgbouncer, config) = before(&bank, |_| ()).await;
    let refused = SessionLock::acquire(
        &connect(&config).await,
        &[name("a")],
        &SessionLockOptions::default(),
    )
    .await;
    assert!(
        matches!(refused, Err(LockError::Pooler { .. })),
        "{refused:?}"
    );
    drop(pgbouncer);
    drop_user(&bank, &config).await;
}

async fn transactions_lock_each_other_out(bank: TestBank) {
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
