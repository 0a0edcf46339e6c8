//! Retries, lost answers and reversals of groups with holds and releases.

use neobank_db::Database;
use neobank_domain::ledger::{
    CaptureRequest, GroupReceipt, GroupRequest, HoldRequest, HoldStatus, Outcome, ReleaseRequest,
    holds,
};
use neobank_domain::{AccountId, Ledger, LedgerError, PostingRequest, Rejection, TransferRequest};

use super::{balances, fingerprint, hold, rejection};
use crate::harness::{CuttingProxy, TestBank, czk, grouped, single};

on_both_versions!(
    retry_gets_the_first_receipt,
    retries_in_one_batch_and_at_once_make_one_group,
    key_of_another_request_is_rejected,
    retry_does_not_move_what_the_first_time_could_not,
    lost_answers_post_a_group_once,
    reversal_releases_what_the_groups_holds_still_reserve,
    reversal_of_a_release_is_rejected,
);

fn transfer(from: AccountId, to: AccountId, amount: &str) -> TransferRequest {
    TransferRequest::new(from, to, czk(amount))
}

/// Returns groups with holds and releases alone, and with a transfer and a capture.
async fn groups(bank: &TestBank, from: AccountId, to: AccountId) -> [GroupRequest; 2] {
    let earlier = hold(bank, from, czk("5")).await.hold_id;
    let end = chrono::Utc::now() + std::time::Duration::from_secs(3_600);
    let only = GroupRequest::new()
        .with_step(ReleaseRequest::new(earlier))
        .with_step(HoldRequest::new(from, czk("10")).with_expiry(end))
        .with_step(HoldRequest::new(from, czk("2")).with_destination(to))
        .with_step(ReleaseRequest::of_step(1))
        .with_idempotency_key("only");
    let mixed = GroupRequest::new()
        .with_step(HoldRequest::new(from, czk("10")))
        .with_step(
            CaptureRequest::of_step(0)
                .with_amount(czk("4"))
                .with_destination(to),
        )
        .with_step(transfer(to, from, "9").up_to_or_nothing())
        .with_step(HoldRequest::new(from, czk("1")))
        .with_idempotency_key("mixed");
    [only, mixed]
}

async fn retry_gets_the_first_receipt(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    for group in groups(&bank, from, to).await {
        let first = bank.ledger.submit_group(group.clone()).await.unwrap();
        let before = fingerprint(&bank).await;
        // A process with an account cache, one without, and one that has just begun.
        for ledger in [
            bank.ledger.clone(),
            grouped(&bank.ledger),
            Ledger::new(bank.database.clone()),
        ] {
            let again = ledger.submit_group(group.clone()).await.unwrap();
            assert_eq!(again, first);
        }
        let mut transaction = bank.database.begin().await.unwrap();
        let inside = [group.clone().into()];
        let inside = bank.ledger.submit_all_in(&mut transaction, &inside).await;
        assert_eq!(inside.unwrap(), [Outcome::GroupReplayed(first)]);
        transaction.commit().await.unwrap();
        assert_eq!(fingerprint(&bank).await, before);
    }
    bank.assert_sound().await;
}

async fn retries_in_one_batch_and_at_once_make_one_group(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let [only, mixed] = groups(&bank, from, to).await;
    let requests = [only.clone().into(), only.into()];
    let outcomes = bank.ledger.submit_all(&requests).await.unwrap();
    match &outcomes[..] {
        [Outcome::GroupPosted(first), Outcome::GroupReplayed(second)] => assert_eq!(first, second),
        other => panic!("{other:?}"),
    }
    let other = Ledger::new(bank.database.clone());
    let calls = (0..8).map(|number| {
        let ledger = if number % 2 == 0 {
            &bank.ledger
        } else {
            &other
        };
        ledger.submit_group(mixed.clone())
    });
    let receipts = futures_util::future::join_all(calls).await;
    let first = receipts[0].as_ref().unwrap();
    for receipt in &receipts {
        assert_eq!(receipt.as_ref().unwrap(), first);
    }
    bank.assert_sound().await;
}

