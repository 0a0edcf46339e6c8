//! Models that are read directly from the driver's rows.

use std::error::Error;
use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rust_decimal::Decimal;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use crate::exact::Exact;

/// A value that can be read from a row of the driver by the names of its columns.
///
/// Every generated model implements it, and `neobank-db` has a derive of the same name for structs
/// with named fields. No map of names to values is built in between.
pub trait FromRow: Sized {
    /// Reads the value from a row, which may have further columns.
    ///
    /// # Errors
    ///
    /// [`RowError`] names the column that is missing, has another type, or holds a value that does
    /// not fit.
    fn from_row(row: &Row) -> Result<Self, RowError>;

    /// Reads the value as [`FromRow::from_row`] does, and replaces bytes of texts that are not UTF-8
    /// by U+FFFD. The server returns texts of other databases in the encodings of those databases.
    ///
    /// The derive implements the replacement; the default, which generated models have, fails on
    /// such bytes.
    ///
    /// # Errors
    ///
    /// The errors of [`FromRow::from_row`].
    fn from_row_lossy(row: &Row) -> Result<Self, RowError> {
        Self::from_row(row)
    }
}

/// A value that can be read from one column of a row.
pub trait FromColumn: Sized {
    /// Reads the column with a name.
    ///
    /// # Errors
    ///
    /// The errors of [`FromRow::from_row`].
    fn from_column(row: &Row, name: &str) -> Result<Self, RowError>;

    /// Reads the column as [`FromColumn::from_column`] does, and replaces bytes of a text, or of an
    /// array of texts, that are not UTF-8 by U+FFFD.
    ///
    /// # Errors
    ///
    /// The errors of [`FromRow::from_row`].
    fn from_column_lossy(row: &Row, name: &str) -> Result<Self, RowError> {
        Self::from_column(row, name)
    }
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

/// As [`from_column!`], for types that the driver reads through a wrapper.
macro_rules! wrapped_column {
    ($($type:ty as $wrapper:ty: $unwrap:expr),+ $(,)?) => {
        $(impl FromColumn for $type {
            fn from_column(row: &Row, name: &str) -> Result<Self, RowError> {
                read::<$wrapper>(row, name).map($unwrap)
            }
        }

        impl FromColumn for Option<$type> {
            fn from_column(row: &Row, name: &str) -> Result<Self, RowError> {
                read::<Option<$wrapper>>(row, name).map(|found| found.map($unwrap))
            }
        })+
    };
}

from_column!(
    bool,
    i16,
    i32,
    i64,
    u32,
    f32,
    f64,
    Vec<u8>,
    Uuid,
    NaiveDate,
    NaiveDateTime,
    DateTime<Utc>,
    serde_json::Value,
    Vec<bool>,
    Vec<i16>,
    Vec<i32>,
    Vec<i64>,
    Vec<f32>,
    Vec<f64>,
    Vec<Vec<u8>>,
    Vec<Uuid>,
    Vec<NaiveDate>,
    Vec<DateTime<Utc>>,
);

wrapped_column!(
    Decimal as Exact: |exact| exact.0,
    Vec<Decimal> as Vec<Exact>: |all| all.into_iter().map(|exact| exact.0).collect(),
    NaiveTime as TimeOfDay: |time| time.0,
);

/// Implements `FromColumn` for texts, whose lossy form goes through a wrapper.
macro_rules! text_from_column {
    ($($type:ty as $lossy:ty: $unwrap:expr),+ $(,)?) => {
        $(impl FromColumn for $type {
            fn from_column(row: &Row, name: &str) -> Result<Self, RowError> {
                read(row, name)
            }

            fn from_column_lossy(row: &Row, name: &str) -> Result<Self, RowError> {
                read::<$lossy>(row, name).map($unwrap)
            }
        })+
    };
}

text_from_column!(
    String as Lossy: |text| text.0,
    Option<String> as Option<Lossy>: |text| text.map(|text| text.0),
    Vec<String> as Vec<Lossy>: texts,
    Option<Vec<String>> as Option<Vec<Lossy>>: |all| all.map(texts),
);

fn texts(all: Vec<Lossy>) -> Vec<String> {
    all.into_iter().map(|text| text.0).collect()
}

/// A text in which bytes that are not UTF-8 are replaced by U+FFFD.
struct Lossy(String);

impl<'a> FromSql<'a> for Lossy {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(String::from_utf8_lossy(raw).into_owned()))
    }

    fn accepts(column: &Type) -> bool {
        <String as FromSql>::accepts(column)
    }
}

/// A time before midnight. The driver would read 24:00 as 00:00.
#[derive(Clone, Copy, Debug)]
pub struct TimeOfDay(
    /// The time, without a zone.
    pub NaiveTime,
);

impl<'a> FromSql<'a> for TimeOfDay {
    fn from_sql(column: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        const DAY: i64 = 86_400_000_000;
        let microseconds = <[u8; 8]>::try_from(raw).map(i64::from_be_bytes)?;
        if microseconds == DAY {
            return Err("24:00 is not a time of a day".into());
        }
        Ok(Self(NaiveTime::from_sql(column, raw)?))
    }

    fn accepts(column: &Type) -> bool {
        *column == Type::TIME
    }
}
