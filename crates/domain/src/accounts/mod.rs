//! Accounts: open, find, list, freeze, close.

mod error;
mod model;
mod repository;

pub use error::AccountError;
pub use model::{Account, AccountStatus, AccountType, NewAccount};
pub use repository::{
    close, find, find_by_number, freeze, list_by_customer, open, set_overdraft_limit, unfreeze,
};
