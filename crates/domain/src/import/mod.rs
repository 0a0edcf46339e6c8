//! A bank's history from CSV files, through the ledger.
//!
//! Three files: customers, accounts, and transactions with the balance that the bank itself recorded after each. All of
//! them are read and checked before anything is written, and everything is written in one transaction, so a bad line
//! leaves nothing behind. Each transaction goes through the same engine as any other, and the import stops at the first
//! running balance that differs from the bank's own.
//!
//! Dates are days of the account's own time zone. Columns that are not known are named in [`History::warnings`]; a doubled
//! column and an unknown operation are errors. A longer file of the same source goes on where the first one ended.
//!
//! The connection acts as the role `neobank_import`: only its members may give an account the day on which it was opened,
//! and the numbers of the source.
//!
//! Identifiers and idempotency keys are made from the name of the source and the identifiers in the files, so importing
//! the same files again changes nothing.

mod compare;
mod error;
mod line;
mod numbers;
mod read;
mod run;

pub use compare::{Comparison, Difference, compare};
pub use error::ImportError;
pub use line::{AccountLine, CustomerLine, TransactionLine, account_id, customer_id};
pub use numbers::{Imported, Numbers, numbers};
pub use read::{History, ImportOptions, Sources};
pub use run::{ImportReport, run};
