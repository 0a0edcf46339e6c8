//! Customers: creating, finding, searching and updating them.

mod find;
mod search;
mod search_plan;
mod search_text;
mod suspended;
mod update;

use neobank_domain::customers::{self, NewCustomer};
use neobank_domain::{Customer, CustomerId};

use crate::harness::TestBank;

/// Returns a new customer with this e-mail address and this first telephone number.
pub(crate) fn person(email: &str, phone: &str) -> NewCustomer {
    NewCustomer::individual("Ada", "Lovelace")
        .with_email(email)
        .with_phone(phone)
}

pub(crate) async fn created(bank: &TestBank, new: &NewCustomer) -> Customer {
    customers::create(&bank.database, new).await.unwrap()
}

pub(crate) async fn found(bank: &TestBank, customer: CustomerId) -> Customer {
    customers::find(&bank.database, customer)
        .await
        .unwrap()
        .unwrap()
}
