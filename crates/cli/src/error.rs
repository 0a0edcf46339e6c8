//! The error of a command: a message, and a stable name for programs.

use neobank_db::{ConfigError, DatabaseError, ErrorClass};
use neobank_domain::accounts::AccountError;
#[cfg(feature = "serve")]
use neobank_domain::api_keys::ApiKeyError;
use neobank_domain::balances::BalanceError;
use neobank_domain::change_log::ChangeLogError;
use neobank_domain::customers::CustomerError;
use neobank_domain::events::EventError;
use neobank_domain::import::ImportError;
use neobank_domain::ledger::ExchangeError;
use neobank_domain::periods::PeriodError;
use neobank_domain::preferences::PreferenceError;
use neobank_domain::statements::StatementError;
use neobank_domain::transfers::TransferQueryError;
#[cfg(feature = "serve")]
use neobank_domain::webhooks::WebhookError;
use neobank_domain::{LedgerError, MoneyError, Rejection};
use neobank_migration::RolloutError;
use neobank_ops::OpsError;
use serde::Serialize;
use serde_json::Value;

use crate::exit::Exit;
use crate::output::redact;
use crate::schema;

/// The reason why a command failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CommandError {
    /// A stable name for programs.
    pub(crate) kind: &'static str,
    /// A message for people.
    pub(crate) message: String,
    #[serde(skip)]
    pub(crate) exit: Exit,
    /// What the command did before the error, in the shape of its data.
    #[serde(skip)]
    pub(crate) done: Option<Box<Value>>,
}

impl CommandError {
    /// Builds an error of wrong usage.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            kind: "usage",
            message: message.into(),
            exit: Exit::Usage,
            done: None,
        }
    }

    /// Builds an error of a value that cannot be used, which has a name of its own.
    pub(crate) fn invalid(kind: &'static str, message: impl ToString) -> Self {
        Self {
            kind,
            ..Self::usage(message.to_string())
        }
    }

    /// Returns the same error without URLs.
    pub(crate) fn redacted(&self) -> Self {
        Self {
            message: redact(&self.message),
            ..self.clone()
        }
    }

    /// Returns true for an error of one request, which other requests need not have.
    pub(crate) fn is_of_request(&self) -> bool {
        matches!(
            self.kind,
            "unknown_account"
                | "unknown_transfer"
                | "unknown_hold"
                | "rate"
                | "same_currency"
                | "nothing_exchanged"
                | "amount"
                | "metadata"
        )
    }

    /// Builds an error from a domain error, whose class gives the exit code, so that library and
    /// command agree.
    fn of_domain(kind: &'static str, error: impl Into<neobank_domain::Error>) -> Self {
        let error = error.into();
        Self {
            kind,
            message: error.to_string(),
            exit: Exit::of_class(error.kind()),
            done: None,
        }
    }

    /// Builds an error of a rejected or failed command, whose kind gives the exit code.
    pub(crate) fn failed(kind: &'static str, message: impl ToString) -> Self {
        Self {
            kind,
            message: message.to_string(),
            exit: Exit::of_kind(kind),
            done: None,
        }
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self {
            kind: "configuration",
            message: error.to_string(),
            exit: Exit::Usage,
            done: None,
        }
    }
}

impl From<DatabaseError> for CommandError {
    fn from(error: DatabaseError) -> Self {
        let kind = match (&error, error.class()) {
            (DatabaseError::Config(config), _) => return config.clone().into(),
            (DatabaseError::Pooler { .. }, _) => "pooler",
            (DatabaseError::HostileSetting(_), _) => "hostile_setting",
            (DatabaseError::CommitUnknown { .. }, _) => "outcome_unknown",
            (DatabaseError::CommittedNotReplicated, _) => "not_replicated",
            (_, ErrorClass::InvalidAuthorization) => "authorization",
            (_, ErrorClass::InsufficientPrivilege) => "privilege",
            (_, ErrorClass::UndefinedObject) => schema::MISSING,
            (
                DatabaseError::Connect {
                    server: Some(server),
                    ..
                },
                _,
            ) if server.sqlstate == "22023" => schema::ROLE,
            (_, ErrorClass::LockTimeout) => "lock_timeout",
            (_, ErrorClass::StatementCancelled) => "statement_timeout",
            (_, ErrorClass::ReadOnly) => "read_only",
            (DatabaseError::Connect { .. } | DatabaseError::ConnectionLost { .. }, _)
            | (_, ErrorClass::ConnectionLost) => "connection",
            (
                DatabaseError::PoolTimeout { .. }
                | DatabaseError::PoolOverloaded { .. }
                | DatabaseError::NoAnswer { .. },
                _,
            )
            | (
                _,
                ErrorClass::TooManyConnections
                | ErrorClass::InsufficientResources
                | ErrorClass::ServerUnavailable
                | ErrorClass::TransactionTimeout
                | ErrorClass::DeadlineExceeded
                | ErrorClass::SerializationFailure
                | ErrorClass::Deadlock,
            ) => "unavailable",
            _ => "database",
        };
        Self::failed(kind, error)
    }
}

