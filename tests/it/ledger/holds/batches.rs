//! Holds beside transfers in one batch and one commit.

use futures_util::future::join_all;
use neobank_domain::ledger::group_commit::GroupCommitOptions;
use neobank_domain::ledger::{CaptureRequest, HoldRequest, Outcome, ReleaseRequest};
use neobank_domain::{PostingRequest, Rejection, Request, TransferRequest};

use super::{balances, hold, over};
use crate::harness::{TestBank, czk, grouped};
use crate::ledger::group_commit::failure::{cure, poison};

on_both_versions!(
    each_request_of_a_batch_sees_the_holds_before_it,
    holds_and_transfers_share_a_call_in_the_callers_transaction,
    concurrent_holds_and_transfers_share_commits,
    request_that_the_database_rejects_fails_alone_among_holds,
);

async fn each_request_of_a_batch_sees_the_holds_before_it(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let first = hold(&bank, from, czk("50")).await.hold_id;
    over(&bank, from, czk("20")).await;
    let pay = |amount: &str| Request::from(TransferRequest::new(from, to, czk(amount)));
    let requests = [
        // 20 of the 100 are free again, because their time is over.
        pay("40"),
        // 10 are available.
        HoldRequest::new(from, czk("10.01")).into(),
        HoldRequest::new(from, czk("10")).into(),
        pay("0.01"),
        ReleaseRequest::new(first).into(),
        pay("30"),
        PostingRequest::deposit(from, czk("5")).into(),
        HoldRequest::new(from, czk("25")).into(),
        pay("0.01"),
    ];
    let outcomes = bank.ledger.submit_all(&requests).await.unwrap();
    let rejected: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            matches!(
                outcome,
                Outcome::Rejected(Rejection::InsufficientFunds { .. })
            )
        })
        .collect();
    assert_eq!(
        rejected,
        [false, true, false, true, false, false, false, false, true],
        "{outcomes:?}"
    );
    assert_eq!(balances(&bank, from).await, (czk("35"), czk("0")));
    assert_eq!(bank.balance(from).await, czk("35"));
    // The same account cache decides on.
    let more = bank
        .ledger
        .transfer(TransferRequest::new(to, from, czk("1")))
        .await
        .unwrap();
    assert_eq!(more.credit.running_balance, czk("36"));
    bank.assert_sound().await;
}

async fn holds_and_transfers_share_a_call_in_the_callers_transaction(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let requests = [
        HoldRequest::new(from, czk("60")).into(),
        TransferRequest::new(from, to, czk("40")).into(),
    ];
    for commits in [false, true] {
        let mut transaction = bank.database.begin().await.unwrap();
        let outcomes = bank
            .ledger
            .submit_all_in(&mut transaction, &requests)
            .await
            .unwrap();
        assert!(matches!(outcomes[0], Outcome::Hold(_)), "{outcomes:?}");
        assert!(matches!(outcomes[1], Outcome::Posted(_)), "{outcomes:?}");
        if commits {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
            assert_eq!(bank.count("banking.holds").await, 0);
        }
    }
    assert_eq!(balances(&bank, from).await, (czk("60"), czk("0")));
    bank.assert_sound().await;
}

async fn concurrent_holds_and_transfers_share_commits(bank: TestBank) {
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("1000")).await,
    );
    let ledger = grouped(&bank.ledger);
    let holds = join_all((0..40).map(|_| ledger.hold(HoldRequest::new(from, czk("10"))))).await;
    let captures = holds.into_iter().enumerate().map(|(number, hold)| {
        let (ledger, hold) = (&ledger, hold.unwrap().hold_id);
        async move {
            if number % 4 == 0 {
                ledger.release(ReleaseRequest::new(hold)).await.map(drop)
            } else {
                let capture = CaptureRequest::new(hold).with_destination(to);
                ledger.capture(capture).await.map(drop)
            }
        }
    });
    let transfers = (0..40).map(|_| ledger.transfer(TransferRequest::new(to, from, czk("1"))));
    let (captures, transfers) = tokio::join!(join_all(captures), join_all(transfers));
    for outcome in captures {
        outcome.unwrap();
    }
    for outcome in transfers {
        outcome.unwrap();
    }
    assert_eq!(bank.balance(from).await, czk("740"));
    assert_eq!(bank.balance(to).await, czk("1260"));
    assert_eq!(balances(&bank, from).await, (czk("0"), czk("740")));
    let metrics = ledger.group_commit_metrics();
    assert!(metrics.batches < 120, "{metrics:?}");
    bank.assert_sound().await;
}

/// The database rejects captures to one account: the others of the batch are posted.
async fn request_that_the_database_rejects_fails_alone_among_holds(bank: TestBank) {
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let poisoned = bank.account(czk("0")).await;
    let payers = join_all((0..12).map(|_| bank.account(czk("10")))).await;
    let mut options = GroupCommitOptions::default();
    options.workers = 1;
    let ledger = bank.ledger.with_group_commit(options).unwrap();
    let mut holds = Vec::new();
    for payer in &payers {
        holds.push(hold(&bank, *payer, czk("10")).await.hold_id);
    }
    poison(&bank, poisoned, "23514").await;
    let is_poisoned = |number: usize| [0, 5, 11].contains(&number);
    let captures = holds.iter().enumerate().map(|(number, hold)| {
        let to = if is_poisoned(number) { poisoned } else { to };
        ledger.capture(CaptureRequest::new(*hold).with_destination(to))
    });
    let others = (0..12).map(|_| ledger.hold(HoldRequest::new(from, czk("10"))));
    let (captures, others) = tokio::join!(join_all(captures), join_all(others));
    for (number, outcome) in captures.iter().enumerate() {
        assert_eq!(
            outcome.is_err(),
            is_poisoned(number),
            "{number}: {outcome:?}"
        );
    }
    for outcome in others {
        outcome.unwrap();
    }
    assert_eq!(bank.balance(to).await, czk("90"));
    assert_eq!(balances(&bank, payers[5]).await, (czk("10"), czk("0")));
    assert_eq!(balances(&bank, from).await, (czk("120"), czk("880")));
    cure(&bank, poisoned).await;
    bank.assert_sound().await;
}