async fn key_of_another_request_is_rejected(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    for group in groups(&bank, from, to).await {
        let receipt = bank.ledger.submit_group(group.clone()).await.unwrap();
        let key = group.idempotency_key.clone().unwrap();
        let first = receipt.holds().next().unwrap().hold_id;
        let of_hold = Rejection::KeyOfHold {
            key: key.clone(),
            first,
        };
        let before = fingerprint(&bank).await;
        for ledger in [bank.ledger.clone(), Ledger::new(bank.database.clone())] {
            let other = group.clone().with_step(HoldRequest::new(from, czk("1")));
            assert_eq!(rejection(ledger.submit_group(other).await), of_hold);
            let single = HoldRequest::new(from, czk("1")).with_idempotency_key(&key);
            assert_eq!(rejection(ledger.hold(single).await), of_hold);
        }
        assert_eq!(fingerprint(&bank).await, before);
        bank.ledger
            .transfer(transfer(from, to, "1").with_idempotency_key(format!("pay {key}")))
            .await
            .unwrap();
        // A transfer and a single hold have these keys.
        for used in [format!("pay {key}"), format!("hold {key}")] {
            if used.starts_with("hold") {
                let single = HoldRequest::new(to, czk("1")).with_idempotency_key(&used);
                bank.ledger.hold(single).await.unwrap();
            }
            for ledger in [bank.ledger.clone(), Ledger::new(bank.database.clone())] {
                let other = GroupRequest::new()
                    .with_step(HoldRequest::new(from, czk("1")))
                    .with_step(transfer(from, to, "1"))
                    .with_idempotency_key(&used);
                let rejected = rejection(ledger.submit_group(other).await);
                let is_used = matches!(&rejected, Rejection::KeyReused { key, .. }
                    | Rejection::KeyOfHold { key, .. } if *key == used);
                assert!(is_used, "{rejected:?}");
            }
        }
        let back = PostingRequest::deposit(to, czk("1"));
        bank.ledger.submit(back).await.unwrap();
    }
    bank.assert_sound().await;
}

/// The first time, the payer of the second step has nothing. When the group is repeated, the payer
/// has money, and the hold has ended.
async fn retry_does_not_move_what_the_first_time_could_not(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let group = GroupRequest::new()
        .with_step(HoldRequest::new(from, czk("10")))
        .with_step(transfer(to, from, "9").up_to_or_nothing())
        .with_idempotency_key("group");
    let first = bank.ledger.submit_group(group.clone()).await.unwrap();
    let moved: Vec<_> = first.steps.iter().map(Option::is_some).collect();
    assert_eq!(moved, [true, false]);
    let made = first.holds().next().unwrap().hold_id;
    let release = ReleaseRequest::new(made);
    bank.ledger.release(release).await.unwrap();
    bank.ledger
        .transfer(transfer(from, to, "50"))
        .await
        .unwrap();
    for ledger in [bank.ledger.clone(), Ledger::new(bank.database.clone())] {
        assert_eq!(ledger.submit_group(group.clone()).await.unwrap(), first);
    }
    assert_eq!(bank.balance(to).await, czk("50"));
    assert_eq!(bank.count("banking.holds").await, 1);
    bank.assert_sound().await;
}

