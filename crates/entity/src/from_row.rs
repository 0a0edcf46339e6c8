//! Models that are read directly from the driver's rows.

use std::error::Error;
use std::fmt;

use rust_decimal::Decimal;
use sea_orm::entity::prelude::{ChronoDate, ChronoDateTime, ChronoDateTimeUtc, Json, Uuid};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::exact::Exact;

/// A value that can be read from a row of the driver by the names of its columns.
///
/// Every generated model implements it. No map of names to values is built in between.
pub trait FromRow: Sized {
    /// Reads the value from a row, which may have further columns.
    ///
    /// # Errors
    ///
    /// [`RowError`] names the column that is missing, has another type, or holds a value that does
    /// not fit.
    fn from_row(row: &Row) -> Result<Self, RowError>;
}

/// A value that can be read from one column of a row.
pub trait FromColumn: Sized {
    /// Reads the column with a name.
    ///
    /// # Errors
    ///
    /// The errors of [`FromRow::from_row`].
    fn from_column(row: &Row, name: &str) -> Result<Self, RowError>;
}

/// The error of a row that cannot be read: the column and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    column: String,
    reason: String,
}

impl RowError {
    /// Returns the name of the column that cannot be read.
    #[must_use]
    pub fn column(&self) -> &str {
        &self.column
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "column {:?}: {}", self.column, self.reason)
    }
}

impl Error for RowError {}

pub(crate) fn read<'row, T: FromSql<'row>>(row: &'row Row, name: &str) -> Result<T, RowError> {
    row.try_get(name).map_err(|error| RowError {
        column: name.to_owned(),
        reason: Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
    })
}

/// Implements `FromColumn` for types that the driver can read, and for their options.
macro_rules! from_column {
    ($($type:ty),+ $(,)?) => {
        $(impl crate::FromColumn for $type {
            fn from_column(row: &tokio_postgres::Row, name: &str) -> Result<Self, crate::RowError> {
                crate::from_row::read(row, name)
            }
        }

        impl crate::FromColumn for Option<$type> {
            fn from_column(row: &tokio_postgres::Row, name: &str) -> Result<Self, crate::RowError> {
                crate::from_row::read(row, name)
            }
        })+
    };
}

pub(crate) use from_column;

from_column!(
    bool,
    i16,
    i32,
    i64,
    f32,
    f64,
    String,
    Vec<u8>,
    Uuid,
    Vec<Uuid>,
    ChronoDate,
    ChronoDateTime,
    ChronoDateTimeUtc,
    Json,
);

impl FromColumn for Decimal {
    fn from_column(row: &Row, name: &str) -> Result<Self, RowError> {
        read::<Exact>(row, name).map(|exact| exact.0)
    }
}

impl FromColumn for Option<Decimal> {
    fn from_column(row: &Row, name: &str) -> Result<Self, RowError> {
        read::<Option<Exact>>(row, name).map(|found| found.map(|exact| exact.0))
    }
}
