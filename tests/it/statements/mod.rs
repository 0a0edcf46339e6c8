//! B8, B9: an account's statement, page by page, and its days.

mod days;
mod model;
mod pages;
mod plan;
mod rejection;
mod summary;

use chrono::{DateTime, NaiveDate, Utc};
use neobank_domain::accounts::NewAccount;
use neobank_domain::{AccountId, AccountType, Money, PostingRequest, Request};

use crate::harness::{TestBank, czk};

/// An account without a limit that matters, whose days are those of this zone.
pub(crate) async fn account_in(bank: &TestBank, time_zone: &str) -> AccountId {
    let new = NewAccount {
        time_zone: time_zone.to_owned(),
        overdraft_limit: czk("1000000"),
        ..NewAccount::new(
            bank.customer().await,
            AccountType::Checking,
            czk("0").currency(),
        )
    };
    bank.open_long_ago(new).await
}

/// Postings at these times: money in when the amount is positive, out when it is negative.
pub(crate) async fn post(bank: &TestBank, account: AccountId, postings: &[(DateTime<Utc>, Money)]) {
    let requests: Vec<Request> = postings
        .iter()
        .map(|(time, amount)| {
            let posting = if amount.is_positive() {
                PostingRequest::deposit(account, *amount)
            } else {
                PostingRequest::withdrawal(account, amount.negated())
            };
            posting.effective_at(*time).into()
        })
        .collect();
    for outcome in bank.ledger.submit_all(&requests).await.unwrap() {
        outcome.into_receipt().unwrap();
    }
}

pub(crate) fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}
