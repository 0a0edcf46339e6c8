//! One error for everything that the domain can answer, and its kind.

use neobank_db::{ConfigError, DatabaseError, ErrorClass, HoldsDatabaseError};
use thiserror::Error as ThisError;

use crate::accounts::AccountError;
use crate::customers::CustomerError;
use crate::import::ImportError;
use crate::ledger::{LedgerError, NotAReferenceNumber, Rejection};
use crate::money::MoneyError;
use crate::preferences::PreferenceError;
use crate::statements::StatementError;

/// Any error of this crate or of the database below it.
///
/// Every error type of the crate converts into it, so that a function can use `?` on all of them. [`Error::kind`] says
/// what a caller can do.
///
/// # Example
///
/// ```
/// use neobank_domain::{Currency, Error, ErrorKind, Money};
///
/// fn price(text: &str) -> Result<Money, Error> {
///     Ok(Money::parse(text, Currency::from_code("CZK")?)?)
/// }
///
/// assert_eq!(price("12.505").unwrap_err().kind(), ErrorKind::Invalid);
/// ```
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A text or a number is not an amount of money.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// The ledger rejected a request, or failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An account was not opened or changed.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A customer was not found, created or changed.
    #[error(transparent)]
    Customer(#[from] CustomerError),
    /// A statement could not be read.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// Preferences were not merged.
    #[error(transparent)]
    Preference(#[from] PreferenceError),
    /// Files were not imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A text is not a transfer's reference number.
    #[error(transparent)]
    ReferenceNumber(#[from] NotAReferenceNumber),
    /// The database failed or refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The kind of an [`Error`]: what a caller can do about it. The command's exit codes follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input or the configuration cannot be used as it is; nothing was changed. Correct it.
    Invalid,
    /// The input is well formed and a rule of the bank rejects it; nothing was changed.
    Rejected,
    /// What the input names does not exist; nothing was changed.
    NotFound,
    /// The database could not be reached or had no room or time; nothing was changed. Try again later.
    Unavailable,
    /// A commit was sent and its answer never came. Ask again under the same idempotency key.
    OutcomeUnknown,
    /// The change is committed, but the standby that must confirm it has not.
    NotReplicated,
    /// The database's schema was not rolled out, or is another version's than this library's; nothing was changed.
    /// `neobank migrate status` says which.
    SchemaMismatch,
    /// The database refused the statement: a privilege, a defect. Nothing was changed.
    Failed,
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Self::Ledger(rejection.into())
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Database(error.into())
    }
}

impl HoldsDatabaseError for Error {
    fn database_error(&self) -> Option<&DatabaseError> {
        match self {
            Self::Ledger(LedgerError::Database(error))
            | Self::Account(AccountError::Database(error))
            | Self::Customer(CustomerError::Database(error))
            | Self::Statement(StatementError::Database(error))
            | Self::Preference(PreferenceError::Database(error))
            | Self::Import(
                ImportError::Database(error)
                | ImportError::Ledger(LedgerError::Database(error))
                | ImportError::Customer {
                    error: CustomerError::Database(error),
                    ..
                }
                | ImportError::Account {
                    error: AccountError::Database(error),
                    ..
                },
            )
            | Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

impl Error {
    /// The kind: what a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        if let Some(error) = self.database_error() {
            return database_kind(error);
        }
        match self {
            Self::Money(_) | Self::ReferenceNumber(_) => ErrorKind::Invalid,
            Self::Ledger(error) => ledger_kind(error),
            Self::Account(error) => account_kind(error),
            Self::Customer(error) => customer_kind(error),
            Self::Statement(StatementError::UnknownAccount { .. })
            | Self::Preference(PreferenceError::UnknownCustomers { .. }) => ErrorKind::NotFound,
            Self::Statement(_) | Self::Preference(_) => ErrorKind::Invalid,
            Self::Import(error) => import_kind(error),
            Self::Database(error) => database_kind(error),
        }
    }
}

impl Rejection {
    /// The kind: [`ErrorKind::Invalid`], [`ErrorKind::NotFound`] or [`ErrorKind::Rejected`].
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Amount(_) | Self::Text { .. } => ErrorKind::Invalid,
            Self::UnknownAccount { .. } => ErrorKind::NotFound,
            _ => ErrorKind::Rejected,
        }
    }
}