impl From<MoneyError> for CommandError {
    fn from(error: MoneyError) -> Self {
        Self::of_domain("amount", error)
    }
}

impl From<Rejection> for CommandError {
    fn from(rejection: Rejection) -> Self {
        Self::of_domain(rejection.name(), rejection)
    }
}

impl From<ExchangeError> for CommandError {
    fn from(error: ExchangeError) -> Self {
        let kind = match &error {
            ExchangeError::Rate { .. } => "rate",
            ExchangeError::SameCurrency { .. } => "same_currency",
            ExchangeError::Zero { .. } => "nothing_exchanged",
            ExchangeError::Amount(_) => "amount",
            ExchangeError::Reserved { .. } | ExchangeError::Metadata(_) => "metadata",
            _ => "exchange",
        };
        Self::of_domain(kind, error)
    }
}

impl From<LedgerError> for CommandError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Rejected(rejection) => rejection.into(),
            LedgerError::Database(error) => error.into(),
            LedgerError::Unknown { .. } => Self::of_domain("outcome_unknown", error),
            LedgerError::NotReplicated { .. } => Self::of_domain("not_replicated", error),
            other => Self::of_domain("ledger", other),
        }
    }
}

impl From<AccountError> for CommandError {
    fn from(error: AccountError) -> Self {
        let kind = match error {
            AccountError::Database(error) => return error.into(),
            AccountError::UnknownAccount { .. } => "unknown_account",
            AccountError::UnknownCustomer { .. } => "unknown_customer",
            AccountError::CustomerNotServed { .. } => "customer_not_served",
            AccountError::AlreadyOpen { .. } => "already_exists",
            AccountError::Number { .. } | AccountError::NumberTaken { .. } => "account_number",
            AccountError::AccountType { .. } => "account_type",
            AccountError::OverdraftLimit { .. } => "overdraft_limit",
            AccountError::BelowLimit { .. } => "below_limit",
            AccountError::Limit { .. } => "limit",
            AccountError::TimeZone { .. } => "time_zone",
            AccountError::Status { .. } => "account_status",
            AccountError::OpenHolds { .. } => "open_holds",
            AccountError::NotEmpty { .. } => "not_empty",
            AccountError::SystemAccount { .. } => "system_account",
            AccountError::ActorRequired { .. } => "actor_required",
            _ => "account",
        };
        Self::of_domain(kind, error)
    }
}

impl From<CustomerError> for CommandError {
    fn from(error: CustomerError) -> Self {
        let kind = match error {
            CustomerError::Database(error) => return error.into(),
            CustomerError::UnknownCustomer { .. } => "unknown_customer",
            CustomerError::AlreadyExists { .. } => "already_exists",
            CustomerError::NumberTaken { .. } => "customer_number",
            CustomerError::EmailTaken { .. } => "email_taken",
            CustomerError::Invalid { .. } => "invalid",
            CustomerError::EmptyUpdate => "empty_update",
            _ => "customer",
        };
        Self::of_domain(kind, error)
    }
}

#[cfg(feature = "serve")]
impl From<ApiKeyError> for CommandError {
    fn from(error: ApiKeyError) -> Self {
        let kind = match error {
            ApiKeyError::Database(error) => return error.into(),
            ApiKeyError::ActorRequired => "actor_required",
            ApiKeyError::Unknown { .. } => "unknown_api_key",
            ApiKeyError::UnknownCustomers => "unknown_customer",
            ApiKeyError::UnknownAccounts => "unknown_account",
            _ => "api_key",
        };
        Self::of_domain(kind, error)
    }
}

#[cfg(feature = "serve")]
impl From<WebhookError> for CommandError {
    fn from(error: WebhookError) -> Self {
        let kind = match error {
            WebhookError::Database(error) => return error.into(),
            WebhookError::ActorRequired => "actor_required",
            WebhookError::Unknown { .. } => "unknown_webhook",
            _ => "webhook",
        };
        Self::of_domain(kind, error)
    }
}

impl From<PreferenceError> for CommandError {
    fn from(error: PreferenceError) -> Self {
        let kind = match error {
            PreferenceError::Database(error) => return error.into(),
            PreferenceError::UnknownCustomers { .. } => "unknown_customer",
            _ => "preferences",
        };
        Self::of_domain(kind, error)
    }
}

impl From<ImportError> for CommandError {
    fn from(error: ImportError) -> Self {
        let kind = match error {
            ImportError::Database(error) => return error.into(),
            ImportError::Ledger(error) => return error.into(),
            ImportError::Customer {
                error: CustomerError::Database(error),
                ..
            }
            | ImportError::Account {
                error: AccountError::Database(error),
                ..
            } => return error.into(),
            ImportError::Unreadable { .. } => "file",
            ImportError::Rejected { .. } => "import_rejected",
            ImportError::BalanceDiffers { .. } => "balance_differs",
            ImportError::Customer { .. } => "import_customer",
            ImportError::Account { .. } => "import_account",
            _ => "import_file",
        };
        Self::of_domain(kind, error)
    }
}

