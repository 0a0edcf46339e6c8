//! Adjustments: a corrected balance with optimistic locking.

use futures_util::future::join_all;
use neobank_db::{Executor, FromRow, statement};
use neobank_domain::ledger::{AdjustmentRequest, SystemAccount};
use neobank_domain::{AccountId, LedgerError, Money, Rejection, TransferRequest};

use crate::harness::{TestBank, czk};

on_both_versions!(
    adjustment_posts_an_entry,
    stale_version_is_rejected_with_both_versions,
    one_of_concurrent_adjustments_is_posted,
    sql_adjustment_posts_an_entry,
    rejected_sql_adjustment_changes_nothing,
);

fn adjustment(account: AccountId, new_balance: Money, expected_version: i64) -> AdjustmentRequest {
    AdjustmentRequest::new(account, new_balance, expected_version)
        .with_description("Count was wrong")
}

async fn adjustment_posts_an_entry(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let version = bank.find(account).await.version;
    let receipt = bank
        .ledger
        .submit(adjustment(account, czk("80.50"), version))
        .await
        .unwrap();
    assert_eq!(
        (receipt.amount, receipt.debit.account_id),
        (czk("19.50"), account)
    );
    let receipt = bank
        .ledger
        .submit(adjustment(account, czk("90"), version + 1))
        .await
        .unwrap();
    assert_eq!(
        (receipt.amount, receipt.credit.account_id),
        (czk("9.50"), account)
    );
    assert_eq!(bank.balance(account).await, czk("90"));
    assert_eq!(
        bank.balance(SystemAccount::Adjustment.id(czk("0").currency()))
            .await,
        czk("10")
    );
    let rejected = bank
        .ledger
        .submit(adjustment(account, czk("90"), version + 2))
        .await
        .unwrap_err();
    assert!(
        matches!(
            rejected,
            LedgerError::Rejected(Rejection::BalanceUnchanged { .. })
        ),
        "{rejected:?}"
    );
    let rejected = bank
        .ledger
        .submit(adjustment(account, czk("-0.01"), version + 2))
        .await
        .unwrap_err();
    assert!(
        matches!(
            rejected,
            LedgerError::Rejected(Rejection::InsufficientFunds { .. })
        ),
        "{rejected:?}"
    );
    bank.assert_sound().await;
}

async fn stale_version_is_rejected_with_both_versions(bank: TestBank) {
    let (account, other) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let seen = bank.find(account).await.version;
    bank.ledger
        .transfer(TransferRequest::new(account, other, czk("1")))
        .await
        .unwrap();
    let rejected = bank
        .ledger
        .submit(adjustment(account, czk("100"), seen))
        .await
        .unwrap_err();
    let LedgerError::Rejected(rejection) = rejected else {
        panic!("{rejected:?}")
    };
    assert_eq!(
        rejection,
        Rejection::StaleVersion {
            account,
            expected: seen,
            found: seen + 1
        }
    );
    // A change of the terms increments the version too.
    neobank_domain::accounts::set_overdraft_limit(&bank.database, account, czk("5"))
        .await
        .unwrap();
    assert_eq!(bank.find(account).await.version, seen + 2);
}

async fn one_of_concurrent_adjustments_is_posted(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let version = bank.find(account).await.version;
    let outcomes = join_all((1..=16).map(|balance| {
        bank.ledger
            .submit(adjustment(account, czk(&balance.to_string()), version))
    }))
    .await;
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        1,
        "{outcomes:?}"
    );
    assert_eq!(bank.find(account).await.version, version + 1);
    bank.assert_sound().await;
}

#[derive(Debug, PartialEq, FromRow)]
struct Answer {
    success: bool,
    new_version: Option<i64>,
    error_message: Option<String>,
}

async fn set_balance(bank: &TestBank, account: AccountId, balance: &str, version: i64) -> Answer {
    let sql =
        format!("SELECT * FROM banking.update_account_optimistic($1, '{balance}'::numeric, $2)");
    bank.database
        .fetch_one(statement(&sql, [account.as_uuid().into(), version.into()]))
        .await
        .unwrap()
        .unwrap()
}

async fn sql_adjustment_posts_an_entry(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let version = bank.find(account).await.version;
    let done = |version| Answer {
        success: true,
        new_version: Some(version),
        error_message: None,
    };
    assert_eq!(
        set_balance(&bank, account, "70.25", version).await,
        done(version + 1)
    );
    assert_eq!(
        set_balance(&bank, account, "71", version + 1).await,
        done(version + 2)
    );
    assert_eq!(
        set_balance(&bank, account, "71.000", version + 2).await,
        done(version + 2)
    );
    assert_eq!(bank.find(account).await.version, version + 2);
    assert_eq!(bank.balance(account).await, czk("71"));
    bank.assert_sound().await;
}

async fn rejected_sql_adjustment_changes_nothing(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let version = bank.find(account).await.version;
    let before = bank.fingerprint().await;
    let unknown = AccountId::new();
    let system = SystemAccount::External.id(czk("0").currency());
    for (account, balance, expected, said) in [
        (
            account,
            "1",
            version - 1,
            format!("expected {} but found {version}", version - 1),
        ),
        (
            account,
            "1",
            version + 1,
            format!("expected {} but found {version}", version + 1),
        ),
        (unknown, "1", 1, unknown.to_string()),
        (system, "1", 1, system.to_string()),
        (account, "-0.01", version, "-0.01".to_owned()),
        (account, "1.001", version, "1.001".to_owned()),
        (account, "NaN", version, "NaN".to_owned()),
        (account, "Infinity", version, "Infinity".to_owned()),
        (account, "-Infinity", version, "Infinity".to_owned()),
        (
            account,
            "1000000000000000000",
            version,
            "1000000000000000000".to_owned(),
        ),
    ] {
        let answer = set_balance(&bank, account, balance, expected).await;
        assert!(!answer.success, "{balance}: {answer:?}");
        assert!(
            answer
                .error_message
                .as_ref()
                .is_some_and(|message| message.contains(&said)),
            "{said}: {answer:?}"
        );
    }
    assert_eq!(bank.fingerprint().await, before);
}
