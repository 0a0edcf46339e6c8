//! Import of a bank's history from CSV files, through the ledger.
//!
//! A history has three files: customers, accounts, and transactions with the balance that the bank
//! recorded after each. [`History::read`] checks all of them before anything is written, and
//! [`run`] writes everything in one transaction, so that a malformed line leaves nothing behind.
//! The ledger posts each transaction like any other. The import stops at the first running balance
//! that differs from the recorded one.
//!
//! Dates are days of the account's own time zone. [`History::warnings`] names unknown columns; a
//! doubled column and an unknown operation are errors. A longer file of the same source continues
//! where the first one ended.
//!
//! The connection must act as the role `neobank_import`: only its members may set the time at which
//! an account was opened, and the customer and account numbers of the source.
//!
//! Identifiers and idempotency keys are derived from the name of the source and the identifiers in
//! the files, so that importing the same files again changes nothing.

mod compare;
mod error;
mod line;
mod numbers;
mod physical_lines;
mod query;
mod read;
mod run;

pub use compare::{Comparison, Difference, compare};
pub use error::ImportError;
pub use line::{AccountLine, CustomerLine, TransactionLine, account_id, customer_id};
pub use numbers::{Imported, Numbers, numbers};
pub use physical_lines::PhysicalLines;
pub use read::{History, ImportOptions, Sources};
pub use run::{ImportReport, run};
