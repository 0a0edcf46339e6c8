//! Holders that were killed, cancelled, stalled or cut off: each is replaced within two seconds,
//! and its late write is rejected.

use std::time::{Duration, Instant};

use neobank_db::locks::{self, FencingToken, LockError, SessionLock, held_locks};
use neobank_db::{Database, Executor, statement};

use super::{
    assert_no_lock_left, counters, name, print_figure, session_lock, until_waiting, watcher, within,
};
use crate::harness::{StallingProxy, TestBank};

on_both_versions!(
    killed_session_is_replaced,
    aborted_task_is_replaced,
    panicked_task_is_replaced,
    stalled_session_is_replaced,
    cut_off_session_is_replaced,
    cut_off_waiter_gives_way,
    killed_transaction_is_replaced,
    cut_off_transaction_is_replaced,
);

const BOUND: Duration = Duration::from_secs(2);

/// Returns the next holder's lock, which must come within the bound and have a higher token than
/// the last one.
async fn replaced(bank: &TestBank, last: FencingToken, since: Instant) -> SessionLock {
    let next = SessionLock::acquire(
        &bank.database,
        &[name("a")],
        &within(Duration::from_secs(20)),
    )
    .await
    .unwrap();
    let waited = since.elapsed();
    assert!(waited < BOUND, "{waited:?}");
    print_figure(&format!("replaced after {waited:?}"));
    assert!(next.fencing_token(&name("a")).unwrap() > last);
    next
}

/// Writes under the protection of the lock, with the check in the same transaction.
async fn protected_write(database: &Database, token: FencingToken) -> Result<(), LockError> {
    let transaction = database.begin().await?;
    locks::check_fencing_token(&transaction, &name("a"), token).await?;
    transaction
        .execute(statement(
            "UPDATE scratch.counter SET sections = sections + 1 WHERE id = 1",
            [],
        ))
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// Checks that the last holder's late write is rejected, and the next holder's is not.
async fn assert_fenced(bank: &TestBank, last: FencingToken, next: &SessionLock) {
    let newest = next.fencing_token(&name("a")).unwrap();
    let rejected = protected_write(&bank.database, last).await;
    assert!(
        matches!(&rejected, Err(LockError::StaleToken { token, newest: Some(known), .. })
            if *token == last && *known == newest),
        "{rejected:?}"
    );
    protected_write(&bank.database, newest).await.unwrap();
    let written: i64 = bank
        .database
        .fetch_value(statement(
            "SELECT sections FROM scratch.counter WHERE id = 1",
            [],
        ))
        .await
        .unwrap();
    assert_eq!(written, 1);
}

async fn holder_of(bank: &TestBank) -> i32 {
    let held = held_locks(&watcher(bank).await).await.unwrap();
    held.iter().find(|lock| lock.granted).unwrap().process_id
}

async fn kill(bank: &TestBank, process: i32) {
    watcher(bank)
        .await
        .execute(statement(
            "SELECT pg_terminate_backend($1)",
            [process.into()],
        ))
        .await
        .unwrap();
}

async fn killed_session_is_replaced(bank: TestBank) {
    counters(&bank).await;
    let lock = session_lock(&bank.database, "a").await;
    let token = lock.fencing_token(&name("a")).unwrap();
    protected_write(&bank.database, token).await.unwrap();
    bank.database
        .execute(statement("UPDATE scratch.counter SET sections = 0", []))
        .await
        .unwrap();
    let since = Instant::now();
    kill(&bank, holder_of(&bank).await).await;
    let next = replaced(&bank, token, since).await;
    let reason = tokio::time::timeout(Duration::from_secs(1), lock.lost())
        .await
        .unwrap();
    assert!(reason.contains("57P01"), "{reason}");
    assert!(lock.is_lost());
    assert!(matches!(lock.release().await, Err(LockError::Lost { .. })));
    assert_fenced(&bank, token, &next).await;
    next.release().await.unwrap();
    assert_no_lock_left(&bank).await;
}

async fn ended_by(
    bank: TestBank,
    end: impl AsyncFnOnce(Database, tokio::sync::oneshot::Sender<FencingToken>) -> Instant,
) {
    counters(&bank).await;
    let (sender, token) = tokio::sync::oneshot::channel();
    let since = end(bank.database.clone(), sender).await;
    let token = token.await.unwrap();
    let next = replaced(&bank, token, since).await;
    assert_fenced(&bank, token, &next).await;
    drop(next);
    assert_no_lock_left(&bank).await;
}

async fn aborted_task_is_replaced(bank: TestBank) {
    ended_by(bank, async |database, sender| {
        let (held, until_held) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let lock = session_lock(&database, "a").await;
            sender
                .send(lock.fencing_token(&name("a")).unwrap())
                .unwrap();
            held.send(()).unwrap();
            lock.lost().await
        });
        until_held.await.unwrap();
        task.abort();
        Instant::now()
    })
    .await;
}