impl From<StatementError> for CommandError {
    fn from(error: StatementError) -> Self {
        let kind = match error {
            StatementError::Database(error) => return error.into(),
            StatementError::UnknownAccount { .. } => "unknown_account",
            StatementError::Range { .. } => "range",
            StatementError::Limit { .. } | StatementError::TooManyDays { .. } => "limit",
            StatementError::Cursor { .. } => "cursor",
            _ => "statement",
        };
        Self::of_domain(kind, error)
    }
}

impl From<BalanceError> for CommandError {
    fn from(error: BalanceError) -> Self {
        let kind = match error {
            BalanceError::Database(error) => return error.into(),
            BalanceError::UnknownAccount { .. } => "unknown_account",
            BalanceError::OpenedLater { .. } => "opened_later",
            BalanceError::Time { .. } | BalanceError::Day { .. } => "range",
            BalanceError::Limit { .. } | BalanceError::TooManyAccounts { .. } => "limit",
            BalanceError::Cursor { .. } => "cursor",
            _ => "balance_query",
        };
        Self::of_domain(kind, error)
    }
}

impl From<PeriodError> for CommandError {
    fn from(error: PeriodError) -> Self {
        let kind = match error {
            PeriodError::Database(error) => return error.into(),
            PeriodError::NotEnded { .. } => "day_not_ended",
            PeriodError::AlreadyClosed { .. } => "already_closed",
            PeriodError::NothingClosed { .. } => "nothing_closed",
            PeriodError::ActorRequired => "actor_required",
            PeriodError::Limit { .. } => "limit",
            _ => "period",
        };
        Self::of_domain(kind, error)
    }
}

impl From<ChangeLogError> for CommandError {
    fn from(error: ChangeLogError) -> Self {
        let kind = match error {
            ChangeLogError::Database(error) => return error.into(),
            ChangeLogError::UnknownAccount { .. } => "unknown_account",
            ChangeLogError::UnknownCustomer { .. } => "unknown_customer",
            ChangeLogError::Limit { .. } => "limit",
            ChangeLogError::Cursor { .. } => "cursor",
            ChangeLogError::Times { .. } => "range",
            _ => "change_log",
        };
        Self::of_domain(kind, error)
    }
}

impl From<TransferQueryError> for CommandError {
    fn from(error: TransferQueryError) -> Self {
        let kind = match error {
            TransferQueryError::Database(error) => return error.into(),
            TransferQueryError::UnknownAccount { .. } => "unknown_account",
            TransferQueryError::Limit { .. } => "limit",
            TransferQueryError::Cursor { .. } | TransferQueryError::OtherList { .. } => "cursor",
            TransferQueryError::Times { .. } | TransferQueryError::Amounts { .. } => "range",
            TransferQueryError::Text { .. } => "text",
            _ => "transfer_query",
        };
        Self::of_domain(kind, error)
    }
}

impl From<EventError> for CommandError {
    fn from(error: EventError) -> Self {
        let kind = match error {
            EventError::Database(error) => return error.into(),
            EventError::Limit { .. } => "limit",
            EventError::Position { .. } => "range",
            EventError::Missing { .. } => "event_missing",
            EventError::Name { .. } => "text",
            EventError::Moved { .. } => "consumer_moved",
            _ => "events",
        };
        Self::of_domain(kind, error)
    }
}

impl From<RolloutError> for CommandError {
    fn from(error: RolloutError) -> Self {
        let kind = match error {
            RolloutError::Url { .. } => return Self::usage(error.to_string()),
            RolloutError::Connect { .. } => "connection",
            RolloutError::Busy { .. } => "busy",
            RolloutError::Inconsistent { .. } => "inconsistent",
            RolloutError::Locked { .. } => "lock_timeout",
            RolloutError::Unknown { .. } => "outcome_unknown",
            RolloutError::Unconfirmed { .. } => "not_confirmed",
            RolloutError::Untrusted { .. } => "untrusted",
            RolloutError::Pooler => "pooler",
            RolloutError::Standby => "read_only",
            RolloutError::Encoding { .. } => "encoding",
            _ => "rollout",
        };
        Self::failed(kind, error)
    }
}

impl From<OpsError> for CommandError {
    fn from(error: OpsError) -> Self {
        match error {
            OpsError::Config(error) => error.into(),
            OpsError::Database(error) => error.into(),
            OpsError::Invalid { .. }
            | OpsError::UnknownThreshold { .. }
            | OpsError::ThresholdFile { .. } => Self::usage(error.to_string()),
            OpsError::UnsupportedVersion { .. } => Self::failed("unsupported_version", error),
            other => Self::failed("ops", other),
        }
    }
}
