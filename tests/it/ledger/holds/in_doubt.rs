//! Changes of holds whose commit got no answer happen once.

use std::time::{Duration, Instant};

use neobank_db::{Database, DatabaseError};
use neobank_domain::LedgerError;
use neobank_domain::ledger::{CaptureRequest, HoldRequest, ReleaseRequest};

use super::balances;
use crate::harness::{CuttingProxy, TestBank, czk, grouped, lock_account, single};

on_both_versions!(
    lost_answers_change_holds_once,
    late_statement_of_a_hold_writes_nothing,
);

/// A third of the connections is cut before the commit arrives, a third after it is durable, a
/// third in between. The requests have no keys.
async fn lost_answers_change_holds_once(bank: TestBank) {
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let proxy = CuttingProxy::before(&bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    let ledger = single(Database::connect(config).await.unwrap());
    let ledgers = [ledger.clone(), grouped(&ledger)];
    let mut captured = czk("0");
    for number in 0..24 {
        let ledger = &ledgers[number % 2];
        let cut = || match number % 3 {
            0 => proxy.cut_before_commit(),
            1 => proxy.cut_after_commit(),
            _ => proxy.cut_during_commit(),
        };
        cut();
        let hold = ledger
            .hold(HoldRequest::new(from, czk("10")))
            .await
            .unwrap();
        assert_eq!(hold.held_balance, czk("10"));
        assert_eq!(balances(&bank, from).await.0, czk("10"));
        cut();
        if number % 2 == 0 {
            ledger
                .release(ReleaseRequest::new(hold.hold_id))
                .await
                .unwrap();
        } else {
            let capture = CaptureRequest::new(hold.hold_id).with_destination(to);
            ledger.capture(capture.with_amount(czk("4"))).await.unwrap();
            captured = captured.checked_add(czk("4")).unwrap();
        }
        assert_eq!(balances(&bank, from).await.0, czk("0"));
        assert_eq!(bank.balance(to).await, captured);
    }
    assert_eq!(bank.count("banking.holds").await, 24);
    bank.assert_sound().await;
}

/// The statement of a hold can arrive after the in-doubt resolution. The caller got the answer that
/// nothing was changed, so the statement must not write.
async fn late_statement_of_a_hold_writes_nothing(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let proxy = CuttingProxy::before(&bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    let grouped = grouped(&single(Database::connect(config).await.unwrap()));
    let request = move || HoldRequest::new(account, czk("1"));
    let (mut held, mut exceeded) = (0, 0);
    for _ in 0..5 {
        grouped.hold(request()).await.unwrap();
        held += 1;
        proxy.cut_and_commit_late();
        // The resolution waits for this lock until the deadline has passed.
        let holder = bank.database.begin().await.unwrap();
        lock_account(&holder, account).await;
        let hurried = grouped.with_deadline(Instant::now() + Duration::from_millis(50));
        let late = tokio::spawn(async move { hurried.hold(request()).await });
        tokio::time::sleep(Duration::from_millis(150)).await;
        holder.rollback().await.unwrap();
        // On a busy machine the statement may arrive before the resolution, and is written then.
        match late.await.unwrap() {
            Ok(_) => held += 1,
            Err(LedgerError::Database(DatabaseError::DeadlineExceeded { .. })) => exceeded += 1,
            Err(other) => panic!("{other}"),
        }
        // The late statement has arrived by now.
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(balances(&bank, account).await.0, czk(&held.to_string()));
    }
    assert!(exceeded > 0, "no statement was late");
    bank.assert_sound().await;
}
