//! Futures of transfers, locks and checkouts, dropped at every await point: they leave no permit,
//! no transaction, no setting and no lock. `NEOBANK_DROPPED_FUTURES` sets the number of each.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use neobank_db::locks::{self, LockName};
use neobank_db::{Database, Executor, statement};
use neobank_domain::{AccountId, Money, TransferRequest};

use super::{assert_all_come_back, assert_nothing_left};
use crate::harness::{TestBank, czk, single};

on_both_versions!(
    dropped_transfer_leaves_no_transaction,
    dropped_lock_leaves_no_transaction,
    dropped_checkout_leaves_no_transaction,
);

const SIZE: usize = 3;

/// More polls than any of these futures needs.
const POLLS_MAX: usize = 400;

fn futures() -> usize {
    std::env::var("NEOBANK_DROPPED_FUTURES").map_or(300, |number| number.parse().unwrap())
}

/// Polls a future this many times and drops it. The pauses, which grow with each round, let answers
/// arrive, so that each await point is dropped before and after its answer.
async fn poll_and_drop<T>(
    future: impl Future<Output = T>,
    polls: usize,
    round: usize,
) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..polls {
        let poll = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(value) = poll {
            return Some(value);
        }
        match round % 4 {
            0 => tokio::task::yield_now().await,
            more => tokio::time::sleep(Duration::from_micros(150 * more as u64)).await,
        }
    }
    None
}

/// Returns the number of polls that the future needs to complete.
async fn polls<T>(future: impl Future<Output = T>) -> usize {
    let mut future = pin!(future);
    for number in 1..POLLS_MAX {
        let poll = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if poll.is_ready() {
            return number;
        }
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
    panic!("it does not end");
}

async fn small_pool(bank: &TestBank) -> Database {
    let mut config = bank.config();
    config.pool_max = SIZE;
    config.acquire_timeout = Duration::from_secs(20);
    Database::connect(config).await.unwrap()
}

/// Checks out every connection of the pool at once, so that none is missed.
async fn settings(database: &Database) -> Vec<String> {
    let sql = "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings
               WHERE name IN ('lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout',
                              'transaction_isolation', 'transaction_read_only', 'search_path', 'role')";
    let mut transactions = Vec::new();
    let mut settings = Vec::new();
    for _ in 0..SIZE {
        let transaction = database.begin().await.unwrap();
        settings.push(transaction.fetch_value(statement(sql, [])).await.unwrap());
        transactions.push(transaction);
    }
    for transaction in transactions {
        transaction.rollback().await.unwrap();
    }
    settings
}

async fn assert_nothing_is_left(bank: &TestBank, database: &Database, before: &[String]) {
    assert_all_come_back(database).await;
    assert_nothing_left(bank).await;
    assert_eq!(settings(database).await, before);
}

async fn dropped_transfer_leaves_no_transaction(bank: TestBank) {
    let database = small_pool(&bank).await;
    let before = settings(&database).await;
    let ledger = single(database.clone());
    let accounts = [
        bank.account(czk("100000")).await,
        bank.account(czk("100000")).await,
    ];
    let transfer =
        |from: AccountId, to: AccountId| ledger.transfer(TransferRequest::new(from, to, czk("1")));
    let most = polls(transfer(accounts[0], accounts[1])).await.max(8) + 4;
    let (mut finished, mut acknowledged) = (0, Vec::new());
    for round in 0..futures() {
        let transfer = transfer(accounts[round % 2], accounts[(round + 1) % 2]);
        if let Some(receipt) = poll_and_drop(transfer, round % most, round / most).await {
            finished += 1;
            acknowledged.push(receipt.unwrap().transfer_id.as_uuid());
        }
    }
    assert!(
        finished > 0 && finished < futures(),
        "{finished} of {} finished",
        futures()
    );
    assert_nothing_is_left(&bank, &database, &before).await;
    let sql = "SELECT count(*) FROM banking.transfers WHERE transfer_id = ANY ($1)";
    let there: i64 = bank
        .database
        .fetch_value(statement(sql, [acknowledged.into()]))
        .await
        .unwrap();
    assert_eq!(there, finished as i64);
    let sum: Money = bank
        .balance(accounts[0])
        .await
        .checked_add(bank.balance(accounts[1]).await)
        .unwrap();
    assert_eq!(sum, czk("200000"));
    bank.assert_sound().await;
}

async fn dropped_lock_leaves_no_transaction(bank: TestBank) {
    let database = small_pool(&bank).await;
    let before = settings(&database).await;
    let names = ["a", "b"].map(|name| LockName::new("dropped", name).unwrap());
    let lock = async |number: usize| {
        let mut transaction = database.begin().await?;
        let timeout = Duration::from_millis(20);
        // Two names in either order, sometimes in two calls, so that some wait.
        let _ = locks::lock(&mut transaction, &names[number % 2..], timeout).await;
        transaction.commit().await
    };
    let most = polls(lock(0)).await + 4;
    let mut finished = 0;
    for round in 0..futures() {
        let holder = round.is_multiple_of(5).then(|| database.begin());
        let holder = match holder {
            Some(begin) => {
                let mut transaction = begin.await.unwrap();
                let timeout = Duration::from_secs(20);
                locks::lock(&mut transaction, &names[1..], timeout)
                    .await
                    .unwrap();
                Some(transaction)
            }
            None => None,
        };
        let outcome = poll_and_drop(lock(round), round % most, round / most).await;
        finished += usize::from(outcome.is_some());
        drop(holder);
    }
    assert!(
        finished > 0 && finished < futures(),
        "{finished} of {} finished",
        futures()
    );
    assert_nothing_is_left(&bank, &database, &before).await;
    let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let held: i64 = bank.database.fetch_value(statement(sql, [])).await.unwrap();
    assert_eq!(held, 0);
}

async fn dropped_checkout_leaves_no_transaction(bank: TestBank) {
    let database = small_pool(&bank).await;
    let before = settings(&database).await;
    let acquire = async || {
        let transaction = database.begin().await?;
        // A connection that was checked out and not used yet counts as idle.
        tokio::task::yield_now().await;
        drop(transaction);
        Ok::<_, neobank_db::DatabaseError>(())
    };
    let mut finished = 0;
    for round in 0..futures() {
        // Between none and all connections are checked out, and some waiting callers are admitted
        // while they are dropped.
        let mut held = Vec::new();
        for _ in 0..round % (SIZE + 1) {
            held.push(database.begin().await.unwrap());
        }
        let (first, second) = tokio::join!(
            poll_and_drop(acquire(), round % 7, round / 7),
            poll_and_drop(
                async {
                    drop(held.pop());
                    acquire().await
                },
                (round / 7) % 5,
                round
            )
        );
        finished += usize::from(first.is_some()) + usize::from(second.is_some());
        if round.is_multiple_of(11) {
            database.resize(1 + round % SIZE);
        }
        drop(held);
        if round.is_multiple_of(11) {
            database.resize(SIZE);
        }
    }
    assert!(
        finished > 0 && finished < 2 * futures(),
        "{finished} finished"
    );
    assert_nothing_is_left(&bank, &database, &before).await;
}
