//! The conversion of the driver's rows to SeaORM's, from which entities are read.

use std::collections::BTreeMap;
use std::error::Error;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use neobank_entity::Exact;
use sea_orm::sea_query::ValueType;
use sea_orm::{ProxyRow, QueryResult, Value};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use crate::error::DatabaseError;

/// Converts a row to SeaORM's query result.
///
/// # Errors
///
/// [`DatabaseError::Row`] for a column whose type is not supported or whose value does not fit (a
/// numeric that is not a number), and for two columns of one name, since one would hide the other.
pub(crate) fn query_result(row: &Row) -> Result<QueryResult, DatabaseError> {
    Ok(proxy_row(row)?.into())
}

/// Converts a row to SeaORM's proxy row.
///
/// # Errors
///
/// As [`query_result`].
pub(crate) fn proxy_row(row: &Row) -> Result<ProxyRow, DatabaseError> {
    proxy_row_of(row, value)
}

/// As [`query_result`], with bytes of texts that are not UTF-8 replaced by U+FFFD. The server
/// returns texts of other databases in the encodings of those databases.
pub(crate) fn lossy_query_result(row: &Row) -> Result<QueryResult, DatabaseError> {
    let row = proxy_row_of(row, |row, index| {
        let column = row.columns().get(index);
        match column.map(|column| column.type_()) {
            Some(&(Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN)) => {
                Ok(Value::String(get::<Lossy>(row, index)?.map(|text| text.0)))
            }
            Some(&(Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::NAME_ARRAY)) => {
                let texts = get::<Vec<Lossy>>(row, index)?;
                Ok(texts
                    .map(|all| all.into_iter().map(|text| text.0).collect::<Vec<_>>())
                    .into())
            }
            _ => value(row, index),
        }
    })?;
    Ok(row.into())
}

fn proxy_row_of(
    row: &Row,
    value: impl Fn(&Row, usize) -> Result<Value, DatabaseError>,
) -> Result<ProxyRow, DatabaseError> {
    let mut values = BTreeMap::new();
    for (index, column) in row.columns().iter().enumerate() {
        if values
            .insert(column.name().to_owned(), value(row, index)?)
            .is_some()
        {
            return Err(DatabaseError::row(format!(
                "two columns are named {:?}",
                column.name()
            )));
        }
    }
    Ok(ProxyRow::new(values))
}

/// Returns the first column.
///
/// # Errors
///
/// [`DatabaseError::Row`] when the row has no column, or the column is of another type.
pub(crate) fn first_value<T: ValueType>(row: &Row) -> Result<T, DatabaseError> {
    let column = row
        .columns()
        .first()
        .ok_or_else(|| DatabaseError::row("there is no column"))?;
    <T as ValueType>::try_from(value(row, 0)?).map_err(|_| {
        DatabaseError::row(format!(
            "column {:?} of type {} is not a {}",
            column.name(),
            column.type_(),
            T::type_name()
        ))
    })
}

fn value(row: &Row, index: usize) -> Result<Value, DatabaseError> {
    let Some(column) = row.columns().get(index) else {
        return Err(DatabaseError::row(format!("there is no column {index}")));
    };
    Ok(match *column.type_() {
        Type::BOOL => Value::Bool(get(row, index)?),
        Type::INT2 => Value::SmallInt(get(row, index)?),
        Type::INT4 => Value::Int(get(row, index)?),
        Type::INT8 => Value::BigInt(get(row, index)?),
        Type::OID => Value::Unsigned(get(row, index)?),
        Type::FLOAT4 => Value::Float(get(row, index)?),
        Type::FLOAT8 => Value::Double(get(row, index)?),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
            Value::String(get(row, index)?)
        }
        Type::BYTEA => Value::Bytes(get(row, index)?),
        Type::UUID => Value::Uuid(get(row, index)?),
        Type::NUMERIC => Value::Decimal(get::<Exact>(row, index)?.map(|exact| exact.0)),
        Type::TIMESTAMPTZ => Value::ChronoDateTimeUtc(get(row, index)?),
        Type::TIMESTAMP => Value::ChronoDateTime(get(row, index)?),
        Type::DATE => Value::ChronoDate(get(row, index)?),
        Type::TIME => Value::ChronoTime(get::<TimeOfDay>(row, index)?.map(|time| time.0)),
        Type::JSON | Type::JSONB => {
            Value::Json(get::<serde_json::Value>(row, index)?.map(Box::new))
        }
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::NAME_ARRAY => {
            get::<Vec<String>>(row, index)?.into()
        }
        Type::BOOL_ARRAY => get::<Vec<bool>>(row, index)?.into(),
        Type::INT2_ARRAY => get::<Vec<i16>>(row, index)?.into(),
        Type::FLOAT4_ARRAY => get::<Vec<f32>>(row, index)?.into(),
        Type::FLOAT8_ARRAY => get::<Vec<f64>>(row, index)?.into(),
        Type::NUMERIC_ARRAY => get::<Vec<Exact>>(row, index)?
            .map(|all| all.into_iter().map(|exact| exact.0).collect::<Vec<_>>())
            .into(),
        Type::DATE_ARRAY => get::<Vec<NaiveDate>>(row, index)?.into(),
        Type::TIMESTAMPTZ_ARRAY => get::<Vec<DateTime<Utc>>>(row, index)?.into(),
        Type::BYTEA_ARRAY => get::<Vec<Vec<u8>>>(row, index)?.into(),
        Type::INT4_ARRAY => get::<Vec<i32>>(row, index)?.into(),
        Type::INT8_ARRAY => get::<Vec<i64>>(row, index)?.into(),
        Type::UUID_ARRAY => get::<Vec<uuid::Uuid>>(row, index)?.into(),
        _ => {
            return Err(DatabaseError::row(format!(
                "column {:?} is of type {}, which has no Rust type here; cast it, for example to text",
                column.name(),
                column.type_()
            )));
        }
    })
}

fn get<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<Option<T>, DatabaseError> {
    row.try_get(index).map_err(|error| {
        let name = row.columns().get(index).map_or("?", |column| column.name());
        match Error::source(&error) {
            Some(source) => DatabaseError::row(format!("column {name:?}: {source}")),
            None => DatabaseError::row(format!("column {name:?}: {error}")),
        }
    })
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
struct TimeOfDay(NaiveTime);

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
