//! Holds and releases as steps of groups.

use std::time::Duration;

use neobank_domain::accounts;
use neobank_domain::events::EventRecord;
use neobank_domain::ledger::group_commit::GroupCommitOptions;
use neobank_domain::ledger::{
    Actor, CaptureRequest, Comparison, Condition, ExpiryRequest, GroupReceipt, GroupRequest,
    HoldRequest, Metadata, Outcome, ReleaseRequest, holds,
};
use neobank_domain::{AccountId, Ledger, LedgerError, PostingRequest, Rejection, TransferRequest};

use super::{balances, fingerprint, hold, over, rejection};
use crate::harness::{TestBank, czk, grouped};
use crate::ledger::group_commit::failure::{cure, poison};

on_both_versions!(
    each_step_sees_the_holds_before_it,
    hold_of_a_step_is_captured_and_released_by_its_index,
    index_that_is_no_earlier_hold_is_rejected,
    rejected_group_leaves_no_hold,
    release_of_an_ended_hold_is_skipped_where_that_is_allowed,
    hold_whose_time_is_over_gives_room_to_the_group,
    group_of_holds_takes_no_locks,
    step_inherits_what_the_group_says,
    condition_sees_the_hold_of_its_step,
    sealed_change_of_a_step_names_its_group,
    group_shares_a_batch_with_its_neighbours,
    group_that_the_database_rejects_fails_alone,
);

fn transfer(from: AccountId, to: AccountId, amount: &str) -> TransferRequest {
    TransferRequest::new(from, to, czk(amount))
}

/// Returns the step that rejects a group, with its reason.
fn at_step(rejected: Result<GroupReceipt, LedgerError>) -> (usize, Rejection) {
    match rejection(rejected) {
        Rejection::GroupStep { step, reason } => (step, *reason),
        other => panic!("{other:?}"),
    }
}

fn lacks(reason: &Rejection, amount: &str) -> bool {
    matches!(reason, Rejection::InsufficientFunds { available, .. } if *available == czk(amount))
}

/// Ledgers with and without group commit, and so with and without an account cache that knows the
/// accounts.
fn ledgers(bank: &TestBank) -> [Ledger; 2] {
    [bank.ledger.clone(), grouped(&bank.ledger)]
}

async fn each_step_sees_the_holds_before_it(bank: TestBank) {
    for ledger in ledgers(&bank) {
        let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
        let held_first = |amount| {
            GroupRequest::new()
                .with_step(HoldRequest::new(from, czk("80")))
                .with_step(transfer(from, to, amount))
        };
        let (step, reason) = at_step(ledger.submit_group(held_first("20.01")).await);
        assert!(step == 1 && lacks(&reason, "20"), "{step}: {reason:?}");
        let receipt = ledger.submit_group(held_first("20")).await.unwrap();
        let made = receipt.steps[0].as_ref().unwrap().hold().unwrap().clone();
        assert_eq!(balances(&bank, from).await, (czk("80"), czk("0")));

        let released_first = |amount| {
            GroupRequest::new()
                .with_step(ReleaseRequest::new(made.hold_id))
                .with_step(transfer(from, to, amount))
                .with_step(HoldRequest::new(to, czk("75")))
        };
        let (step, reason) = at_step(ledger.submit_group(released_first("54.99")).await);
        assert!(step == 2 && lacks(&reason, "74.99"), "{step}: {reason:?}");
        let receipt = ledger.submit_group(released_first("55")).await.unwrap();
        let held: Vec<_> = receipt.holds().map(|change| change.held_balance).collect();
        assert_eq!(held, [czk("0"), czk("75")]);
        assert_eq!(balances(&bank, from).await, (czk("0"), czk("25")));
        assert_eq!(balances(&bank, to).await, (czk("75"), czk("0")));
    }
    bank.assert_sound().await;
}

async fn hold_of_a_step_is_captured_and_released_by_its_index(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let group = GroupRequest::new()
        .with_step(transfer(from, to, "1"))
        .with_step(HoldRequest::new(from, czk("60")).with_destination(to))
        .with_step(
            CaptureRequest::of_step(1)
                .with_amount(czk("25"))
                .more_to_come(),
        )
        .with_step(HoldRequest::new(from, czk("30")))
        .with_step(ReleaseRequest::of_step(1))
        .with_step(CaptureRequest::of_step(3).with_destination(to));
    let receipt = bank.ledger.submit_group(group).await.unwrap();
    let [first, second] = [1, 3].map(|step: usize| {
        let step = receipt.steps[step].as_ref().unwrap();
        step.hold().unwrap().hold_id
    });
    let captured: Vec<_> = receipt.transfers().map(|step| step.hold).collect();
    assert_eq!(captured, [None, Some(first), Some(second)]);
    let events = holds::events(&bank.database, first).await.unwrap();
    let remaining: Vec<_> = events.iter().map(|event| event.remaining).collect();
    assert_eq!(remaining, ["60", "35", "0"].map(czk));
    assert_eq!(balances(&bank, from).await, (czk("0"), czk("44")));
    assert_eq!(bank.balance(to).await, czk("56"));
    // The hold of a step is known to later requests by its identifier.
    assert_eq!(
        rejection(bank.ledger.release(ReleaseRequest::new(first)).await),
        Rejection::HoldReleased { hold: first }
    );
    bank.assert_sound().await;
}

