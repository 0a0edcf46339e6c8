//! One error type for the whole crate, and its kind.

use neobank_db::{ConfigError, DatabaseError, ErrorClass, HoldsDatabaseError};
use thiserror::Error as ThisError;

use crate::accounts::AccountError;
use crate::api_keys::ApiKeyError;
use crate::balances::BalanceError;
use crate::change_log::ChangeLogError;
use crate::customers::CustomerError;
use crate::events::EventError;
#[cfg(feature = "import")]
use crate::import::ImportError;
use crate::ledger::{ExchangeError, LedgerError, NotAReferenceNumber, Rejection};
use crate::money::MoneyError;
use crate::periods::PeriodError;
use crate::preferences::PreferenceError;
use crate::statements::StatementError;
use crate::transfers::TransferQueryError;
use crate::webhooks::WebhookError;

/// Any error of this crate or of the database below it.
///
/// Every error type of the crate converts into it, so that a function can use `?` on all of them.
/// [`Error::kind`] names the caller's next step.
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
    /// The error of a text or a number that is not an amount of money.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// The ledger's rejection of a request, or its failure.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The error of a currency exchange that cannot become a group.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The error of an account that was not opened or changed.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The error of a customer that was not found, created or changed.
    #[error(transparent)]
    Customer(#[from] CustomerError),
    /// The error of a statement that could not be read.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The error of balances that could not be read.
    #[error(transparent)]
    Balance(#[from] BalanceError),
    /// The error of changes that could not be listed.
    #[error(transparent)]
    ChangeLog(#[from] ChangeLogError),
    /// The error of a period that was not closed or reopened.
    #[error(transparent)]
    Period(#[from] PeriodError),
    /// The error of transfers that could not be listed.
    #[error(transparent)]
    TransferQuery(#[from] TransferQueryError),
    /// The error of events that could not be read, or of a consumer that could not move.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The error of a key of the service that was not created, found or revoked.
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    /// The error of a webhook that was not created, found or changed.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// The error of preferences that were not read or merged.
    #[error(transparent)]
    Preference(#[from] PreferenceError),
    /// The error of files that were not imported.
    #[cfg(feature = "import")]
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The error of a text that is not a transfer's reference number.
    #[error(transparent)]
    ReferenceNumber(#[from] NotAReferenceNumber),
    /// The database failed or rejected the statement.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The kind of an [`Error`], which tells a caller the next step. The command's exit codes follow
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input or the configuration is malformed; nothing was changed. Correct it.
    Invalid,
    /// The input is well formed, but a rule of the bank rejects it; nothing was changed.
    Rejected,
    /// The input names an object that does not exist; nothing was changed.
    NotFound,
    /// The database could not be reached, or had no capacity or time. Retry later. The ledger has
    /// changed nothing; a change of a customer or an account may have taken effect if the
    /// connection broke while the server executed it.
    Unavailable,
    /// The client sent a commit and lost its answer. Repeat the request with the same idempotency
    /// key.
    OutcomeUnknown,
    /// The change is committed, but the synchronous standby has not confirmed it.
    NotReplicated,
    /// The database has no schema of NeoBank, or another version of it than this library expects;
    /// nothing was changed. `neobank migrate status` shows the difference.
    SchemaMismatch,
    /// The database rejected the statement because of a missing privilege or a defect; nothing was
    /// changed.
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
            | Self::TransferQuery(TransferQueryError::Database(error))
            | Self::Balance(BalanceError::Database(error))
            | Self::Event(EventError::Database(error))
            | Self::ChangeLog(ChangeLogError::Database(error))
            | Self::Period(PeriodError::Database(error))
            | Self::ApiKey(ApiKeyError::Database(error))
            | Self::Webhook(WebhookError::Database(error))
            | Self::Preference(PreferenceError::Database(error))
            | Self::Database(error) => Some(error),
            #[cfg(feature = "import")]
            Self::Import(
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
            ) => Some(error),
            _ => None,
        }
    }
}

impl Error {
    /// Returns the kind of the error, which tells a caller the next step.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        if let Some(error) = self.database_error() {
            return database_kind(error);
        }
        match self {
            Self::Money(_) | Self::ReferenceNumber(_) => ErrorKind::Invalid,
            Self::Ledger(error) => ledger_kind(error),
            Self::Exchange(ExchangeError::SameCurrency { .. } | ExchangeError::Zero { .. }) => {
                ErrorKind::Rejected
            }
            Self::Exchange(_) => ErrorKind::Invalid,
            Self::Account(error) => account_kind(error),
            Self::Customer(error) => customer_kind(error),
            Self::Statement(StatementError::UnknownAccount { .. })
            | Self::TransferQuery(TransferQueryError::UnknownAccount { .. })
            | Self::Balance(BalanceError::UnknownAccount { .. })
            | Self::ChangeLog(
                ChangeLogError::UnknownAccount { .. } | ChangeLogError::UnknownCustomer { .. },
            )
            | Self::Preference(PreferenceError::UnknownCustomers { .. }) => ErrorKind::NotFound,
            Self::Balance(BalanceError::OpenedLater { .. })
            | Self::Event(EventError::Moved { .. }) => ErrorKind::Rejected,
            Self::Event(EventError::Missing { .. }) => ErrorKind::Failed,
            Self::Period(PeriodError::Limit { .. }) => ErrorKind::Invalid,
            Self::Period(_) => ErrorKind::Rejected,
            Self::ApiKey(ApiKeyError::Unknown { .. }) => ErrorKind::NotFound,
            Self::ApiKey(ApiKeyError::ActorRequired) => ErrorKind::Rejected,
            Self::ApiKey(_) => ErrorKind::Invalid,
            Self::Webhook(
                WebhookError::Unknown { .. } | WebhookError::UnknownDeadLetter { .. },
            ) => ErrorKind::NotFound,
            Self::Webhook(
                WebhookError::ActorRequired
                | WebhookError::TooMany
                | WebhookError::AlreadyExists
                | WebhookError::Position { .. },
            ) => ErrorKind::Rejected,
            Self::Webhook(_) => ErrorKind::Invalid,
            Self::Statement(_)
            | Self::TransferQuery(_)
            | Self::Balance(_)
            | Self::Event(_)
            | Self::ChangeLog(_)
            | Self::Preference(_) => ErrorKind::Invalid,
            #[cfg(feature = "import")]
            Self::Import(error) => import_kind(error),
            Self::Database(error) => database_kind(error),
        }
    }
}

impl Rejection {
    /// Returns the kind of the rejection: [`ErrorKind::Invalid`], [`ErrorKind::NotFound`] or
    /// [`ErrorKind::Rejected`].
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Amount(_) | Self::Text { .. } => ErrorKind::Invalid,
            Self::UnknownAccount { .. } | Self::UnknownHold { .. } => ErrorKind::NotFound,
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

#[cfg(feature = "import")]
fn import_kind(error: &ImportError) -> ErrorKind {
    match error {
        ImportError::Rejected { .. } | ImportError::BalanceDiffers { .. } => ErrorKind::Rejected,
        ImportError::Customer { error, .. } => customer_kind(error),
        ImportError::Account { error, .. } => account_kind(error),
        ImportError::Ledger(error) => ledger_kind(error),
        ImportError::Database(error) => database_kind(error),
        ImportError::Unreadable { .. } => ErrorKind::Failed,
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
    fn equal_causes_have_the_same_kind_in_every_error_type() {
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
            #[cfg(feature = "import")]
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