async fn panicked_task_is_replaced(bank: TestBank) {
    ended_by(bank, async |database, sender| {
        let task = tokio::spawn(async move {
            let lock = session_lock(&database, "a").await;
            sender
                .send(lock.fencing_token(&name("a")).unwrap())
                .unwrap();
            panic!("on purpose: {:?}", lock.names().count());
        });
        assert!(task.await.unwrap_err().is_panic());
        Instant::now()
    })
    .await;
}

/// Connects a database through a proxy that can fall silent.
async fn through_proxy(bank: &TestBank) -> (Database, StallingProxy) {
    let mut config = bank.config();
    let proxy = StallingProxy::before(&config).await;
    proxy.stand_before(&mut config);
    config.idle_in_transaction_timeout = Duration::from_millis(1_500);
    config.recovery_timeout = Duration::from_millis(500);
    (Database::connect(config).await.unwrap(), proxy)
}

async fn stalled_session_is_replaced(bank: TestBank) {
    counters(&bank).await;
    let (database, proxy) = through_proxy(&bank).await;
    let lock = session_lock(&database, "a").await;
    let token = lock.fencing_token(&name("a")).unwrap();
    // Long enough that only keep-alives can have kept the lock.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!lock.is_lost());
    let since = Instant::now();
    proxy.fall_silent();
    let next = replaced(&bank, token, since).await;
    // The holder knew of the loss before another holder could have the lock.
    assert!(lock.valid_until() < Instant::now());
    assert!(lock.is_lost());
    // The holder wakes up, and does not know yet that it lost the lock.
    proxy.speak();
    assert_fenced(&bank, token, &next).await;
    let reason = tokio::time::timeout(Duration::from_secs(1), lock.lost())
        .await
        .unwrap();
    assert!(reason.contains("answer"), "{reason}");
    next.release().await.unwrap();
    assert_no_lock_left(&bank).await;
}

async fn cut_off_session_is_replaced(bank: TestBank) {
    counters(&bank).await;
    let (database, proxy) = through_proxy(&bank).await;
    let lock = session_lock(&database, "a").await;
    let token = lock.fencing_token(&name("a")).unwrap();
    proxy.fall_silent();
    // The holder is gone, and the server is not notified.
    let since = Instant::now();
    drop(lock);
    let next = replaced(&bank, token, since).await;
    assert_fenced(&bank, token, &next).await;
    next.release().await.unwrap();
    assert_no_lock_left(&bank).await;
}

async fn cut_off_waiter_gives_way(bank: TestBank) {
    let first = session_lock(&bank.database, "a").await;
    let (database, proxy) = through_proxy(&bank).await;
    let waiter = tokio::spawn(async move {
        let options = within(Duration::from_secs(20));
        SessionLock::acquire(&database, &[name("a")], &options)
            .await
            .map(drop)
    });
    until_waiting(&bank, 1).await;
    proxy.fall_silent();
    // The waiter gets the lock and never learns of it.
    let token = first.fencing_token(&name("a")).unwrap();
    let since = Instant::now();
    first.release().await.unwrap();
    let next = replaced(&bank, token, since).await;
    waiter.abort();
    next.release().await.unwrap();
    assert_no_lock_left(&bank).await;
}

async fn killed_transaction_is_replaced(bank: TestBank) {
    counters(&bank).await;
    let mut holder = bank.database.begin().await.unwrap();
    let locks = locks::lock(&mut holder, &[name("a")], BOUND).await.unwrap();
    holder
        .execute(statement("UPDATE scratch.counter SET sections = 99", []))
        .await
        .unwrap();
    let since = Instant::now();
    kill(&bank, holder_of(&bank).await).await;
    // The token was never committed, so it is issued again.
    assert_eq!(locks.fencing_token(&name("a")).unwrap().number(), 1);
    let next = replaced(&bank, FencingToken::new(0), since).await;
    assert!(holder.commit().await.is_err());
    next.release().await.unwrap();
    assert_no_lock_left(&bank).await;
    let late = "SELECT count(*) FROM scratch.counter WHERE sections = 99";
    assert_eq!(
        bank.database
            .fetch_value::<i64>(statement(late, []))
            .await
            .unwrap(),
        0
    );
}

async fn cut_off_transaction_is_replaced(bank: TestBank) {
    counters(&bank).await;
    let (database, proxy) = through_proxy(&bank).await;
    let mut holder = database.begin().await.unwrap();
    locks::lock(&mut holder, &[name("a")], BOUND).await.unwrap();
    holder
        .execute(statement("UPDATE scratch.counter SET sections = 99", []))
        .await
        .unwrap();
    let since = Instant::now();
    proxy.fall_silent();
    let next = replaced(&bank, FencingToken::new(0), since).await;
    proxy.speak();
    assert!(
        holder
            .execute(statement("UPDATE scratch.counter SET sections = 99", []))
            .await
            .is_err()
    );
    assert!(holder.commit().await.is_err());
    let late = "SELECT count(*) FROM scratch.counter WHERE sections = 99";
    assert_eq!(
        bank.database
            .fetch_value::<i64>(statement(late, []))
            .await
            .unwrap(),
        0
    );
    next.release().await.unwrap();
    assert_no_lock_left(&bank).await;
}
