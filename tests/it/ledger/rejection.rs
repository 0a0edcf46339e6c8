//! Rejections: each is a typed error and leaves the tables unchanged.

use chrono::{Duration, Utc};
use neobank_db::{Executor, statement};
use neobank_domain::accounts::{self, AccountStatus, NewAccount};
use neobank_domain::ledger::{EntryType, PostingKind, SystemAccount};
use neobank_domain::{
    AccountId, AccountType, Currency, LedgerError, Money, MoneyError, PostingRequest, Rejection,
    Request, TransferRequest,
};
use rust_decimal::Decimal;

use crate::harness::{TestBank, czk};

on_both_versions!(
    rejection_is_typed_and_changes_nothing,
    amount_with_too_many_decimals_is_rejected,
    overflow_is_rejected_on_both_sides,
    first_documented_reason_is_returned,
);

async fn rejection_of(bank: &TestBank, request: impl Into<Request>) -> Rejection {
    let before = bank.fingerprint().await;
    let error = bank.ledger.submit(request).await.unwrap_err();
    assert_eq!(
        bank.fingerprint().await,
        before,
        "a rejection changed something: {error}"
    );
    match error {
        LedgerError::Rejected(rejection) => rejection,
        other => panic!("not a rejection: {other:?}"),
    }
}

async fn rejection_is_typed_and_changes_nothing(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let transfer = |amount| TransferRequest::new(from, to, amount);
    let euro = |text| Money::parse(text, Currency::from_code("EUR").unwrap()).unwrap();

    assert_eq!(
        rejection_of(&bank, TransferRequest::new(from, from, czk("1"))).await,
        Rejection::SameAccount { account: from }
    );
    for amount in ["0", "-0.01", "-1000"] {
        assert_eq!(
            rejection_of(&bank, transfer(czk(amount))).await,
            Rejection::AmountNotPositive {
                amount: czk(amount)
            }
        );
    }
    let unknown = AccountId::new();
    assert_eq!(
        rejection_of(&bank, TransferRequest::new(unknown, to, czk("1"))).await,
        Rejection::UnknownAccount { account: unknown }
    );
    assert_eq!(
        rejection_of(&bank, TransferRequest::new(from, unknown, czk("1"))).await,
        Rejection::UnknownAccount { account: unknown }
    );
    assert_eq!(
        rejection_of(&bank, PostingRequest::deposit(unknown, czk("1"))).await,
        Rejection::UnknownAccount { account: unknown }
    );
    assert_eq!(
        rejection_of(&bank, transfer(euro("1"))).await,
        Rejection::CurrencyMismatch {
            account: from,
            account_currency: Currency::from_code("CZK").unwrap(),
            currency: Currency::from_code("EUR").unwrap()
        }
    );
    assert_eq!(
        rejection_of(&bank, transfer(czk("100.01"))).await,
        Rejection::InsufficientFunds {
            account: from,
            available: czk("100"),
            requested: czk("100.01")
        }
    );
    assert_eq!(
        rejection_of(&bank, PostingRequest::withdrawal(from, czk("100.01"))).await,
        Rejection::InsufficientFunds {
            account: from,
            available: czk("100"),
            requested: czk("100.01")
        }
    );
    let system = SystemAccount::External.id(Currency::from_code("CZK").unwrap());
    for request in [
        TransferRequest::new(system, to, czk("1")),
        TransferRequest::new(to, system, czk("1")),
    ] {
        // Two reasons apply, and the first one is returned.
        assert_eq!(
            rejection_of(&bank, request).await,
            Rejection::SystemAccount { account: system }
        );
    }
    assert_eq!(
        rejection_of(&bank, PostingRequest::deposit(system, czk("1"))).await,
        Rejection::SystemAccount { account: system }
    );
    for (description, key, field) in [
        ("a".repeat(501), "k".to_owned(), "description"),
        ("nul \0".to_owned(), "k".to_owned(), "description"),
        (String::new(), "k".repeat(256), "idempotency_key"),
        (String::new(), String::new(), "idempotency_key"),
        (String::new(), "\0".to_owned(), "idempotency_key"),
    ] {
        let rejection = rejection_of(
            &bank,
            transfer(czk("1"))
                .with_description(description)
                .with_idempotency_key(key),
        )
        .await;
        assert!(
            matches!(&rejection, Rejection::Text { field: found, .. } if *found == field),
            "{rejection:?}"
        );
    }
    let tomorrow = Utc::now() + Duration::days(1);
    let rejection = rejection_of(
        &bank,
        PostingRequest::deposit(to, czk("1")).effective_at(tomorrow),
    )
    .await;
    assert!(
        matches!(rejection, Rejection::EventTime { .. }),
        "{rejection:?}"
    );
    let rejection = rejection_of(
        &bank,
        PostingRequest::deposit(from, czk("1")).effective_at(Utc::now() - Duration::days(1)),
    )
    .await;
    assert!(
        matches!(rejection, Rejection::EventTime { .. }),
        "{rejection:?}"
    );

    for side in [from, to] {
        accounts::freeze(&bank.database, side).await.unwrap();
        assert_eq!(
            rejection_of(&bank, transfer(czk("1"))).await,
            Rejection::NotActive {
                account: side,
                status: AccountStatus::Frozen
            }
        );
        let posting = PostingRequest::new(side, PostingKind::Fee, EntryType::Credit, czk("1"));
        assert_eq!(
            rejection_of(&bank, posting).await,
            Rejection::NotActive {
                account: side,
                status: AccountStatus::Frozen
            }
        );
        accounts::unfreeze(&bank.database, side).await.unwrap();
    }
    accounts::close(&bank.database, to).await.unwrap();
    assert_eq!(
        rejection_of(&bank, transfer(czk("1"))).await,
        Rejection::NotActive {
            account: to,
            status: AccountStatus::Closed
        }
    );
    bank.assert_sound().await;
}

