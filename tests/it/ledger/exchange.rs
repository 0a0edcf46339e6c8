//! Currency exchange over the bank's positions.

use chrono::{Duration, Utc};
use neobank_db::{Executor, statement};
use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::ledger::{ExchangeRequest, Given, SystemAccount, TransferType};
use neobank_domain::{
    AccountId, AccountType, Currency, Ledger, LedgerError, Money, PostingRequest, Rejection,
};

use crate::harness::{TestBank, czk};

on_both_versions!(
    each_currency_balances_by_itself,
    exchange_is_posted_once_for_its_key,
    expired_quote_is_rejected,
    customer_without_the_money_exchanges_nothing,
);

fn euros(text: &str) -> Money {
    Money::parse(text, Currency::from_code("EUR").unwrap()).unwrap()
}

async fn euro_account(bank: &TestBank) -> AccountId {
    let currency = euros("0").currency();
    let new = NewAccount::new(bank.customer().await, AccountType::Checking, currency);
    accounts::open(&bank.database, &new)
        .await
        .unwrap()
        .account_id
}

fn exchange(from: AccountId, to: AccountId, given: Given) -> ExchangeRequest {
    ExchangeRequest::new(from, to, given, "EUR", "0.0399".parse().unwrap())
}

async fn each_currency_balances_by_itself(bank: TestBank) {
    let (koruna, euro) = (bank.account(czk("2000")).await, euro_account(&bank).await);
    for ledger in [bank.ledger.clone(), Ledger::new(bank.database.clone())] {
        let request = exchange(koruna, euro, Given::Sold(czk("1000")))
            .with_quote("Q-1", Utc::now() + Duration::minutes(5));
        let receipt = ledger
            .submit_group(request.into_group().unwrap())
            .await
            .unwrap();
        let kinds: Vec<_> = receipt.transfers().map(|one| one.transfer_type).collect();
        assert_eq!(kinds, [TransferType::Exchange; 2]);
    }
    assert_eq!(bank.balance(koruna).await, czk("0"));
    assert_eq!(bank.balance(euro).await, euros("79.80"));
    let position = |money: Money| SystemAccount::Exchange.id(money.currency());
    assert_eq!(bank.balance(position(czk("0"))).await, czk("2000"));
    assert_eq!(bank.balance(position(euros("0"))).await, euros("-79.80"));
    let stored: String = bank
        .database
        .fetch_value(statement(
            "SELECT DISTINCT metadata::text FROM banking.transfers WHERE transfer_type = 'exchange'",
            [],
        ))
        .await
        .unwrap();
    assert_eq!(
        stored,
        r#"{"exchange": {"rate": "0.0399", "quote": "Q-1"}}"#
    );
    bank.assert_sound().await;
}

async fn exchange_is_posted_once_for_its_key(bank: TestBank) {
    let (koruna, euro) = (bank.account(czk("2000")).await, euro_account(&bank).await);
    let request = || {
        let request = exchange(koruna, euro, Given::Sold(czk("1000")));
        let request = request
            .with_spread(czk("5"))
            .with_idempotency_key("exchange-1");
        request.into_group().unwrap()
    };
    let first = bank.ledger.submit_group(request()).await.unwrap();
    assert_eq!(first.transfers().count(), 3);
    assert_eq!(bank.ledger.submit_group(request()).await.unwrap(), first);
    assert_eq!(bank.balance(koruna).await, czk("995"));
    // Another rate is another request, although the amounts are the same.
    let mut other = exchange(koruna, euro, Given::Sold(czk("1000"))).with_spread(czk("5"));
    other.rate = "0.03990001".parse().unwrap();
    let other = other
        .with_idempotency_key("exchange-1")
        .into_group()
        .unwrap();
    let rejected = bank.ledger.submit_group(other).await;
    assert!(
        matches!(
            rejected,
            Err(LedgerError::Rejected(Rejection::KeyReused { .. }))
        ),
        "{rejected:?}"
    );
    bank.assert_sound().await;
}

async fn expired_quote_is_rejected(bank: TestBank) {
    let (koruna, euro) = (bank.account(czk("2000")).await, euro_account(&bank).await);
    let request = exchange(koruna, euro, Given::Bought(euros("10")));
    let mut request = request.with_quote("Q-1", Utc::now() - Duration::minutes(5));
    request.other_currency = "CZK".to_owned();
    let rejected = bank
        .ledger
        .submit_group(request.into_group().unwrap())
        .await;
    assert!(
        matches!(
            rejected,
            Err(LedgerError::Rejected(Rejection::GroupExpired { .. }))
        ),
        "{rejected:?}"
    );
    assert_eq!(bank.balance(koruna).await, czk("2000"));
}

async fn customer_without_the_money_exchanges_nothing(bank: TestBank) {
    let (koruna, euro) = (bank.account(czk("100")).await, euro_account(&bank).await);
    bank.ledger
        .submit(PostingRequest::deposit(euro, euros("1")))
        .await
        .unwrap();
    let request = exchange(koruna, euro, Given::Sold(czk("100.01")));
    let rejected = bank
        .ledger
        .submit_group(request.into_group().unwrap())
        .await;
    match rejected {
        Err(LedgerError::Rejected(Rejection::GroupStep { step: 0, reason })) => {
            assert!(
                matches!(*reason, Rejection::InsufficientFunds { .. }),
                "{reason:?}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bank.balance(euro).await, euros("1"));
    bank.assert_sound().await;
}
