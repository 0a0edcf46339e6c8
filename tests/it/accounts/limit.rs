//! The overdraft limit of an account.

use neobank_domain::accounts::{self, AccountError};
use neobank_domain::{
    AccountId, Currency, LedgerError, Money, PostingRequest, Rejection, TransferRequest,
};

use super::{opened, wanted};
use crate::harness::{TestBank, czk};

on_both_versions!(
    limit_below_the_used_overdraft_is_rejected,
    limit_that_overflows_the_available_balance_is_rejected,
    negative_or_foreign_limit_is_rejected,
);

async fn limit_below_the_used_overdraft_is_rejected(bank: TestBank) {
    let (account, other) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let raised = accounts::set_overdraft_limit(&bank.database, account, czk("100"))
        .await
        .unwrap();
    assert_eq!(
        (raised.overdraft_limit, raised.available_balance),
        (Some(czk("100")), Some(czk("110")))
    );
    bank.ledger
        .transfer(TransferRequest::new(account, other, czk("70.50")))
        .await
        .unwrap();
    let before = bank.find(account).await;
    let error = accounts::set_overdraft_limit(&bank.database, account, czk("60.49"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, AccountError::BelowLimit { account: named, balance, limit, .. }
            if named == account && balance == czk("-60.50") && limit == czk("60.49")),
        "{error:?}"
    );
    assert_eq!(bank.find(account).await, before);
    let lowered = accounts::set_overdraft_limit(&bank.database, account, czk("60.50"))
        .await
        .unwrap();
    assert_eq!(lowered.available_balance, Some(czk("0")));
    bank.assert_sound().await;
}

/// A valid balance and a valid limit can have a sum that is not an amount. No account may become
/// unreadable by it.
async fn limit_that_overflows_the_available_balance_is_rejected(bank: TestBank) {
    let most = "999999999999999999.99";
    let account = bank.account(czk("0.02")).await;
    let error = accounts::set_overdraft_limit(&bank.database, account, czk(most))
        .await
        .unwrap_err();
    assert!(
        matches!(error, AccountError::OverdraftLimit { limit, .. } if limit == czk(most)),
        "{error:?}"
    );
    accounts::set_overdraft_limit(&bank.database, account, czk("999999999999999999.97"))
        .await
        .unwrap();
    assert_eq!(bank.find(account).await.available_balance, Some(czk(most)));

    let mut new = wanted(&bank, "CZK").await;
    new.overdraft_limit = czk(most);
    let limited = opened(&bank, &new).await.account_id;
    for account in [account, limited] {
        let before = bank.fingerprint().await;
        let error = bank
            .ledger
            .submit(PostingRequest::deposit(account, czk("0.01")))
            .await
            .unwrap_err();
        assert!(
            matches!(error, LedgerError::Rejected(Rejection::Overflow { account: named, .. }) if named == account),
            "{error:?}"
        );
        assert_eq!(bank.fingerprint().await, before);
    }
    // A withdrawal lowers the available balance again.
    bank.ledger
        .submit(PostingRequest::withdrawal(limited, czk("0.01")))
        .await
        .unwrap();
    bank.ledger
        .submit(PostingRequest::deposit(limited, czk("0.01")))
        .await
        .unwrap();
    bank.assert_sound().await;
}

async fn negative_or_foreign_limit_is_rejected(bank: TestBank) {
    let account = bank.account(czk("10")).await;
    let before = bank.find(account).await;
    let euro = Money::parse("1", Currency::from_code("EUR").unwrap()).unwrap();
    for limit in [czk("-0.01"), euro] {
        let error = accounts::set_overdraft_limit(&bank.database, account, limit)
            .await
            .unwrap_err();
        assert!(
            matches!(error, AccountError::OverdraftLimit { limit: given, currency } if given == limit && currency.code() == "CZK"),
            "{error:?}"
        );
    }
    let unknown = AccountId::new();
    let error = accounts::set_overdraft_limit(&bank.database, unknown, czk("1"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, AccountError::UnknownAccount { account } if account == unknown),
        "{error:?}"
    );
    assert_eq!(bank.find(account).await, before);
}
