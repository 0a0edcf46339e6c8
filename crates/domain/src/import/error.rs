use thiserror::Error;

use crate::Money;
use crate::accounts::AccountError;
use crate::customers::CustomerError;
use crate::ledger::{LedgerError, Rejection};
use neobank_db::DatabaseError;

/// Why files were not imported. Nothing of them was, whatever the reason, unless a commit's outcome is not known.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A column that must be there is not.
    #[error("{file}: the column {column} is missing")]
    MissingColumn {
        /// The file.
        file: &'static str,
        /// The column's name.
        column: &'static str,
    },
    /// Two columns have one name, so that one of them would be dropped.
    #[error("{file}: the column {column:?} is there twice")]
    DoubledColumn {
        /// The file.
        file: &'static str,
        /// The column's name, cut to a length.
        column: String,
    },
    /// A line that is not CSV, or has another number of fields than the first.
    #[error("{file}, line {line}: {reason}")]
    Malformed {
        /// The file.
        file: &'static str,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A field that cannot be used.
    #[error("{file}, line {line}, field {field}: {value:?}: {reason}")]
    Field {
        /// The file.
        file: &'static str,
        /// The line, from 1.
        line: u64,
        /// The field's name.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The ledger refused a transaction.
    #[error("transactions, line {line}, account {account:?}: {rejection}")]
    Rejected {
        /// The line, from 1.
        line: u64,
        /// The account as the file names it.
        account: String,
        /// Why.
        rejection: Box<Rejection>,
    },
    /// A running balance differs from the one that the bank recorded.
    #[error(
        "transactions, line {line}, account {account:?}, field balance: the bank recorded {recorded}, our books say {running}"
    )]
    BalanceDiffers {
        /// The line, from 1.
        line: u64,
        /// The account as the file names it.
        account: String,
        /// The bank's balance.
        recorded: Money,
        /// Ours.
        running: Money,
    },
    /// A customer could not be created.
    #[error("customers, line {line}: {error}")]
    Customer {
        /// The line, from 1.
        line: u64,
        /// Why.
        error: CustomerError,
    },
    /// An account could not be opened.
    #[error("accounts, line {line}: {error}")]
    Account {
        /// The line, from 1.
        line: u64,
        /// Why.
        error: AccountError,
    },
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
