//! Accounts: opening, finding, listing, limiting, freezing, closing and reopening them.

mod error;
pub mod limits;
mod model;
mod query;
mod repository;

pub use error::AccountError;
pub use model::{Account, NewAccount};
pub use neobank_entity::enums::{AccountStatus, AccountType};
pub use repository::{
    close, find, find_by_number, find_many, freeze, is_reserved, list_by_customer, open, reopen,
    set_overdraft_limit, unfreeze,
};