fn ledger_kind(error: &LedgerError) -> ErrorKind {
    match error {
        LedgerError::Rejected(rejection) => rejection.kind(),
        LedgerError::TooManyRequests { .. } => ErrorKind::Invalid,
        LedgerError::Overloaded { .. } | LedgerError::Stopped => ErrorKind::Unavailable,
        LedgerError::Unknown { .. } => ErrorKind::OutcomeUnknown,
        LedgerError::NotReplicated { .. } => ErrorKind::NotReplicated,
        LedgerError::Database(error) => database_kind(error),
        #[allow(
            unreachable_patterns,
            reason = "a new error fails until it has a kind of its own"
        )]
        _ => ErrorKind::Failed,
    }
}

const fn account_kind(error: &AccountError) -> ErrorKind {
    match error {
        AccountError::UnknownAccount { .. } | AccountError::UnknownCustomer { .. } => {
            ErrorKind::NotFound
        }
        AccountError::TimeZone { .. } | AccountError::Number { .. } => ErrorKind::Invalid,
        _ => ErrorKind::Rejected,
    }
}

const fn customer_kind(error: &CustomerError) -> ErrorKind {
    match error {
        CustomerError::UnknownCustomer { .. } => ErrorKind::NotFound,
        CustomerError::Invalid { .. } | CustomerError::EmptyUpdate => ErrorKind::Invalid,
        _ => ErrorKind::Rejected,
    }
}

fn import_kind(error: &ImportError) -> ErrorKind {
    match error {
        ImportError::Rejected { .. } | ImportError::BalanceDiffers { .. } => ErrorKind::Rejected,
        ImportError::Customer { error, .. } => customer_kind(error),
        ImportError::Account { error, .. } => account_kind(error),
        ImportError::Ledger(error) => ledger_kind(error),
        ImportError::Database(error) => database_kind(error),
        _ => ErrorKind::Invalid,
    }
}

fn database_kind(error: &DatabaseError) -> ErrorKind {
    match error {
        DatabaseError::CommitUnknown { .. } => return ErrorKind::OutcomeUnknown,
        DatabaseError::CommittedNotReplicated => return ErrorKind::NotReplicated,
        DatabaseError::Config(_)
        | DatabaseError::Pooler { .. }
        | DatabaseError::Parameter { .. } => return ErrorKind::Invalid,
        DatabaseError::PoolTimeout { .. }
        | DatabaseError::PoolOverloaded { .. }
        | DatabaseError::PoolClosed => return ErrorKind::Unavailable,
        _ => {}
    }
    match error.class() {
        ErrorClass::SerializationFailure
        | ErrorClass::Deadlock
        | ErrorClass::LockTimeout
        | ErrorClass::StatementCancelled
        | ErrorClass::TransactionTimeout
        | ErrorClass::ReadOnly
        | ErrorClass::TooManyConnections
        | ErrorClass::InsufficientResources
        | ErrorClass::ServerUnavailable
        | ErrorClass::ConnectionLost
        | ErrorClass::DeadlineExceeded => ErrorKind::Unavailable,
        ErrorClass::InvalidData => ErrorKind::Invalid,
        ErrorClass::UndefinedObject => ErrorKind::SchemaMismatch,
        _ => ErrorKind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccountId;

    #[test]
    fn each_kind_follows_from_the_error_and_not_from_its_type() {
        let account = AccountId::new();
        let unknown = || Error::from(Rejection::UnknownAccount { account });
        assert_eq!(unknown().kind(), ErrorKind::NotFound);
        assert_eq!(
            Error::from(AccountError::UnknownAccount { account }).kind(),
            ErrorKind::NotFound
        );
        assert_eq!(
            Error::from(Rejection::SameAccount { account }).kind(),
            ErrorKind::Rejected
        );
        let lost = || DatabaseError::CommitUnknown {
            reason: "closed".to_owned(),
        };
        for error in [
            Error::from(lost()),
            Error::from(AccountError::from(lost())),
            Error::from(ImportError::from(lost())),
            Error::from(LedgerError::from(lost())),
        ] {
            assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error:?}");
        }
        assert_eq!(
            Error::from(StatementError::from(DatabaseError::PoolClosed)).kind(),
            ErrorKind::Unavailable
        );
    }
}
