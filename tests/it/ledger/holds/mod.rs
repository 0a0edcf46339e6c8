//! Holds: reserved amounts, their captures, releases and ends.

mod batches;
mod database;
mod expiry;
mod groups;
mod in_doubt;
mod lifecycle;
mod optimistic;
mod races;
mod rejections;
mod replays;
mod step_replays;
mod steps;

use std::time::Duration;

use neobank_db::{Executor, statement};
use neobank_domain::ledger::{HoldReceipt, HoldRequest, holds};
use neobank_domain::{AccountId, HoldId, LedgerError, Money, Rejection};

use crate::harness::TestBank;

/// Holds an amount without a destination and an end.
async fn hold(bank: &TestBank, account: AccountId, amount: Money) -> HoldReceipt {
    let request = HoldRequest::new(account, amount);
    bank.ledger.hold(request).await.unwrap()
}

/// Returns an account's held and available balance.
async fn balances(bank: &TestBank, account: AccountId) -> (Money, Money) {
    let found = bank.find(account).await;
    (found.held_balance, found.available_balance.unwrap())
}

/// Waits until the server's clock has reached the end of a hold.
async fn until_over(bank: &TestBank, hold: HoldId) {
    let expires_at = holds::find(&bank.database, hold)
        .await
        .unwrap()
        .unwrap()
        .expires_at;
    let sql = "SELECT clock_timestamp() >= $1";
    while !bank
        .database
        .fetch_value::<bool>(statement(sql, [expires_at.into()]))
        .await
        .unwrap()
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Returns a hold that is over soon, and waits until it is.
async fn over(bank: &TestBank, account: AccountId, amount: Money) -> HoldId {
    let soon = chrono::Utc::now() + Duration::from_millis(1_000);
    let request = HoldRequest::new(account, amount).with_expiry(soon);
    let hold = bank.ledger.hold(request).await.unwrap().hold_id;
    until_over(bank, hold).await;
    hold
}

/// Returns every row of holds and of money as one text.
async fn fingerprint(bank: &TestBank) -> String {
    let sql = "SELECT coalesce((SELECT string_agg(h::text, E'\\n' ORDER BY h.hold_id) FROM banking.holds AS h), '')
               || '/' || coalesce((SELECT string_agg(e::text, E'\\n' ORDER BY e.event_id)
                                   FROM banking.hold_events AS e), '')";
    let holds: String = bank.database.fetch_value(statement(sql, [])).await.unwrap();
    bank.fingerprint().await + "/" + &holds
}

fn rejection<T: std::fmt::Debug>(outcome: Result<T, LedgerError>) -> Rejection {
    match outcome {
        Err(LedgerError::Rejected(rejection)) => rejection,
        other => panic!("not rejected: {other:?}"),
    }
}