async fn index_that_is_no_earlier_hold_is_rejected(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    // A transfer, the step itself, a later hold, and no step.
    for named in [0, 1, 2, 3, usize::MAX] {
        let group = GroupRequest::new()
            .with_step(transfer(from, to, "1"))
            .with_step(CaptureRequest::of_step(named).with_destination(to))
            .with_step(HoldRequest::new(from, czk("1")));
        let (step, reason) = at_step(bank.ledger.submit_group(group).await);
        assert_eq!((step, reason), (1, Rejection::NoHoldAtStep { step: named }));
    }
    let single = bank.ledger.release(ReleaseRequest::of_step(0)).await;
    assert_eq!(rejection(single), Rejection::NoHoldAtStep { step: 0 });
    let expiry = hold(&bank, from, czk("1")).await.hold_id;
    let group = GroupRequest::new().with_step(ExpiryRequest::new(expiry));
    let (step, reason) = at_step(bank.ledger.submit_group(group).await);
    assert_eq!((step, reason), (0, Rejection::NoTransfer));
    bank.assert_sound().await;
}

async fn rejected_group_leaves_no_hold(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let earlier = hold(&bank, from, czk("50")).await.hold_id;
    let before = fingerprint(&bank).await;
    let group = GroupRequest::new()
        .with_step(ReleaseRequest::new(earlier))
        .with_step(HoldRequest::new(from, czk("70")))
        .with_step(transfer(from, to, "30.01"))
        .with_idempotency_key("late");
    for ledger in ledgers(&bank) {
        let (step, reason) = at_step(ledger.submit_group(group.clone()).await);
        assert!(step == 2 && lacks(&reason, "30"), "{step}: {reason:?}");
        assert_eq!(fingerprint(&bank).await, before);
        // The earlier hold is as it was in the account cache too.
        let (step, reason) = at_step(
            ledger
                .submit_group(GroupRequest::new().with_step(transfer(from, to, "50.01")))
                .await,
        );
        assert!(step == 0 && lacks(&reason, "50"), "{step}: {reason:?}");
    }
    // A rejection does not use its key up.
    bank.ledger
        .transfer(transfer(bank.account(czk("1")).await, from, "0.01"))
        .await
        .unwrap();
    bank.ledger.submit_group(group).await.unwrap();
    assert_eq!(balances(&bank, from).await, (czk("70"), czk("0")));
    bank.assert_sound().await;
}

async fn release_of_an_ended_hold_is_skipped_where_that_is_allowed(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let captured = hold(&bank, from, czk("10")).await.hold_id;
    let capture = CaptureRequest::new(captured).with_destination(to);
    bank.ledger.capture(capture).await.unwrap();
    let over = over(&bank, from, czk("10")).await;
    let open = hold(&bank, from, czk("10")).await.hold_id;
    let group = |holds: &[_]| {
        let releases = holds.iter().copied().map(ReleaseRequest::new);
        releases.fold(GroupRequest::new(), |group, release| {
            group.with_step(release.if_open())
        })
    };
    for ledger in ledgers(&bank) {
        let nothing = rejection(ledger.submit_group(group(&[captured, over])).await);
        assert_eq!(nothing, Rejection::NothingMoved);
    }
    let all = group(&[captured, over, open]).with_idempotency_key("all");
    let receipt = bank.ledger.submit_group(all.clone()).await.unwrap();
    let released: Vec<_> = receipt.steps.iter().map(Option::is_some).collect();
    assert_eq!(released, [false, false, true]);
    assert_eq!(bank.ledger.submit_group(all).await.unwrap(), receipt);
    let strict = GroupRequest::new().with_step(ReleaseRequest::new(over));
    let (step, reason) = at_step(bank.ledger.submit_group(strict).await);
    assert!(
        step == 0 && matches!(reason, Rejection::HoldExpired { hold, .. } if hold == over),
        "{reason:?}"
    );
    bank.assert_sound().await;
}

