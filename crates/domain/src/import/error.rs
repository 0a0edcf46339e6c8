use thiserror::Error;

use crate::Money;
use crate::accounts::AccountError;
use crate::customers::CustomerError;
use crate::ledger::{LedgerError, Rejection};
use neobank_db::DatabaseError;

/// The error of an import.
///
/// Every variant means that nothing of the files was imported, with two exceptions: after
/// [`DatabaseError::CommitUnknown`] everything or nothing was imported, and after
/// [`DatabaseError::CommittedNotReplicated`] everything was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A required column is missing.
    #[error("{file}: the column {column} is missing")]
    MissingColumn {
        /// The name of the file: `customers`, `accounts` or `transactions`.
        file: &'static str,
        /// The name of the column.
        column: &'static str,
    },
    /// Two columns have the same name, so that one of them would be dropped.
    #[error("{file}: the column {column:?} is there twice")]
    DoubledColumn {
        /// The name of the file.
        file: &'static str,
        /// The name of the column, cut to 80 characters.
        column: String,
    },
    /// A line is not CSV, or has another number of fields than the header.
    #[error("{file}, line {line}: {reason}")]
    Malformed {
        /// The name of the file.
        file: &'static str,
        /// The line number, from 1.
        line: u64,
        /// The parser's message.
        reason: String,
    },
    /// A file cannot be read to its end: its device failed, its compressed data is damaged, or a
    /// quoted field has no end.
    #[error("{file}: the file cannot be read: {reason}")]
    Unreadable {
        /// The name of the file.
        file: &'static str,
        /// The failure.
        reason: String,
    },
    /// A field holds a value that breaks one of its rules.
    #[error("{file}, line {line}, field {field}: {value:?}: {reason}")]
    Field {
        /// The name of the file.
        file: &'static str,
        /// The line number, from 1.
        line: u64,
        /// The name of the field.
        field: &'static str,
        /// The field's value.
        value: String,
        /// The rule that the value breaks.
        reason: String,
    },
    /// The ledger rejected a transaction.
    #[error("transactions, line {line}, account {account:?}: {rejection}")]
    Rejected {
        /// The line number, from 1.
        line: u64,
        /// The account's identifier in the files.
        account: String,
        /// The ledger's rejection.
        rejection: Box<Rejection>,
    },
    /// A running balance differs from the one that the bank recorded.
    #[error(
        "transactions, line {line}, account {account:?}, field balance: the bank recorded {recorded}, our books say {running}"
    )]
    BalanceDiffers {
        /// The line number, from 1.
        line: u64,
        /// The account's identifier in the files.
        account: String,
        /// The balance that the bank recorded.
        recorded: Money,
        /// The running balance in the journal.
        running: Money,
    },
    /// A customer could not be created.
    #[error("customers, line {line}: {error}")]
    Customer {
        /// The line number, from 1.
        line: u64,
        /// The error of the creation.
        error: CustomerError,
    },
    /// An account could not be opened, or its overdraft limit not be raised.
    #[error("accounts, line {line}: {error}")]
    Account {
        /// The line number, from 1.
        line: u64,
        /// The error of the opening or the change.
        error: AccountError,
    },
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
