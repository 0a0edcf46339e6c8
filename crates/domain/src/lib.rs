//! The bank's core: customers, accounts, and the one way in which money moves.
//!
//! * [`Ledger`]: transfers, postings and adjustments; alone or thousands at once; every one of them goes through the same
//!   four steps: lock and read, [`decide`](ledger::decide) in pure Rust, write, commit.
//! * [`GroupCommitLedger`]: the same for many callers at once, who share a transaction while the one before commits.
//! * [`customers`], [`accounts`], [`preferences`]: the bank's master data.
//! * [`statements`]: an account's entries, newest first, and its days.
//! * [`audit`]: holds the whole of the books against every invariant.
//! * [`import`]: a bank's year from CSV files.
//!
//! The functions that read take any [`Executor`](neobank_db::Executor): the pool, a transaction or a savepoint.
//!
//! Balances change only through the journal. The database enforces that too: see `docs/ARCHITECTURE.md`.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)
)]

pub mod accounts;
pub mod audit;
pub mod customers;
mod error;
mod ids;
pub mod import;
pub mod ledger;
mod money;
pub mod preferences;
pub mod statements;
mod text;

pub use accounts::{Account, AccountStatus, AccountType};
pub use customers::Customer;
pub use error::{Error, ErrorKind};
pub use ids::{AccountId, CustomerId, EntryId, TransferId};
pub use ledger::{
    GroupCommitLedger, Ledger, LedgerError, PostingRequest, Receipt, Rejection, Request,
    TransferRequest,
};
pub use money::{Currency, Money, MoneyError};
pub use text::shortened;

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