async fn amount_with_too_many_decimals_is_rejected(bank: TestBank) {
    let currency = Currency::from_code("CZK").unwrap();
    let amount: Decimal = "0.005".parse().unwrap();
    assert_eq!(
        Money::new(amount, currency),
        Err(MoneyError::TooManyDecimals { amount, currency })
    );
    // The error of an amount converts into a rejection, so `?` serves both.
    let reject = || -> Result<Money, LedgerError> { Ok(Money::new(amount, currency)?) };
    assert!(matches!(
        reject(),
        Err(LedgerError::Rejected(Rejection::Amount(
            MoneyError::TooManyDecimals { .. }
        )))
    ));
    // The database rejects such an amount too, instead of rounding it.
    let account = bank.account(czk("1")).await;
    let rejected = bank
        .superuser()
        .await
        .fetch_value::<String>(statement(
            "SELECT error_message FROM banking.update_account_optimistic($1, 1.005, 2)",
            [account.as_uuid().into()],
        ))
        .await
        .unwrap();
    assert!(rejected.contains("1.005"), "{rejected}");
}

async fn overflow_is_rejected_on_both_sides(bank: TestBank) {
    let (from, to) = (bank.account(czk("0")).await, bank.account(czk("0")).await);
    let most = czk("999999999999999999.99");
    bank.ledger
        .submit(PostingRequest::deposit(from, most))
        .await
        .unwrap();
    // The external account has paid all that it can in this currency.
    let outside = SystemAccount::External.id(most.currency());
    assert_eq!(
        rejection_of(&bank, PostingRequest::deposit(to, czk("0.01"))).await,
        Rejection::Overflow {
            account: outside,
            balance: most.negated(),
            amount: czk("-0.01")
        }
    );
    // Fees come from another account, so the customer's side is full here.
    let fee = PostingRequest::new(from, PostingKind::Fee, EntryType::Credit, czk("0.01"));
    assert_eq!(
        rejection_of(&bank, fee).await,
        Rejection::Overflow {
            account: from,
            balance: most,
            amount: czk("0.01")
        }
    );
    bank.ledger
        .transfer(TransferRequest::new(from, to, most))
        .await
        .unwrap();
    assert_eq!(bank.balance(to).await, most);
    bank.assert_sound().await;
}

async fn first_documented_reason_is_returned(bank: TestBank) {
    let new = NewAccount::new(
        bank.customer().await,
        AccountType::Savings,
        Currency::from_code("EUR").unwrap(),
    );
    let frozen_euro = accounts::open(&bank.database, &new)
        .await
        .unwrap()
        .account_id;
    accounts::freeze(&bank.database, frozen_euro).await.unwrap();
    let poor = bank.account(czk("0")).await;
    let unknown = AccountId::new();
    let reason = async |request: TransferRequest| rejection_of(&bank, request).await;
    assert!(matches!(
        reason(TransferRequest::new(unknown, unknown, czk("-1"))).await,
        Rejection::SameAccount { .. }
    ));
    assert!(matches!(
        reason(TransferRequest::new(unknown, frozen_euro, czk("-1"))).await,
        Rejection::AmountNotPositive { .. }
    ));
    assert!(matches!(
        reason(TransferRequest::new(unknown, frozen_euro, czk("1"))).await,
        Rejection::UnknownAccount { .. }
    ));
    assert!(matches!(
        reason(TransferRequest::new(frozen_euro, unknown, czk("1"))).await,
        Rejection::NotActive { .. }
    ));
    accounts::unfreeze(&bank.database, frozen_euro)
        .await
        .unwrap();
    assert!(matches!(
        reason(TransferRequest::new(poor, frozen_euro, czk("1"))).await,
        Rejection::CurrencyMismatch { .. }
    ));
}
