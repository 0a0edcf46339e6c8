//! Customers: creating, finding, searching and updating them.

mod error;
mod model;
mod repository;
mod search;

pub use error::CustomerError;
pub use model::{Customer, CustomerUpdate, NewCustomer};
pub use neobank_entity::enums::{CustomerStatus, CustomerType, KycStatus};
pub use repository::{create, find, find_by_email, find_by_number, update};
pub use search::{CustomerCursor, CustomerFilter, CustomerPage, search, search_query};
