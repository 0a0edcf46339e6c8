//! Leases: names that are held until a point in time.

use std::time::{Duration, Instant};

use neobank_db::locks::{self, LockError, LockLease, SessionLock};
use neobank_db::{Executor, statement};
use tokio::task::JoinSet;

use super::{assert_no_lock_left, name, session_lock, within};
use crate::harness::TestBank;

on_both_versions!(
    lease_has_one_holder_at_a_time,
    expired_lease_is_taken_over,
    renewal_extends_the_lease,
    locks_and_leases_exclude_each_other,
    concurrent_requests_get_the_lease_in_turn,
    time_to_live_outside_its_limits_is_rejected,
    only_the_holder_renews_and_releases,
);

const MINUTE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(150);

async fn lease_has_one_holder_at_a_time(bank: TestBank) {
    let lease = LockLease::acquire(&bank.database, &name("a"), MINUTE, SHORT)
        .await
        .unwrap();
    assert_eq!(lease.fencing_token().number(), 1);
    assert_eq!(lease.name(), &name("a"));
    let started = Instant::now();
    let rejected = LockLease::acquire(&bank.database, &name("a"), MINUTE, SHORT).await;
    assert!(started.elapsed() >= SHORT);
    let Err(LockError::Leased {
        name: of,
        holder,
        expires_at,
    }) = rejected
    else {
        panic!("{rejected:?}")
    };
    assert_eq!(
        (of, holder, expires_at),
        (name("a"), lease.holder(), lease.expires_at())
    );
    lease.clone().release(&bank.database).await.unwrap();
    assert!(matches!(
        lease.release(&bank.database).await,
        Err(LockError::Lost { .. })
    ));
    let next = LockLease::acquire(&bank.database, &name("a"), MINUTE, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(next.fencing_token().number(), 2);
    assert_no_lock_left(&bank).await;
}

async fn expired_lease_is_taken_over(bank: TestBank) {
    let mut lease = LockLease::acquire(&bank.database, &name("a"), SHORT, SHORT)
        .await
        .unwrap();
    let started = Instant::now();
    // The request waits for the expiry, and no longer.
    let next = LockLease::acquire(&bank.database, &name("a"), MINUTE, MINUTE)
        .await
        .unwrap();
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(
        Instant::now() >= lease.valid_until(),
        "taken before its end"
    );
    assert!(next.fencing_token() > lease.fencing_token());
    assert!(matches!(
        lease.renew(&bank.database, MINUTE).await,
        Err(LockError::Lost { .. })
    ));
    let write = bank.database.begin().await.unwrap();
    let rejected = locks::check_fencing_token(&write, &name("a"), lease.fencing_token()).await;
    assert!(matches!(rejected, Err(LockError::StaleToken { .. })));
    locks::check_fencing_token(&write, &name("a"), next.fencing_token())
        .await
        .unwrap();
    drop(write);
    assert!(matches!(
        lease.release(&bank.database).await,
        Err(LockError::Lost { .. })
    ));
    // The release of the old lease has not ended the new one.
    next.release(&bank.database).await.unwrap();
}

async fn renewal_extends_the_lease(bank: TestBank) {
    let half = Duration::from_millis(500);
    let mut lease = LockLease::acquire(&bank.database, &name("a"), half, SHORT)
        .await
        .unwrap();
    for _ in 0..4 {
        tokio::time::sleep(SHORT).await;
        let before = (lease.expires_at(), lease.valid_until());
        lease.renew(&bank.database, half).await.unwrap();
        assert!(lease.expires_at() > before.0 && lease.valid_until() > before.1);
        let rejected = LockLease::acquire(&bank.database, &name("a"), half, Duration::ZERO).await;
        assert!(
            matches!(rejected, Err(LockError::Leased { .. })),
            "{rejected:?}"
        );
    }
    // An expired lease cannot be renewed, even if no other holder has it.
    tokio::time::sleep(half + SHORT).await;
    assert!(matches!(
        lease.renew(&bank.database, half).await,
        Err(LockError::Lost { .. })
    ));
}

async fn locks_and_leases_exclude_each_other(bank: TestBank) {
    let lease = LockLease::acquire(&bank.database, &name("a"), MINUTE, SHORT)
        .await
        .unwrap();
    let mut transaction = bank.database.begin().await.unwrap();
    let rejected = locks::lock(&mut transaction, &[name("a")], SHORT).await;
    assert!(
        matches!(rejected, Err(LockError::Leased { .. })),
        "{rejected:?}"
    );
    assert!(
        locks::try_lock(&mut transaction, &[name("a")])
            .await
            .unwrap()
            .is_none()
    );
    let rejected = SessionLock::acquire(&bank.database, &[name("a")], &within(SHORT)).await;
    assert!(
        matches!(rejected, Err(LockError::Leased { .. })),
        "{rejected:?}"
    );
    assert_no_lock_left(&bank).await;
    lease.release(&bank.database).await.unwrap();

    let session = session_lock(&bank.database, "a").await;
    let rejected = LockLease::acquire(&bank.database, &name("a"), MINUTE, SHORT).await;
    assert!(
        matches!(rejected, Err(LockError::Timeout { .. })),
        "{rejected:?}"
    );
    session.release().await.unwrap();
    locks::lock(&mut transaction, &[name("a")], SHORT)
        .await
        .unwrap();
    let rejected = LockLease::acquire(&bank.database, &name("a"), MINUTE, SHORT).await;
    assert!(
        matches!(rejected, Err(LockError::Timeout { .. })),
        "{rejected:?}"
    );
    transaction.commit().await.unwrap();
    LockLease::acquire(&bank.database, &name("a"), MINUTE, SHORT)
        .await
        .unwrap();
}

async fn concurrent_requests_get_the_lease_in_turn(bank: TestBank) {
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let database = bank.database.clone();
        tasks.spawn(async move {
            let mut held = Vec::new();
            for _ in 0..5 {
                let lease = LockLease::acquire(&database, &name("a"), MINUTE, MINUTE)
                    .await
                    .unwrap();
                let from = Instant::now();
                tokio::time::sleep(Duration::from_millis(1)).await;
                held.push((lease.fencing_token().number(), from, Instant::now()));
                lease.release(&database).await.unwrap();
            }
            held
        });
    }
    let mut held: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    held.sort_unstable_by_key(|(token, ..)| *token);
    assert!(held.iter().map(|(token, ..)| *token).eq(1..=40));
    assert!(
        held.windows(2).all(|pair| pair[0].2 <= pair[1].1),
        "two held it at once"
    );
    let leases: i64 = bank
        .database
        .fetch_value(statement(
            "SELECT count(*) FROM concurrency.lock_leases",
            [],
        ))
        .await
        .unwrap();
    assert_eq!(leases, 0);
}

