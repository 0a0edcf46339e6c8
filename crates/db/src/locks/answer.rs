//! The rows that `concurrency.take_locks` returns.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::error::LockError;
use super::name::LockName;
use super::token::FencingToken;
use crate::error::{DatabaseError, sqlstate};

/// The locked names, each with its fencing token.
#[derive(Clone, Debug)]
pub(super) struct Granted(Vec<(LockName, FencingToken)>);

impl Granted {
    pub(super) fn names(&self) -> impl Iterator<Item = &LockName> {
        self.0.iter().map(|(name, _)| name)
    }

    pub(super) fn fencing_token(&self, name: &LockName) -> Option<FencingToken> {
        self.0
            .iter()
            .find(|(held, _)| held == name)
            .map(|(_, token)| *token)
    }

    pub(super) fn keys(&self) -> Vec<i64> {
        self.names().map(LockName::key).collect()
    }
}

/// Reads the rows of `concurrency.take_locks`.
///
/// # Errors
///
/// [`LockError`] for every outcome but `granted`.
pub(super) fn read(rows: &[Row], waited: Duration) -> Result<Granted, LockError> {
    rows.iter()
        .map(|row| granted(row, waited))
        .collect::<Result<_, _>>()
        .map(Granted)
}

/// Reads a column of a row.
///
/// # Errors
///
/// [`DatabaseError::Row`] when the column does not exist or is of another type.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, DatabaseError> {
    row.try_get(column).map_err(DatabaseError::row)
}

/// Converts a timeout to milliseconds, rounded up: zero would mean not to wait.
///
/// # Errors
///
/// [`LockError::TimeoutTooLong`] for more than 24 days, which exceed PostgreSQL's type.
pub(super) fn milliseconds(timeout: Duration) -> Result<i32, LockError> {
    i32::try_from(timeout.as_nanos().div_ceil(1_000_000))
        .map_err(|_| LockError::TimeoutTooLong { timeout })
}

/// Returns the namespaces and the identifiers, as `concurrency.take_locks` takes them.
pub(super) fn parts(names: &[LockName]) -> (Vec<String>, Vec<String>) {
    names
        .iter()
        .map(|name| (name.namespace().to_owned(), name.identifier().to_owned()))
        .unzip()
}

/// Converts the server's error. The timeout is the only parameter whose value the server can
/// reject.
pub(super) fn failure(error: DatabaseError, timeout: Duration) -> LockError {
    match error.server() {
        Some(server) if server.sqlstate == sqlstate::INVALID_PARAMETER_VALUE => {
            LockError::TimeoutTooLong { timeout }
        }
        _ => LockError::Database(error),
    }
}

fn granted(row: &Row, waited: Duration) -> Result<(LockName, FencingToken), LockError> {
    let name = LockName::from_parts(get(row, "namespace")?, get(row, "identifier")?);
    let outcome: &str = get(row, "outcome")?;
    Err(match outcome {
        "granted" => return Ok((name, FencingToken::new(get(row, "fencing_token")?))),
        "timeout" => LockError::Timeout {
            name,
            waited,
            holders: get(row, "holders")?,
        },
        "leased" => LockError::Leased {
            name,
            holder: get(row, "lease_holder")?,
            expires_at: get(row, "lease_expires_at")?,
        },
        "collision" => LockError::Collision {
            name,
            known: LockName::from_parts(
                get(row, "other_namespace")?,
                get(row, "other_identifier")?,
            ),
        },
        "out_of_order" => LockError::OutOfOrder {
            name,
            held_key: get(row, "other_key")?,
        },
        other => LockError::Database(DatabaseError::row(format!("an unknown outcome: {other:?}"))),
    })
}
