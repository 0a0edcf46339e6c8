//! Accounts: opening, finding, freezing, limiting, closing and reopening them.

mod close;
mod find;
mod life;
mod limit;
mod limits;
mod open;
mod reopen;
mod system;

use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::{Account, AccountType, Currency};

use crate::harness::TestBank;

/// Returns a checking account for a new customer, not yet opened.
pub(crate) async fn wanted(bank: &TestBank, currency: &str) -> NewAccount {
    let currency = Currency::from_code(currency).unwrap();
    NewAccount::new(bank.customer().await, AccountType::Checking, currency)
}

pub(crate) async fn opened(bank: &TestBank, new: &NewAccount) -> Account {
    if new.opened_at.is_some() {
        return accounts::open(&bank.importer().await, new).await.unwrap();
    }
    accounts::open(&bank.database, new).await.unwrap()
}