async fn hold_whose_time_is_over_gives_room_to_the_group(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    over(&bank, from, czk("90")).await;
    let group = |amount| {
        GroupRequest::new()
            .with_step(HoldRequest::new(from, czk("60")))
            .with_step(transfer(from, to, amount))
    };
    let before = fingerprint(&bank).await;
    let (step, reason) = at_step(bank.ledger.submit_group(group("40.01")).await);
    assert!(step == 1 && lacks(&reason, "40"), "{reason:?}");
    assert_eq!(fingerprint(&bank).await, before);
    bank.ledger.submit_group(group("40")).await.unwrap();
    assert_eq!(balances(&bank, from).await, (czk("60"), czk("0")));
    let past = chrono::Utc::now() - Duration::from_secs(1);
    let late = GroupRequest::new().with_step(HoldRequest::new(to, czk("1")).with_expiry(past));
    for ledger in ledgers(&bank) {
        let (step, reason) = at_step(ledger.submit_group(late.clone()).await);
        assert!(
            step == 0 && matches!(reason, Rejection::HoldEndsInThePast { .. }),
            "{reason:?}"
        );
    }
    bank.assert_sound().await;
}

async fn group_of_holds_takes_no_locks(bank: TestBank) {
    let (from, to) = (
        bank.account(czk("100")).await,
        bank.account(czk("10")).await,
    );
    let ledger = Ledger::new(bank.database.clone());
    for (from, to) in [(from, to), (to, from)] {
        ledger.transfer(transfer(from, to, "1")).await.unwrap();
    }
    let before = ledger.account_cache_metrics();
    let made = GroupRequest::new()
        .with_step(HoldRequest::new(from, czk("60")).with_destination(to))
        .with_step(
            CaptureRequest::of_step(0)
                .with_amount(czk("5"))
                .more_to_come(),
        )
        .with_step(HoldRequest::new(to, czk("3")))
        .with_idempotency_key("made");
    let made = ledger.submit_group(made).await.unwrap();
    let held: Vec<_> = made.holds().cloned().collect();
    let ended = GroupRequest::new()
        .with_step(ReleaseRequest::new(held[1].hold_id))
        .with_step(CaptureRequest::new(held[0].hold_id))
        .with_step(transfer(from, to, "40"));
    ledger.submit_group(ended).await.unwrap();
    let only = GroupRequest::new()
        .with_step(HoldRequest::new(to, czk("4")))
        .with_step(ReleaseRequest::of_step(0));
    ledger.submit_group(only).await.unwrap();
    let after = ledger.account_cache_metrics();
    assert_eq!(after.committed, before.committed + 3, "{after:?}");
    assert_eq!(
        (after.conflicts, after.not_attempted),
        (before.conflicts, before.not_attempted)
    );
    // The receipt has the times of the database.
    let events = holds::events(&bank.database, held[0].hold_id)
        .await
        .unwrap();
    assert_eq!(events[0].occurred_at, held[0].occurred_at);
    // Another process froze the destination.
    accounts::freeze(&bank.database, to).await.unwrap();
    let group = GroupRequest::new()
        .with_step(PostingRequest::deposit(from, czk("2")))
        .with_step(HoldRequest::new(from, czk("1")).with_destination(to));
    let (step, reason) = at_step(ledger.submit_group(group).await);
    assert!(
        step == 1 && matches!(reason, Rejection::NotActive { account, .. } if account == to),
        "{reason:?}"
    );
    bank.assert_sound().await;
}

