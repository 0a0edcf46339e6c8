//! Closed periods: what can be closed, what a closed period rejects, and races with a closing.

mod close;
mod posting;
mod races;

use chrono::{Days, NaiveDate, Utc};
use neobank_domain::periods::{self, PeriodError};
use neobank_domain::{Currency, Ledger};

use crate::harness::TestBank;

fn czk() -> Currency {
    Currency::from_code("CZK").unwrap()
}

fn days_ago(days: u64) -> NaiveDate {
    Utc::now().date_naive() - Days::new(days)
}

fn controller(bank: &TestBank) -> Ledger {
    bank.ledger.acting_as("controller:1".parse().unwrap())
}

async fn close(
    bank: &TestBank,
    currency: Currency,
    day: NaiveDate,
) -> Result<NaiveDate, PeriodError> {
    let change = controller(bank).begin_change().await.unwrap();
    let first = periods::close(&change, currency, day).await?;
    change.commit().await.unwrap();
    Ok(first)
}

async fn reopen(bank: &TestBank, currency: Currency) -> Result<Option<NaiveDate>, PeriodError> {
    let change = controller(bank).begin_change().await.unwrap();
    let first = periods::reopen(&change, currency).await?;
    change.commit().await.unwrap();
    Ok(first)
}
