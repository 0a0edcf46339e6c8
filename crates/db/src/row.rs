//! The driver's rows as sea-orm's, so that its entities can be read from them.

use std::collections::BTreeMap;

use sea_orm::sea_query::ValueType;
use sea_orm::{ProxyRow, QueryResult, Value};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use crate::error::DatabaseError;

/// # Errors
///
/// [`DatabaseError::Row`] for a column whose type is not supported or whose value does not fit (a numeric that is not a
/// number), and when two columns have the same name, since one would hide the other.
pub(crate) fn query_result(row: &Row) -> Result<QueryResult, DatabaseError> {
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
    Ok(ProxyRow::new(values).into())
}

/// The first column alone.
///
/// # Errors
///
/// [`DatabaseError::Row`] when there is no column, or it is of another type.
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
        Type::NUMERIC => Value::Decimal(get(row, index)?),
        Type::TIMESTAMPTZ => Value::ChronoDateTimeUtc(get(row, index)?),
        Type::TIMESTAMP => Value::ChronoDateTime(get(row, index)?),
        Type::DATE => Value::ChronoDate(get(row, index)?),
        Type::TIME => Value::ChronoTime(get(row, index)?),
        Type::JSON | Type::JSONB => {
            Value::Json(get::<serde_json::Value>(row, index)?.map(Box::new))
        }
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::NAME_ARRAY => {
            get::<Vec<String>>(row, index)?.into()
        }
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
    row.try_get(index)
        .map_err(|error| match std::error::Error::source(&error) {
            Some(source) => DatabaseError::row(format!("{error}: {source}")),
            None => DatabaseError::row(error),
        })
}
