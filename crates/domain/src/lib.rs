//! A bank's customers, accounts, transfers and statements on PostgreSQL.
//!
//! * [`Ledger`] posts transfers, postings and adjustments, one by one, in batches, or from
//!   concurrent callers that share commits. [`decide`](ledger::decide), a pure function, decides on
//!   every request: on locked accounts, or on cached ones that the database validates as it writes.
//! * [`customers`], [`accounts`] and [`preferences`] keep the bank's master data.
//! * [`statements`] reads an account's entries, newest first, and summaries of its days.
//! * [`transfers`] lists and finds posted transfers.
//! * [`balances`] reads balances now or at a time, and the trial balance.
//! * [`change_log`] lists the changes of customers, accounts and preferences, with their actors.
//! * [`periods`] closes booking days.
//! * [`api_keys`] keeps the keys of programs that call the service.
//! * [`webhooks`] keeps the addresses to which the service sends events.
//! * [`audit`] validates every invariant of the ledger.
//! * [`chain`] seals the journal in a hash chain and verifies it, and [`events`] reads the sealed
//!   order.
//! * [`printable`] makes texts harmless for terminals and pages.
//! * [`import`] reads a bank's history from CSV files.
//!
//! Functions outside the ledger and the import take any [`Executor`](neobank_db::Executor): the
//! pool, a transaction or a savepoint.
//!
//! Balances change only through the journal. The database enforces that too: see
//! `docs/ARCHITECTURE.md`.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)
)]

pub mod accounts;
pub mod api_keys;
pub mod audit;
pub mod balances;
pub mod chain;
pub mod change_log;
pub mod customers;
mod error;
pub mod events;
pub mod exact_json;
mod ids;
#[cfg(feature = "import")]
pub mod import;
pub mod ledger;
mod money;
pub mod periods;
pub mod preferences;
pub mod printable;
pub mod statements;
mod text;
pub mod transfers;
pub mod webhooks;

pub use accounts::{Account, AccountStatus, AccountType};
pub use customers::Customer;
pub use error::{Error, ErrorKind};
pub use ids::{
    AccountId, ApiKeyId, CustomerId, EntryId, GroupId, HoldEventId, HoldId, TransferId, WebhookId,
};
pub use ledger::{
    Ledger, LedgerBuilder, LedgerError, PostingRequest, Receipt, Rejection, Request,
    TransferRequest,
};
pub use money::{Currency, Money, MoneyError};
pub use text::shortened;

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