async fn time_to_live_outside_its_limits_is_rejected(bank: TestBank) {
    for time_to_live in [Duration::ZERO, Duration::MAX] {
        let rejected = LockLease::acquire(&bank.database, &name("a"), time_to_live, SHORT).await;
        assert!(rejected.is_err(), "{rejected:?}");
    }
    let mut lease = LockLease::acquire(&bank.database, &name("a"), MINUTE, SHORT)
        .await
        .unwrap();
    assert!(lease.renew(&bank.database, Duration::ZERO).await.is_err());
    assert!(lease.renew(&bank.database, Duration::MAX).await.is_err());
    lease.release(&bank.database).await.unwrap();
}

/// The holder's public identifier, the name and the token are readable by every role; they release
/// nothing.
async fn only_the_holder_renews_and_releases(bank: TestBank) {
    let lease = LockLease::acquire(&bank.database, &name("a"), MINUTE, SHORT)
        .await
        .unwrap();
    let renew = "SELECT concurrency.renew_lease($1, $2, $3, $4, 60000) IS NOT NULL";
    let release = "SELECT concurrency.release_lease($1, $2, $3, $4)";
    for sql in [renew, release] {
        let done: bool = bank
            .database
            .fetch_value(statement(
                sql,
                [
                    lease.name().namespace().into(),
                    lease.name().identifier().into(),
                    lease.holder().into(),
                    lease.fencing_token().number().into(),
                ],
            ))
            .await
            .unwrap();
        assert!(!done, "{sql}");
    }
    lease.release(&bank.database).await.unwrap();
}
