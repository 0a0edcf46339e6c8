//! Single values of the driver's rows.

use std::error::Error;

use chrono::{DateTime, NaiveDate, Utc};
use neobank_entity::{Exact, TimeOfDay};
use sea_query::{Value, ValueType};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use crate::error::DatabaseError;

/// Rejects rows that have two columns of one name, because one would hide the other.
///
/// # Errors
///
/// [`DatabaseError::Row`] names the column.
pub(crate) fn reject_twins(rows: &[Row]) -> Result<(), DatabaseError> {
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let columns = row.columns();
    for (place, column) in columns.iter().enumerate() {
        if columns
            .iter()
            .skip(place + 1)
            .any(|other| other.name() == column.name())
        {
            return Err(DatabaseError::row(format!(
                "two columns are named {:?}",
                column.name()
            )));
        }
    }
    Ok(())
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

pub(crate) fn value(row: &Row, index: usize) -> Result<Value, DatabaseError> {
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