/// A third of the connections is cut before the commit arrives, a third after it is durable, a
/// third in between. The requests have no keys.
async fn lost_answers_post_a_group_once(bank: TestBank) {
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let proxy = CuttingProxy::before(&bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    let ledger = single(Database::connect(config).await.unwrap());
    let ledgers = [ledger.clone(), grouped(&ledger)];
    let cut = |number: usize| match number % 3 {
        0 => proxy.cut_before_commit(),
        1 => proxy.cut_after_commit(),
        _ => proxy.cut_during_commit(),
    };
    for number in 0..24 {
        let ledger = &ledgers[number % 2];
        let made = GroupRequest::new()
            .with_step(HoldRequest::new(from, czk("10")))
            .with_step(HoldRequest::new(from, czk("5")).with_destination(to));
        cut(number);
        let made = ledger.submit_group(made).await.unwrap();
        let [first, second] = [0, 1].map(|step: usize| {
            let step = made.steps[step].as_ref().unwrap();
            step.hold().unwrap().clone()
        });
        assert_eq!(second.held_balance, czk("15"));
        let stored = holds::events(&bank.database, first.hold_id).await.unwrap();
        assert_eq!(stored[0].occurred_at, first.occurred_at);
        let mut ended = GroupRequest::new().with_step(ReleaseRequest::new(first.hold_id));
        ended = if number % 4 < 2 {
            ended.with_step(CaptureRequest::new(second.hold_id).with_amount(czk("1")))
        } else {
            ended.with_step(ReleaseRequest::new(second.hold_id))
        };
        cut(number);
        ledger.submit_group(ended).await.unwrap();
        assert_eq!(balances(&bank, from).await.0, czk("0"));
    }
    assert_eq!(bank.balance(to).await, czk("12"));
    assert_eq!(bank.count("banking.holds").await, 48);
    bank.assert_sound().await;
}

async fn reversal_releases_what_the_groups_holds_still_reserve(bank: TestBank) {
    for ledger in [bank.ledger.clone(), Ledger::new(bank.database.clone())] {
        let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
        let group = GroupRequest::new()
            .with_step(transfer(from, to, "30"))
            .with_step(HoldRequest::new(to, czk("10")))
            .with_step(HoldRequest::new(to, czk("20")).with_destination(from))
            .with_step(HoldRequest::new(from, czk("5")).with_destination(to))
            .with_step(CaptureRequest::of_step(3).with_amount(czk("2")));
        let posted = ledger.submit_group(group).await.unwrap();
        let made: Vec<_> = posted.holds().map(|change| change.hold_id).collect();
        // Another request has captured a part of the second hold.
        let part = CaptureRequest::new(made[1]).with_amount(czk("8"));
        ledger.capture(part.more_to_come()).await.unwrap();
        let undo = |key: &str| {
            let ledger = ledger.clone();
            let (group, key) = (posted.group_id, Some(format!("{key} {}", posted.group_id)));
            async move { ledger.reverse_group(group, "Undo", key).await }
        };
        // What the other request has taken lacks, and nothing is released.
        let lacking = rejection(undo("early").await);
        assert!(
            matches!(&lacking, Rejection::GroupStep { step: 4, reason }
                if matches!(**reason, Rejection::InsufficientFunds { .. })),
            "{lacking:?}"
        );
        assert_eq!(balances(&bank, to).await, (czk("22"), czk("2")));
        ledger.transfer(transfer(from, to, "8")).await.unwrap();
        let undone = undo("undo").await.unwrap();
        // The capture, its hold, which has ended, the other holds and the transfer.
        let changed: Vec<_> = undone.steps.iter().map(Option::is_some).collect();
        assert_eq!(changed, [true, false, true, true, true]);
        let released: Vec<_> = undone.holds().map(|change| change.amount).collect();
        assert_eq!(released, [czk("12"), czk("10")]);
        assert_eq!(undo("undo").await.unwrap(), undone);
        assert_eq!(balances(&bank, from).await, (czk("0"), czk("100")));
        assert_eq!(balances(&bank, to).await, (czk("0"), czk("0")));
        for hold in made {
            let found = holds::find(&bank.database, hold).await.unwrap().unwrap();
            assert_ne!(found.status, HoldStatus::Open);
        }
    }
    bank.assert_sound().await;
}

async fn reversal_of_a_release_is_rejected(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let earlier = hold(&bank, from, czk("5")).await.hold_id;
    let group = GroupRequest::new()
        .with_step(ReleaseRequest::new(earlier))
        .with_step(transfer(from, to, "1"));
    let posted = bank.ledger.submit_group(group).await.unwrap();
    let undo = async |posted: &GroupReceipt| -> Result<GroupReceipt, LedgerError> {
        bank.ledger.reverse_group(posted.group_id, "", None).await
    };
    let rejected = rejection(undo(&posted).await);
    assert_eq!(rejected, Rejection::ReleasedByGroup { hold: earlier });
    // A release of the group's own hold leaves nothing to undo.
    let own = GroupRequest::new()
        .with_step(HoldRequest::new(from, czk("5")))
        .with_step(ReleaseRequest::of_step(0))
        .with_step(transfer(from, to, "1"));
    let posted = bank.ledger.submit_group(own).await.unwrap();
    undo(&posted).await.unwrap();
    assert_eq!(bank.balance(to).await, czk("1"));
    bank.assert_sound().await;
}
