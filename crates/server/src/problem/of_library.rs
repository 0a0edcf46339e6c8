//! The library's errors as problems.

use axum::http::StatusCode;
use neobank_db::DatabaseError;
use neobank_domain::accounts::AccountError;
use neobank_domain::api_keys::ApiKeyError;
use neobank_domain::balances::BalanceError;
use neobank_domain::customers::CustomerError;
use neobank_domain::events::EventError;
use neobank_domain::preferences::PreferenceError;
use neobank_domain::statements::StatementError;
use neobank_domain::transfers::TransferQueryError;
use neobank_domain::webhooks::WebhookError;
use neobank_domain::{Error, ErrorKind, LedgerError, Rejection};
use serde_json::Value;
use tracing::Level;

use super::cause::Cause;
use super::{Problem, REPEAT};
use crate::access::Visible;

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let status = match rejection {
            Rejection::KeyReused { .. } | Rejection::KeyOfHold { .. } => StatusCode::CONFLICT,
            Rejection::StaleVersion { .. } => StatusCode::PRECONDITION_FAILED,
            Rejection::UnknownHold { .. } | Rejection::UnknownTransfer { .. } => {
                StatusCode::NOT_FOUND
            }
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let action = match rejection {
            Rejection::KeyReused { .. } | Rejection::KeyOfHold { .. } => {
                "Send a new request under a new Idempotency-Key; the first one stands."
            }
            Rejection::InsufficientFunds { .. } => {
                "Nothing was changed. Send the request again when the account has the amount."
            }
            _ => "Nothing was changed. Correct the request before you send it again.",
        };
        let step = match rejection {
            Rejection::GroupStep { step, .. } => Some(step),
            _ => None,
        };
        let details = serde_json::to_value(&rejection).unwrap_or_default();
        let details = details.get("details").cloned().unwrap_or_default();
        let problem = Self::new(status, rejection.name(), rejection.to_string())
            .with_action(action)
            .with_details(with_numbers_as_texts(details));
        match step {
            Some(step) => problem.with_field(format!("steps[{step}]")),
            None => problem,
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Rejected(rejection) => rejection.into(),
            LedgerError::Overloaded { .. } => Self::overloaded(error.to_string()),
            other => {
                let name = other.name();
                Self::of_error(name, &other.into())
            }
        }
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let unknown = match error {
            AccountError::UnknownCustomer { .. } => "unknown_customer",
            _ => "unknown_account",
        };
        Self::of_named(("account", unknown), &error.into())
    }
}

/// The problems of the library's other errors: their kind, and the kind for what does not exist.
macro_rules! problem_of {
    ($($error:ty: $name:literal, $unknown:literal;)*) => {$(
        impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                Self::of_named(($name, $unknown), &error.into())
            }
        }
    )*};
}

problem_of! {
    ApiKeyError: "api_key", "unknown_api_key";
    BalanceError: "balances", "unknown_account";
    CustomerError: "customer", "unknown_customer";
    EventError: "events", "unknown_event";
    PreferenceError: "preferences", "unknown_customer";
    DatabaseError: "database", "unknown";
    StatementError: "statement", "unknown_account";
    TransferQueryError: "transfer_query", "unknown_account";
    WebhookError: "webhook", "unknown_webhook";
}

impl Problem {
    /// Returns the problem as a caller may see it: it tells nothing of an account that the caller
    /// may not use.
    pub(crate) fn shown_to(self, visible: &Visible) -> Self {
        let details = self.details.as_ref().map(ToString::to_string);
        if !visible.hides(&self.detail) && !details.is_some_and(|text| visible.hides(&text)) {
            return self;
        }
        let hidden = Self::not_accepted();
        match self.field {
            Some(field) => hidden.with_field(field),
            None => hidden,
        }
    }

    /// Returns the problem of a rejection whose reason the caller may not see.
    pub(crate) fn not_accepted() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "not_accepted",
            "The other account does not take this request.",
        )
        .with_action("Nothing was changed. Ask the operator for the reason.")
    }

    /// Returns the problem of an error with its name, and that for what does not exist.
    fn of_named((name, unknown): (&'static str, &'static str), error: &Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::not_found(unknown, error.to_string()),
            _ => Self::of_error(name, error),
        }
    }

    /// Returns the problem of an error by its kind. The text of a failure is logged and not sent: it
    /// can name hosts and settings.
    pub(crate) fn of_error(name: &'static str, error: &Error) -> Self {
        let kind = error.kind();
        match kind {
            ErrorKind::Invalid => Self::invalid(name, error.to_string()),
            ErrorKind::Rejected => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, name, error.to_string())
            }
            ErrorKind::NotFound => Self::not_found(name, error.to_string()),
            ErrorKind::OutcomeUnknown => {
                let cause = Cause::new(Level::ERROR, "an outcome is unknown", error);
                Self::unavailable(
                    "outcome_unknown",
                    "The database could not be asked whether the request took effect.",
                )
                .with_cause(cause)
                .with_action(REPEAT)
            }
            ErrorKind::NotReplicated => Self::unavailable(
                "not_replicated",
                "The request is committed, but the standby has not confirmed it.",
            )
            .with_action(REPEAT),
            ErrorKind::Unavailable if is_deadline(error) => Self::unavailable(
                "deadline_exceeded",
                "The request's time was over before it was decided on.",
            ),
            ErrorKind::Unavailable => {
                let cause = Cause::new(Level::WARN, "the database is unavailable", error);
                Self::unavailable("unavailable", "The database gave no answer in time.")
                    .with_cause(cause)
            }
            _ => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                if kind == ErrorKind::SchemaMismatch {
                    "schema_mismatch"
                } else {
                    "failed"
                },
                "The service failed, and nothing was changed.",
            )
            .with_action("Tell the operator the request_id; the service's log has the reason.")
            .with_cause(Cause::new(Level::ERROR, "a request failed", error)),
        }
    }
}

fn is_deadline(error: &Error) -> bool {
    use neobank_db::HoldsDatabaseError;
    matches!(
        error.database_error(),
        Some(DatabaseError::DeadlineExceeded { .. })
    )
}

/// Writes numbers as texts, which no reader of JSON rounds.
fn with_numbers_as_texts(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::String(number.to_string()),
        Value::Array(values) => values.into_iter().map(with_numbers_as_texts).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, with_numbers_as_texts(value)))
            .collect(),
        other => other,
    }
}
