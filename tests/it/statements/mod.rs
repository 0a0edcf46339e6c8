//! Statements of an account, page by page, and summaries of its days.

mod days;
mod history;
mod model;
mod pages;
mod plan;
mod rejection;
mod summary;
mod value_date;

use chrono::{DateTime, NaiveDate, Utc};
use neobank_domain::accounts::NewAccount;
use neobank_domain::{AccountId, AccountType, Money, PostingRequest, Request};

use crate::harness::{TestBank, czk};

/// Opens an account with a limit that no test reaches, whose statements count the days of a zone.
pub(crate) async fn account_in(bank: &TestBank, time_zone: &str) -> AccountId {
    let mut new = NewAccount::new(
        bank.customer().await,
        AccountType::Checking,
        czk("0").currency(),
    );
    new.time_zone = time_zone.to_owned();
    new.overdraft_limit = czk("1000000");
    bank.open_long_ago(new).await
}

/// Posts deposits (positive amounts) and withdrawals (negative amounts) at these times.
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