async fn step_inherits_what_the_group_says(bank: TestBank) {
    let from = bank.account(czk("100")).await;
    let actor: Actor = "teller:7".parse().unwrap();
    let metadata = |text: &str| text.parse::<Metadata>().unwrap();
    let group = GroupRequest::new()
        .with_step(HoldRequest::new(from, czk("1")))
        .with_step(
            HoldRequest::new(from, czk("2"))
                .with_description("Own")
                .with_metadata(metadata(r#"{"own": 2}"#)),
        )
        .with_description("Group")
        .with_metadata(metadata(r#"{"group": 1}"#));
    let ledger = bank.ledger.acting_as(actor);
    let receipt = ledger.submit_group(group).await.unwrap();
    let mut said = Vec::new();
    for change in receipt.holds() {
        let found = holds::find(&bank.database, change.hold_id).await;
        let found = found.unwrap().unwrap();
        let metadata = found.metadata.map(|metadata| metadata.to_string());
        said.push((found.description, metadata.unwrap(), found.actor.unwrap()));
    }
    let expected = [("Group", r#"{"group":1}"#), ("Own", r#"{"own":2}"#)];
    for ((description, metadata, actor), expected) in said.iter().zip(expected) {
        assert_eq!(
            (description.as_str(), metadata.replace(' ', "").as_str()),
            expected
        );
        assert_eq!(actor, "teller:7");
    }
    bank.assert_sound().await;
}

async fn condition_sees_the_hold_of_its_step(bank: TestBank) {
    let from = bank.account(czk("100")).await;
    let group = |least| {
        GroupRequest::new()
            .with_step(HoldRequest::new(from, czk("70")))
            .with_condition(Condition::available(from, Comparison::AtLeast, czk(least)))
            .with_step(PostingRequest::deposit(from, czk("5")))
    };
    for ledger in ledgers(&bank) {
        let (step, reason) = at_step(ledger.submit_group(group("30.01")).await);
        assert!(
            step == 0
                && matches!(reason, Rejection::ConditionFailed { account, .. } if account == from),
            "{reason:?}"
        );
    }
    assert_eq!(bank.count("banking.holds").await, 0);
    bank.ledger.submit_group(group("30")).await.unwrap();
    bank.assert_sound().await;
}

async fn sealed_change_of_a_step_names_its_group(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let single = hold(&bank, from, czk("1")).await.hold_id;
    let group = GroupRequest::new()
        .with_step(HoldRequest::new(from, czk("60")).with_destination(to))
        .with_step(CaptureRequest::of_step(0).with_amount(czk("50")))
        .with_step(ReleaseRequest::new(single));
    let group = bank.ledger.submit_group(group).await.unwrap().group_id;
    crate::chain::seal_all(&bank.database).await;
    let events = crate::chain::assert_sealed_in_order(&bank).await;
    let changes = events.iter().filter_map(|event| match &event.record {
        EventRecord::HoldEvent(change) => Some((change.event_type.as_str(), change.group_id)),
        _ => None,
    });
    let mut changes: Vec<_> = changes.collect();
    changes.sort_unstable();
    let of_group = Some(group);
    assert_eq!(
        changes,
        [
            ("authorised", None),
            ("authorised", of_group),
            ("captured", of_group),
            ("released", of_group),
            ("released", of_group),
        ]
    );
    bank.assert_sound().await;
}

async fn group_shares_a_batch_with_its_neighbours(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let requests = [
        HoldRequest::new(from, czk("40")).into(),
        GroupRequest::new()
            .with_step(HoldRequest::new(from, czk("60")))
            .with_step(transfer(from, to, "0.01"))
            .into(),
        GroupRequest::new()
            .with_step(transfer(from, to, "10"))
            .with_step(HoldRequest::new(to, czk("10")))
            .into(),
        transfer(from, to, "50").into(),
        GroupRequest::new()
            .with_step(HoldRequest::new(to, czk("50")))
            .with_step(CaptureRequest::of_step(0).with_destination(from))
            .into(),
    ];
    let outcomes = bank.ledger.submit_all(&requests).await.unwrap();
    let posted: Vec<_> = outcomes
        .iter()
        .map(|outcome| !matches!(outcome, Outcome::Rejected(_)))
        .collect();
    assert_eq!(posted, [true, false, true, true, true], "{outcomes:?}");
    assert_eq!(balances(&bank, from).await, (czk("40"), czk("50")));
    assert_eq!(balances(&bank, to).await, (czk("10"), czk("0")));
    bank.assert_sound().await;
}

/// The database rejects entries of one account: the other groups and transfers are posted.
async fn group_that_the_database_rejects_fails_alone(bank: TestBank) {
    let poisoned = bank.account(czk("0")).await;
    let to = bank.account(czk("0")).await;
    let payers: Vec<_> =
        futures_util::future::join_all((0..12).map(|_| bank.account(czk("10")))).await;
    let mut options = GroupCommitOptions::default();
    options.workers = 1;
    let ledger = bank.ledger.with_group_commit(options).unwrap();
    poison(&bank, poisoned, "23514").await;
    let is_poisoned = |number: usize| [0, 5, 11].contains(&number);
    let groups = payers.iter().enumerate().map(|(number, payer)| {
        let to = if is_poisoned(number) { poisoned } else { to };
        let group = GroupRequest::new()
            .with_step(HoldRequest::new(*payer, czk("8")))
            .with_step(transfer(*payer, to, "2"))
            .with_idempotency_key(format!("group {number}"));
        ledger.submit_group(group)
    });
    let outcomes = futures_util::future::join_all(groups).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        assert_eq!(
            outcome.is_err(),
            is_poisoned(number),
            "{number}: {outcome:?}"
        );
    }
    assert_eq!(bank.balance(to).await, czk("18"));
    assert_eq!(balances(&bank, payers[1]).await, (czk("8"), czk("0")));
    assert_eq!(balances(&bank, payers[5]).await, (czk("0"), czk("10")));
    cure(&bank, poisoned).await;
    bank.assert_sound().await;
}
