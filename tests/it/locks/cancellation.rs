//! Futures of locks that are dropped at any point leave no lock.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use neobank_db::locks::{self, SessionLock, held_locks};
use neobank_db::{Executor, statement};

use super::{assert_no_lock_left, name, until_waiting, within};
use crate::database::assert_all_come_back;
use crate::harness::TestBank;

on_both_versions!(
    transaction_continues_after_a_dropped_lock,
    transaction_dropped_with_its_lock_leaves_nothing,
    dropped_session_lock_leaves_nothing,
    dropped_wait_ends_on_the_server,
);

/// Polls a future this many times, lets the connection's task run in between, and drops the future.
async fn poll_and_drop<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = pin!(future);
    for poll in 0..polls {
        if let std::task::Poll::Ready(value) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return Some(value);
        }
        if (poll + polls).is_multiple_of(3) {
            tokio::time::sleep(Duration::from_micros(300)).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
    None
}

async fn transaction_continues_after_a_dropped_lock(bank: TestBank) {
    let (mut dropped, mut finished) = (0, 0);
    for round in 0..300 {
        // In every third round another transaction holds the lock.
        let mut holder = bank.database.begin().await.unwrap();
        if round % 3 == 0 {
            locks::lock(&mut holder, &[name("b")], Duration::from_secs(20))
                .await
                .unwrap();
        }
        let mut transaction = bank.database.begin().await.unwrap();
        // A BEGIN that is dropped in flight ends the transaction, which another test covers.
        transaction
            .execute(statement("SELECT 1", []))
            .await
            .unwrap();
        let names = [name("a"), name("b"), name("c")];
        let outcome = poll_and_drop(
            locks::lock(&mut transaction, &names, Duration::from_millis(20)),
            round % 25,
        )
        .await;
        let expected = match outcome {
            Some(Ok(_)) => 3,
            _ => 0,
        };
        dropped += usize::from(outcome.is_none());
        finished += usize::from(expected == 3);
        let sql =
            "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'";
        let held: i64 = transaction.fetch_value(statement(sql, [])).await.unwrap();
        assert_eq!(held, expected, "round {round}: {outcome:?}");
        let limit: String = transaction
            .fetch_value(statement("SELECT current_setting('lock_timeout')", []))
            .await
            .unwrap();
        assert_eq!(limit, "5s");
        transaction.commit().await.unwrap();
    }
    assert!(
        dropped > 50 && finished > 10,
        "{dropped} dropped, {finished} finished"
    );
    assert_no_lock_left(&bank).await;
}

async fn transaction_dropped_with_its_lock_leaves_nothing(bank: TestBank) {
    for round in 0..300 {
        let whole = async {
            let mut transaction = bank.database.begin().await.unwrap();
            let names = [name("a"), name("b")];
            locks::lock(&mut transaction, &names, Duration::from_millis(20))
                .await
                .ok();
            transaction.commit().await.ok();
        };
        poll_and_drop(whole, round % 30).await;
    }
    assert_all_come_back(&bank.database).await;
    assert_no_lock_left(&bank).await;
}

async fn dropped_session_lock_leaves_nothing(bank: TestBank) {
    let mut finished = 0;
    for round in 0..300 {
        let mut holder = bank.database.begin().await.unwrap();
        if round % 3 == 0 {
            locks::lock(&mut holder, &[name("b")], Duration::from_secs(20))
                .await
                .unwrap();
        }
        let names = [name("a"), name("b")];
        let options = within(Duration::from_millis(20));
        let acquiring = SessionLock::acquire(&bank.database, &names, &options);
        // Dropped after completion too: a drop releases the lock.
        if let Some(Ok(lock)) = poll_and_drop(acquiring, round % 100).await {
            finished += 1;
            drop(lock);
        }
    }
    assert!(finished > 0 && finished < 300, "{finished} of 300 finished");
    assert_no_lock_left(&bank).await;
    let sessions = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE '%take_locks($1, $2, $3) AS taken%' AND pid <> pg_backend_pid()";
    let open: i64 = bank
        .database
        .fetch_value(statement(sessions, []))
        .await
        .unwrap();
    assert_eq!(open, 0, "a connection is left");
}

async fn dropped_wait_ends_on_the_server(bank: TestBank) {
    let mut holder = bank.database.begin().await.unwrap();
    locks::lock(&mut holder, &[name("a")], Duration::from_secs(20))
        .await
        .unwrap();
    let (session, database) = (bank.database.clone(), bank.database.clone());
    let waiting = [
        tokio::spawn(async move {
            let options = within(Duration::from_secs(20));
            SessionLock::acquire(&session, &[name("a")], &options)
                .await
                .map(drop)
        }),
        tokio::spawn(async move {
            let mut transaction = database.begin().await?;
            locks::lock(&mut transaction, &[name("a")], Duration::from_secs(20))
                .await
                .map(drop)
        }),
    ];
    until_waiting(&bank, 2).await;
    for task in waiting {
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
    // The holder is still there, so only a cancel request can have ended these waits.
    for _ in 0..100 {
        if held_locks(&holder).await.unwrap().len() == 1 {
            holder.commit().await.unwrap();
            return assert_no_lock_left(&bank).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a process still waits");
}
