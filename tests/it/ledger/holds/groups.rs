//! Captures as steps of groups.

use neobank_domain::ledger::{CaptureRequest, GroupRequest, holds};
use neobank_domain::{Rejection, TransferRequest};

use super::{balances, fingerprint, hold, rejection};
use crate::harness::{TestBank, czk};

on_both_versions!(
    capture_and_tip_are_posted_together,
    rejected_step_leaves_the_hold_as_it_was,
    two_captures_of_one_hold_share_a_group,
);

async fn capture_and_tip_are_posted_together(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let hold = hold(&bank, from, czk("80")).await.hold_id;
    let group = GroupRequest::new()
        .with_step(CaptureRequest::new(hold).with_destination(to))
        .with_step(TransferRequest::new(from, to, czk("8")).with_description("Tip"))
        .with_idempotency_key("dinner");
    let receipt = bank.ledger.submit_group(group.clone()).await.unwrap();
    let captured: Vec<_> = receipt.transfers().map(|step| step.hold).collect();
    assert_eq!(captured, [Some(hold), None]);
    assert_eq!(balances(&bank, from).await, (czk("0"), czk("12")));
    assert_eq!(bank.ledger.submit_group(group).await.unwrap(), receipt);
    assert_eq!(bank.balance(to).await, czk("88"));
    bank.assert_sound().await;
}

async fn rejected_step_leaves_the_hold_as_it_was(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let hold = hold(&bank, from, czk("80")).await.hold_id;
    let before = fingerprint(&bank).await;
    let group = GroupRequest::new()
        .with_step(
            CaptureRequest::new(hold)
                .with_destination(to)
                .with_amount(czk("70")),
        )
        .with_step(TransferRequest::new(from, to, czk("30.01")));
    let group_alone = rejection(bank.ledger.submit_group(group.clone()).await);
    match group_alone {
        Rejection::GroupStep { step: 1, reason } => match *reason {
            // The capture has released its rest by then.
            Rejection::InsufficientFunds { available, .. } => assert_eq!(available, czk("30")),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
    assert_eq!(fingerprint(&bank).await, before);
    // Beside a capture of the same hold.
    let capture = CaptureRequest::new(hold).with_destination(to);
    let outcomes = bank
        .ledger
        .submit_all(&[group.into(), capture.into()])
        .await
        .unwrap();
    assert!(outcomes[0].clone().into_receipt().is_err());
    assert_eq!(
        outcomes[1].clone().into_receipt().unwrap().amount,
        czk("80")
    );
    bank.assert_sound().await;
}

async fn two_captures_of_one_hold_share_a_group(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let hold = hold(&bank, from, czk("80")).await.hold_id;
    let capture = |amount: &str| {
        CaptureRequest::new(hold)
            .with_destination(to)
            .with_amount(czk(amount))
    };
    let group = GroupRequest::new()
        .with_step(capture("50").more_to_come())
        .with_step(capture("20"));
    bank.ledger.submit_group(group).await.unwrap();
    let events = holds::events(&bank.database, hold).await.unwrap();
    let remaining: Vec<_> = events.iter().map(|event| event.remaining).collect();
    assert_eq!(remaining, ["80", "30", "10", "0"].map(czk));
    let more = GroupRequest::new().with_step(capture("1"));
    assert!(matches!(
        rejection(bank.ledger.submit_group(more).await),
        Rejection::GroupStep { step: 0, reason } if *reason == Rejection::HoldCaptured { hold }
    ));
    bank.assert_sound().await;
}
