//! The change log: who changed which customer, account or preference, when, and from what to what.
//!
//! The database records every change by a trigger, also those of SQL users. The actor is the one of
//! the transaction: [`Ledger::begin_change`](crate::Ledger::begin_change) begins a transaction with
//! the actor of a ledger, [`act_as`] names one in any transaction, and SQL users set
//! `neobank.actor`.
//!
//! A list begins with the newest change. A change never changes and keeps its place, so that pages
//! neither skip nor repeat a change while others are made. The lists of an account and of a customer
//! read an index; every other list reads the log backwards until the page is full.

mod cursor;
mod error;
mod filter;
mod query;
mod read;

pub use cursor::ChangeCursor;
pub use error::ChangeLogError;
pub use filter::ChangeFilter;
pub use neobank_entity::enums::ChangeOperation;
pub(crate) use read::begin_as;
#[cfg(feature = "import")]
pub(crate) use read::need_no_actor;
pub use read::{Change, ChangePage, act_as, list, list_query};
