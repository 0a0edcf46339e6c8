//! Closing an account: only at a balance of zero, also while a transfer to it is in flight.

use futures_util::future::join;
use neobank_domain::accounts::{self, AccountError, AccountStatus};
use neobank_domain::ledger::HoldRequest;
use neobank_domain::{LedgerError, Rejection, TransferRequest};

use super::{opened, wanted};
use crate::harness::{TestBank, czk};

on_both_versions!(
    account_with_a_balance_or_a_hold_is_not_closed,
    closing_and_depositing_concurrently_never_loses_money,
    close_waits_for_an_uncommitted_transfer
);

async fn account_with_a_balance_or_a_hold_is_not_closed(bank: TestBank) {
    let account = bank.account(czk("0.01")).await;
    let error = accounts::close(&bank.database, account).await.unwrap_err();
    assert!(
        matches!(error, AccountError::NotEmpty { account: named, balance, held }
            if named == account && balance == czk("0.01") && held == czk("0")),
        "{error:?}"
    );
    let other = bank.account(czk("0")).await;
    accounts::set_overdraft_limit(&bank.database, account, czk("1"))
        .await
        .unwrap();
    bank.ledger
        .transfer(TransferRequest::new(account, other, czk("0.02")))
        .await
        .unwrap();
    let error = accounts::close(&bank.database, account).await.unwrap_err();
    assert!(
        matches!(error, AccountError::NotEmpty { balance, .. } if balance == czk("-0.01")),
        "{error:?}"
    );
    bank.ledger
        .transfer(TransferRequest::new(other, account, czk("0.01")))
        .await
        .unwrap();
    let closed = accounts::close(&bank.database, account).await.unwrap();
    assert_eq!(
        (closed.status, closed.version),
        (AccountStatus::Closed, bank.find(account).await.version)
    );
    assert!(
        closed
            .closed_at
            .is_some_and(|time| time >= closed.opened_at)
    );
    // A held amount keeps the account open too.
    let held = opened(&bank, &wanted(&bank, "CZK").await).await.account_id;
    accounts::set_overdraft_limit(&bank.database, held, czk("5"))
        .await
        .unwrap();
    let hold = bank
        .ledger
        .hold(HoldRequest::new(held, czk("1")))
        .await
        .unwrap();
    let error = accounts::close(&bank.database, held).await.unwrap_err();
    assert!(
        matches!(&error, AccountError::OpenHolds { held, holds, .. } if *held == czk("1") && *holds == [hold.hold_id]),
        "{error:?}"
    );
    bank.assert_sound().await;
}

async fn closing_and_depositing_concurrently_never_loses_money(bank: TestBank) {
    let payer = bank.account(czk("1000")).await;
    for round in 0..60 {
        let account = opened(&bank, &wanted(&bank, "CZK").await).await.account_id;
        let pay = async {
            if round % 3 == 0 {
                tokio::time::sleep(std::time::Duration::from_micros(
                    u64::from(round as u32) * 50,
                ))
                .await;
            }
            bank.ledger
                .transfer(TransferRequest::new(payer, account, czk("1")))
                .await
        };
        let close = async {
            if round % 3 == 1 {
                tokio::time::sleep(std::time::Duration::from_micros(
                    u64::from(round as u32) * 50,
                ))
                .await;
            }
            accounts::close(&bank.database, account).await
        };
        let found = match join(pay, close).await {
            (Ok(_), Err(AccountError::NotEmpty { balance, .. })) => {
                assert_eq!(balance, czk("1"));
                (AccountStatus::Active, czk("1"))
            }
            (Err(LedgerError::Rejected(Rejection::NotActive { status, .. })), Ok(_)) => {
                assert_eq!(status, AccountStatus::Closed);
                (AccountStatus::Closed, czk("0"))
            }
            other => panic!("round {round}: {other:?}"),
        };
        let account = bank.find(account).await;
        assert_eq!((account.status, account.current_balance), found);
    }
    bank.assert_sound().await;
}

/// The test holds the critical moment open: the transfer is posted but not committed while the
/// close reads the balance.
async fn close_waits_for_an_uncommitted_transfer(bank: TestBank) {
    let payer = bank.account(czk("10")).await;
    let account = opened(&bank, &wanted(&bank, "CZK").await).await.account_id;
    let mut transaction = bank.database.begin().await.unwrap();
    bank.ledger
        .transfer_in(
            &mut transaction,
            TransferRequest::new(payer, account, czk("1")),
        )
        .await
        .unwrap();
    let (committed, closed) = join(
        async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            transaction.commit().await
        },
        accounts::close(&bank.database, account),
    )
    .await;
    committed.unwrap();
    assert!(
        matches!(closed, Err(AccountError::NotEmpty { balance, .. }) if balance == czk("1")),
        "{closed:?}"
    );
    assert_eq!(bank.find(account).await.status, AccountStatus::Active);
    bank.assert_sound().await;
}
