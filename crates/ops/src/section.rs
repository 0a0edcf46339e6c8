//! A section of a report: a result, or the reason for its absence.

use neobank_db::{DatabaseError, ErrorClass};
use serde::{Deserialize, Serialize};

/// The result of a query, or the reason for its absence. A report continues with its other
/// sections.
///
/// # Example
///
/// ```
/// use neobank_ops::{Cause, Reason, Section};
///
/// let found = Section::available(vec![1, 2]);
/// assert_eq!(serde_json::to_string(&found)?, r#"{"status":"available","value":[1,2]}"#);
/// let missing = Section::<Vec<i32>>::not_available(Cause::InsufficientPrivilege, "permission denied");
/// assert_eq!(
///     serde_json::to_string(&missing)?,
///     r#"{"status":"not_available","reason":{"cause":"insufficient_privilege","detail":"permission denied"}}"#
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Section<T> {
    /// The result.
    Available {
        /// The value.
        value: T,
        /// Rows of the result that are not in `value`, because a value in them cannot be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unreadable: Option<Unreadable>,
    },
    /// No result.
    NotAvailable {
        /// The reason.
        reason: Reason,
    },
}

/// Rows that were left out of a result: one unreadable row must not hide all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Unreadable {
    /// The number of rows.
    pub rows: u64,
    /// The first one's column, and the problem of its value.
    pub reason: String,
}

/// The reason why a section has no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reason {
    /// The cause, for programs.
    pub cause: Cause,
    /// The explanation, for people; often the server's own message, which may be translated.
    pub detail: String,
}

/// The causes, derived from the SQLSTATE alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// 42501: the role may not see it. `pg_monitor` is enough for most queries.
    InsufficientPrivilege,
    /// 55P03: a table was locked for longer than the monitor's `lock_timeout`.
    LockTimeout,
    /// 57014: the query took longer than the monitor's `statement_timeout`.
    StatementTimeout,
    /// 3F000, 42P01, 42703, 42704 or 42883: an extension, or the schema of NeoBank, is not
    /// installed here.
    Missing,
    /// 55000: it is installed but cannot work now, such as an extension that the server does not
    /// preload.
    NotReady,
    /// The server's version or its settings do not support it.
    Unsupported,
    /// There is no data to judge yet, such as no sample.
    NoData,
    /// 40001 or 40P01: the server cancelled the query, on a standby because replay removed rows
    /// that the query still needed. A second run usually succeeds.
    Conflict,
    /// No row of the result can be read, such as a time beyond the calendar's end.
    Unreadable,
    /// The server rejected the query for another reason; the other queries run nevertheless.
    Failed,
}

impl Cause {
    /// Returns `true` if the subject does not exist, so that it cannot have a problem.
    #[must_use]
    pub const fn is_absence(self) -> bool {
        matches!(self, Self::Missing | Self::Unsupported | Self::NoData)
    }
}

impl<T> Section<T> {
    /// Creates a section with a result.
    pub const fn available(value: T) -> Self {
        Self::Available {
            value,
            unreadable: None,
        }
    }

    /// Creates a section without a result, with the reason.
    pub fn not_available(cause: Cause, detail: impl Into<String>) -> Self {
        Self::NotAvailable {
            reason: Reason {
                cause,
                detail: detail.into(),
            },
        }
    }

    /// Returns the result, if there is one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Available { value, .. } => Some(value),
            Self::NotAvailable { .. } => None,
        }
    }

    /// Returns the rows that were left out of the result, if there are any.
    pub const fn unreadable(&self) -> Option<&Unreadable> {
        match self {
            Self::Available { unreadable, .. } => unreadable.as_ref(),
            Self::NotAvailable { .. } => None,
        }
    }

    /// Returns the result, if there is one.
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::Available { value, .. } => Some(value),
            Self::NotAvailable { .. } => None,
        }
    }

    /// Returns the reason why there is no result.
    pub const fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Available { .. } => None,
            Self::NotAvailable { reason } => Some(reason),
        }
    }

    /// Maps the result; the reason stays.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Section<U> {
        match self {
            Self::Available { value, unreadable } => Section::Available {
                value: change(value),
                unreadable,
            },
            Self::NotAvailable { reason } => Section::NotAvailable { reason },
        }
    }

    /// Maps the result to another section.
    pub fn and_then<U>(self, change: impl FnOnce(T) -> Section<U>) -> Section<U> {
        match self {
            Self::Available {
                value,
                unreadable: before,
            } => match change(value) {
                Section::Available { value, unreadable } => Section::Available {
                    value,
                    unreadable: unreadable.or(before),
                },
                missing => missing,
            },
            Self::NotAvailable { reason } => Section::NotAvailable { reason },
        }
    }
}

impl Reason {
    /// Returns the reason for a failure of this query alone; none for a failure of the connection.
    pub(crate) fn of(error: &DatabaseError) -> Option<Self> {
        let (cause, detail) = match error {
            DatabaseError::Row { reason } => (Cause::Unreadable, reason),
            DatabaseError::Server(server) => {
                (cause(error.class(), &server.sqlstate)?, &server.message)
            }
            // A standby that cannot wait for the cancellation of a statement ends the session; the
            // next query has another one.
            DatabaseError::ConnectionLost {
                server: Some(server),
                ..
            } if server.sqlstate == "40001" => (Cause::Conflict, &server.message),
            _ => return None,
        };
        Some(Self {
            cause,
            detail: detail.clone(),
        })
    }
}

/// Returns the cause of a rejected query; none where the server would also reject the next query.
fn cause(class: ErrorClass, sqlstate: &str) -> Option<Cause> {
    Some(match (class, sqlstate) {
        (ErrorClass::InsufficientPrivilege, _) => Cause::InsufficientPrivilege,
        (ErrorClass::LockTimeout, _) => Cause::LockTimeout,
        (ErrorClass::StatementCancelled, _) => Cause::StatementTimeout,
        (ErrorClass::SerializationFailure | ErrorClass::Deadlock, _) => Cause::Conflict,
        (
            ErrorClass::ServerUnavailable
            | ErrorClass::ConnectionLost
            | ErrorClass::InvalidAuthorization
            | ErrorClass::TooManyConnections
            | ErrorClass::TransactionTimeout
            | ErrorClass::DeadlineExceeded,
            _,
        ) => return None,
        (ErrorClass::UndefinedObject, _) => Cause::Missing,
        (_, "55000") => Cause::NotReady,
        _ => Cause::Failed,
    })
}

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.detail)
    }
}

impl<T> Section<T> {
    /// Builds a section from the only row of a result that always has one.
    pub(crate) fn of_first(rows: Vec<T>) -> Self {
        match rows.into_iter().next() {
            Some(row) => Self::available(row),
            None => Self::not_available(Cause::NoData, "the server returned no row"),
        }
    }
}

impl<T> Section<Vec<T>> {
    /// Builds a section from rows, and the number of rows that cannot be read.
    pub(crate) fn of_rows(rows: Vec<T>, unreadable: Option<Unreadable>) -> Self {
        match unreadable {
            Some(unreadable) if rows.is_empty() => Self::not_available(
                Cause::Unreadable,
                format!(
                    "none of {} rows can be read: {}",
                    unreadable.rows, unreadable.reason
                ),
            ),
            unreadable => Self::Available {
                value: rows,
                unreadable,
            },
        }
    }
}
