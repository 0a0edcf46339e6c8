//! A closing beside transactions that post: it waits for those that have, and others wait for it.

use std::time::Duration;

use neobank_db::{Executor, IsolationLevel, TransactionOptions, statement};
use neobank_domain::periods;
use neobank_domain::{LedgerError, PostingRequest, Rejection, TransferRequest};
use tokio::time::timeout;

use super::{close, controller, czk as koruna, days_ago};
use crate::harness::{TestBank, czk};
use crate::pool::until;
use crate::statements::account_in;

on_both_versions!(
    closing_waits_for_a_transaction_that_has_posted,
    closing_and_value_dated_requests_wait_for_each_other,
    older_snapshot_does_not_miss_a_closing,
    requests_beside_a_closing_are_posted_before_it_or_rejected,
    advisory_lock_of_another_session_stops_neither_requests_nor_closings,
);

async fn closing_waits_for_a_transaction_that_has_posted(bank: TestBank) {
    let (one, two) = (bank.account(czk("9")).await, bank.account(czk("9")).await);
    for value_date in [None, Some(days_ago(9))] {
        let mut open = bank.database.begin().await.unwrap();
        let mut request = TransferRequest::new(one, two, czk("1"));
        request.attributes.value_date = value_date;
        bank.ledger.transfer_in(&mut open, request).await.unwrap();
        let through = days_ago(if value_date.is_none() { 10 } else { 9 });
        let mut closing = Box::pin(close(&bank, koruna(), through));
        let early = timeout(Duration::from_millis(300), &mut closing).await;
        assert!(early.is_err(), "{value_date:?}: {early:?}");
        open.commit().await.unwrap();
        closing.await.unwrap();
    }
    bank.assert_sound().await;
}

async fn closing_and_value_dated_requests_wait_for_each_other(bank: TestBank) {
    let account = bank.account(czk("9")).await;
    let other = bank.account(czk("1")).await;
    let dated = |days| PostingRequest::deposit(account, czk("1")).with_value_date(days_ago(days));
    let change = controller(&bank).begin_change().await.unwrap();
    periods::close(&change, koruna(), days_ago(9))
        .await
        .unwrap();
    let (ledger, request) = (bank.ledger.clone(), dated(9));
    let waiting = tokio::spawn(async move { ledger.submit(request).await });
    let superuser = bank.superuser().await;
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock')";
    until("the request waits for the closing", async || {
        superuser.fetch_value(statement(waits, [])).await.unwrap()
    })
    .await;
    // A plain request does not wait.
    let plain = PostingRequest::deposit(other, czk("1"));
    bank.ledger.submit(plain).await.unwrap();
    change.commit().await.unwrap();
    let error = waiting.await.unwrap().unwrap_err();
    assert!(
        matches!(error, LedgerError::Rejected(Rejection::PeriodClosed { first_open_day, .. }) if first_open_day == days_ago(8)),
        "{error:?}"
    );
    bank.ledger.submit(dated(8)).await.unwrap();
    bank.assert_sound().await;
}

async fn older_snapshot_does_not_miss_a_closing(bank: TestBank) {
    let account = account_in(&bank, "UTC").await;
    let options = TransactionOptions::default().with_isolation(IsolationLevel::RepeatableRead);
    let mut old = bank.database.begin_with(options).await.unwrap();
    let count: i64 = old
        .fetch_value(statement("SELECT count(*) FROM banking.accounts", []))
        .await
        .unwrap();
    assert!(count > 0);
    close(&bank, koruna(), days_ago(9)).await.unwrap();
    let dated = PostingRequest::deposit(account, czk("1")).with_value_date(days_ago(9));
    let error = bank.ledger.submit_in(&mut old, dated).await.unwrap_err();
    let LedgerError::Database(error) = error else {
        panic!("{error:?}")
    };
    assert_eq!(error.server().unwrap().sqlstate, "40001");
}

async fn requests_beside_a_closing_are_posted_before_it_or_rejected(bank: TestBank) {
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let account = bank.account(czk("9")).await;
        let ledger = bank.ledger.clone();
        tasks.push(tokio::spawn(async move {
            let mut rejected = 0;
            while rejected < 3 {
                let request = PostingRequest::deposit(account, czk("1"));
                match ledger.submit(request.with_value_date(days_ago(9))).await {
                    Ok(_) => {}
                    Err(LedgerError::Rejected(Rejection::PeriodClosed { .. })) => rejected += 1,
                    Err(other) => panic!("{other:?}"),
                }
            }
        }));
    }
    until("some are posted", async || {
        bank.count("banking.transfers").await > 40
    })
    .await;
    close(&bank, koruna(), days_ago(9)).await.unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    bank.assert_sound().await;
}

/// Any role that can connect can take an advisory lock, whatever its key.
async fn advisory_lock_of_another_session_stops_neither_requests_nor_closings(bank: TestBank) {
    let account = bank.account(czk("9")).await;
    let stranger = bank.superuser().await.begin().await.unwrap();
    let lock = "SELECT FROM pg_advisory_xact_lock(1312960566, hashtext('CZK'))";
    stranger.execute(statement(lock, [])).await.unwrap();
    let dated = PostingRequest::deposit(account, czk("1")).with_value_date(days_ago(5));
    bank.ledger.submit(dated.clone()).await.unwrap();
    bank.account(czk("1")).await;
    close(&bank, koruna(), days_ago(5)).await.unwrap();
    let error = bank.ledger.submit(dated).await.unwrap_err();
    assert!(
        matches!(error, LedgerError::Rejected(Rejection::PeriodClosed { .. })),
        "{error:?}"
    );
    stranger.rollback().await.unwrap();
    bank.assert_sound().await;
}
