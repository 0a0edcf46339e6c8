//! The life of an account: every allowed and every forbidden change of its status.

use chrono::{DateTime, Utc};
use neobank_db::{Executor, statement};
use neobank_domain::accounts::{self, AccountError, AccountStatus};
use neobank_domain::{Account, AccountId, LedgerError, Rejection, TransferRequest};

use super::{opened, wanted};
use crate::harness::{TestBank, czk};

on_both_versions!(
    forbidden_change_of_status_is_rejected,
    every_change_raises_version_and_update_time,
    transfer_of_a_frozen_account_is_rejected,
    closed_account_rejects_every_change,
);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Freeze,
    Unfreeze,
    Close,
}

async fn take(bank: &TestBank, step: Step, account: AccountId) -> Result<Account, AccountError> {
    match step {
        Step::Freeze => accounts::freeze(&bank.database, account).await,
        Step::Unfreeze => accounts::unfreeze(&bank.database, account).await,
        Step::Close => accounts::close(&bank.database, account).await,
    }
}

async fn forbidden_change_of_status_is_rejected(bank: TestBank) {
    use AccountStatus::{Active, Closed, Frozen};
    let ways: [(&[Step], AccountStatus); 3] = [
        (&[], Active),
        (&[Step::Freeze], Frozen),
        (&[Step::Close], Closed),
    ];
    for (way, status) in ways {
        for (step, from, to) in [
            (Step::Freeze, Active, Frozen),
            (Step::Unfreeze, Frozen, Active),
            (Step::Close, Active, Closed),
        ] {
            let account = opened(&bank, &wanted(&bank, "CZK").await).await.account_id;
            for step in way {
                take(&bank, *step, account).await.unwrap();
            }
            let before = bank.find(account).await;
            assert_eq!(before.status, status);
            match take(&bank, step, account).await {
                Ok(after) => {
                    assert_eq!((status, after.status), (from, to), "{step:?}");
                    assert_eq!(after.closed_at.is_some(), to == Closed);
                    assert_eq!(bank.find(account).await, after);
                }
                Err(AccountError::Status {
                    account: named,
                    status: found,
                }) => {
                    assert_ne!(status, from, "{step:?}");
                    assert_eq!((named, found), (account, status));
                    assert_eq!(bank.find(account).await, before);
                }
                Err(other) => panic!("{step:?} of {status}: {other:?}"),
            }
        }
    }
    let unknown = AccountId::new();
    for step in [Step::Freeze, Step::Unfreeze, Step::Close] {
        let error = take(&bank, step, unknown).await.unwrap_err();
        assert!(
            matches!(error, AccountError::UnknownAccount { account } if account == unknown),
            "{error:?}"
        );
    }
}

async fn every_change_raises_version_and_update_time(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let other = bank.account(czk("100")).await;
    let mut seen = bank.find(account).await.version;
    let mut updated_at = time_of_update(&bank, account).await;
    for change in 0..6 {
        match change {
            0 => drop(accounts::freeze(&bank.database, account).await.unwrap()),
            1 => drop(accounts::unfreeze(&bank.database, account).await.unwrap()),
            2 => drop(
                accounts::set_overdraft_limit(&bank.database, account, czk("5"))
                    .await
                    .unwrap(),
            ),
            3 => drop(
                bank.ledger
                    .transfer(TransferRequest::new(other, account, czk("1")))
                    .await
                    .unwrap(),
            ),
            4 => drop(
                bank.ledger
                    .transfer(TransferRequest::new(account, other, czk("1")))
                    .await
                    .unwrap(),
            ),
            _ => drop(accounts::close(&bank.database, account).await.unwrap()),
        }
        let now = time_of_update(&bank, account).await;
        assert_eq!(
            bank.find(account).await.version,
            seen + 1,
            "change {change}"
        );
        assert!(
            now > updated_at,
            "change {change}: {now} after {updated_at}"
        );
        (seen, updated_at) = (seen + 1, now);
    }
}

async fn time_of_update(bank: &TestBank, account: AccountId) -> DateTime<Utc> {
    let sql = "SELECT updated_at FROM banking.accounts WHERE account_id = $1";
    bank.database
        .fetch_value(statement(sql, [account.as_uuid().into()]))
        .await
        .unwrap()
}

async fn transfer_of_a_frozen_account_is_rejected(bank: TestBank) {
    let (frozen, other) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    accounts::freeze(&bank.database, frozen).await.unwrap();
    let before = bank.fingerprint().await;
    for (from, to) in [(frozen, other), (other, frozen)] {
        let error = bank
            .ledger
            .transfer(TransferRequest::new(from, to, czk("1")))
            .await
            .unwrap_err();
        assert!(
            matches!(error, LedgerError::Rejected(Rejection::NotActive { account, status: AccountStatus::Frozen }) if account == frozen),
            "{error:?}"
        );
    }
    assert_eq!(bank.fingerprint().await, before);
    accounts::unfreeze(&bank.database, frozen).await.unwrap();
    bank.ledger
        .transfer(TransferRequest::new(other, frozen, czk("1")))
        .await
        .unwrap();
}

/// The database itself rejects the changes, also in SQL that a client writes.
async fn closed_account_rejects_every_change(bank: TestBank) {
    let account = opened(&bank, &wanted(&bank, "CZK").await).await.account_id;
    accounts::close(&bank.database, account).await.unwrap();
    let before = bank.fingerprint().await;
    let superuser = bank.superuser().await;
    for change in [
        "account_status = 'active', closed_at = NULL",
        "account_status = 'frozen', closed_at = NULL",
        "closed_at = clock_timestamp()",
        "overdraft_limit = 5",
        "time_zone = 'Europe/Prague'",
    ] {
        let sql = format!("UPDATE banking.accounts SET {change} WHERE account_id = $1");
        for database in [&bank.database, &superuser] {
            let error = database
                .execute(statement(&sql, [account.as_uuid().into()]))
                .await
                .unwrap_err();
            assert_eq!(
                error.server().map(|server| server.sqlstate.as_str()),
                Some("NB003"),
                "{change}: {error:?}"
            );
        }
    }
    let error = accounts::set_overdraft_limit(&bank.database, account, czk("5"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            AccountError::Status {
                status: AccountStatus::Closed,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(bank.fingerprint().await, before);
}
