//! A part of a report: what was found, or why nothing could be.

use neobank_db::{DatabaseError, ErrorClass};
use serde::{Deserialize, Serialize};

/// The answer to a query, or the reason why there is none. A report goes on with its other sections.
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
    /// The answer.
    Available {
        /// What was found.
        value: T,
        /// Rows of the answer that are not in `value`, because a value in them cannot be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unreadable: Option<Unreadable>,
    },
    /// "n/a".
    NotAvailable {
        /// Why there is no answer.
        reason: Reason,
    },
}

/// Rows that were left out of an answer: one such row must not hide all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// How many.
    pub rows: u64,
    /// The first one's column, and what is wrong with it.
    pub reason: String,
}

/// Why a section has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For programs.
    pub cause: Cause,
    /// For people; often the server's own words, which may be translated.
    pub detail: String,
}

/// The kinds of reason, made from the SQLSTATE alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// 42501: the role may not see it. `pg_monitor` is enough for most queries.
    InsufficientPrivilege,
    /// 55P03: a table was locked for longer than the monitor's `lock_timeout`.
    LockTimeout,
    /// 57014: the answer took longer than the monitor's `statement_timeout`.
    StatementTimeout,
    /// 3F000, 42P01, 42703, 42704 or 42883: an extension, or this project's own schema, is not installed here.
    Missing,
    /// 55000: it is installed but cannot work now, such as an extension that the server does not preload.
    NotReady,
    /// The server's version or its settings do not have it.
    Unsupported,
    /// There is nothing to judge by yet, such as no sample.
    NoData,
    /// 40001 or 40P01: the server cancelled the query, on a standby because replay removed rows that the query still
    /// needed. Run again, it usually succeeds.
    Conflict,
    /// No row of the answer can be read, such as a time beyond the calendar's end.
    Unreadable,
    /// The server rejected the query for another reason; the other queries are run all the same.
    Failed,
}

impl Cause {
    /// Whether what was asked about is not there at all, so that there is nothing to be wrong with it.
    #[must_use]
    pub const fn is_absence(self) -> bool {
        matches!(self, Self::Missing | Self::Unsupported | Self::NoData)
    }
}

impl<T> Section<T> {
    /// The answer.
    pub const fn available(value: T) -> Self {
        Self::Available {
            value,
            unreadable: None,
        }
    }

    /// "n/a", and why.
    pub fn not_available(cause: Cause, detail: impl Into<String>) -> Self {
        Self::NotAvailable {
            reason: Reason {
                cause,
                detail: detail.into(),
            },
        }
    }

    /// The answer, if there is one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Available { value, .. } => Some(value),
            Self::NotAvailable { .. } => None,
        }
    }

    /// The rows that were left out of the answer, if there are any.
    pub const fn unreadable(&self) -> Option<&Unreadable> {
        match self {
            Self::Available { unreadable, .. } => unreadable.as_ref(),
            Self::NotAvailable { .. } => None,
        }
    }

    /// The answer, if there is one.
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::Available { value, .. } => Some(value),
            Self::NotAvailable { .. } => None,
        }
    }

    /// Why there is no answer.
    pub const fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Available { .. } => None,
            Self::NotAvailable { reason } => Some(reason),
        }
    }

    /// Something else made of the answer; the reason stays.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Section<U> {
        match self {
            Self::Available { value, unreadable } => Section::Available {
                value: change(value),
                unreadable,
            },
            Self::NotAvailable { reason } => Section::NotAvailable { reason },
        }
    }

    /// Something else made of the answer, which may be missing in its turn.
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
    /// The reason in a failure that concerns this query alone; none for what concerns the connection.
    pub(crate) fn of(error: &DatabaseError) -> Option<Self> {
        let (cause, detail) = match error {
            DatabaseError::Row { reason } => (Cause::Unreadable, reason),
            DatabaseError::Server(server) => {
                (cause(error.class(), &server.sqlstate)?, &server.message)
            }
            // A standby that cannot wait for the statement to be cancelled ends the session; the next one is another.
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

/// The cause of a rejected query; none where the next query would be rejected too.
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
    /// The only row of an answer that always has one.
    pub(crate) fn of_first(rows: Vec<T>) -> Self {
        match rows.into_iter().next() {
            Some(row) => Self::available(row),
            None => Self::not_available(Cause::NoData, "the server gave no row"),
        }
    }
}

impl<T> Section<Vec<T>> {
    /// Rows, and how many more there were that cannot be read.
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
