//! Changes of holds whose commit got no answer happen once.

use neobank_db::Database;
use neobank_domain::ledger::{CaptureRequest, HoldRequest, ReleaseRequest};

use super::balances;
use crate::harness::{CuttingProxy, TestBank, czk, grouped, single};

on_both_versions!(lost_answers_change_holds_once);

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
