//! B5: accounts are opened, found, frozen, limited and closed.

mod close;
mod find;
mod life;
mod limit;
mod open;
mod system;

use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::{Account, AccountType, Currency};

use crate::harness::TestBank;

/// A checking account that a new customer would open.
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
