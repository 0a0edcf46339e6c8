//! The conversion of sea-query's values to the driver's parameters.

use std::error::Error;

use bytes::BytesMut;
use sea_query::{ArrayType, OptionEnum, Value};
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::error::DatabaseError;

/// A value with the PostgreSQL type as which it is sent.
#[derive(Debug)]
pub(crate) struct Parameter {
    value: Value,
    parameter_type: Type,
}

impl Parameter {
    /// Determines the type of a value.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Parameter`] for a value that has no PostgreSQL type.
    pub(crate) fn new(value: Value) -> Result<Self, DatabaseError> {
        let parameter_type = type_of(&value).ok_or_else(|| DatabaseError::Parameter {
            reason: "its type is not supported".to_owned(),
        })?;
        Ok(Self {
            value,
            parameter_type,
        })
    }

    pub(crate) fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        (self, self.parameter_type.clone())
    }
}

impl ToSql for Parameter {
    fn to_sql(
        &self,
        parameter_type: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        encode(&self.value, parameter_type, out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// An element of an array.
#[derive(Debug)]
struct Element<'a>(&'a Value);

impl ToSql for Element<'_> {
    fn to_sql(
        &self,
        parameter_type: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        encode(self.0, parameter_type, out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn encode(
    value: &Value,
    to: &Type,
    out: &mut BytesMut,
) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
    match value {
        Value::Bool(value) => value.to_sql(to, out),
        Value::TinyInt(value) => value.map(i16::from).to_sql(to, out),
        Value::SmallInt(value) => value.to_sql(to, out),
        Value::Int(value) => value.to_sql(to, out),
        Value::BigInt(value) => value.to_sql(to, out),
        Value::TinyUnsigned(value) => value.map(i16::from).to_sql(to, out),
        Value::SmallUnsigned(value) => value.map(i32::from).to_sql(to, out),
        Value::Unsigned(value) => value.map(i64::from).to_sql(to, out),
        Value::BigUnsigned(value) => value.map(i64::try_from).transpose()?.to_sql(to, out),
        Value::Float(value) => value.to_sql(to, out),
        Value::Double(value) => value.to_sql(to, out),
        Value::String(value) => value.as_deref().to_sql(to, out),
        Value::Enum(OptionEnum::Some(value)) => value.value.as_ref().to_sql(to, out),
        Value::Char(value) => value.map(|character| character.to_string()).to_sql(to, out),
        Value::Bytes(value) => value.as_deref().to_sql(to, out),
        Value::Json(value) => value.as_deref().to_sql(to, out),
        Value::ChronoDate(value) => value.to_sql(to, out),
        Value::ChronoTime(value) => value.to_sql(to, out),
        Value::ChronoDateTime(value) => value.to_sql(to, out),
        Value::ChronoDateTimeUtc(value) => value.to_sql(to, out),
        Value::ChronoDateTimeLocal(value) => value.to_sql(to, out),
        Value::ChronoDateTimeWithTimeZone(value) => value.to_sql(to, out),
        Value::Uuid(value) => value.to_sql(to, out),
        Value::Decimal(value) => value.to_sql(to, out),
        Value::Array(_, Some(values)) if matches!(to.kind(), Kind::Array(_)) => values
            .iter()
            .map(Element)
            .collect::<Vec<_>>()
            .to_sql(to, out),
        _ => Ok(IsNull::Yes),
    }
}

fn type_of(value: &Value) -> Option<Type> {
    Some(match value {
        Value::Bool(_) => Type::BOOL,
        Value::TinyInt(_) | Value::SmallInt(_) | Value::TinyUnsigned(_) => Type::INT2,
        Value::Int(_) | Value::SmallUnsigned(_) => Type::INT4,
        Value::BigInt(_) | Value::Unsigned(_) | Value::BigUnsigned(_) => Type::INT8,
        Value::Float(_) => Type::FLOAT4,
        Value::Double(_) => Type::FLOAT8,
        Value::String(_) | Value::Enum(_) | Value::Char(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
        Value::Json(_) => Type::JSONB,
        Value::ChronoDate(_) => Type::DATE,
        Value::ChronoTime(_) => Type::TIME,
        Value::ChronoDateTime(_) => Type::TIMESTAMP,
        Value::ChronoDateTimeUtc(_)
        | Value::ChronoDateTimeLocal(_)
        | Value::ChronoDateTimeWithTimeZone(_) => Type::TIMESTAMPTZ,
        Value::Uuid(_) => Type::UUID,
        Value::Decimal(_) => Type::NUMERIC,
        Value::Array(element, _) => return array_type_of(element),
        // Values behind features of sea-query (time, bit vectors, ...) that another crate in the
        // build may enable.
        #[allow(unreachable_patterns)]
        _ => return None,
    })
}

fn array_type_of(element: &ArrayType) -> Option<Type> {
    Some(match element {
        ArrayType::Bool => Type::BOOL_ARRAY,
        ArrayType::TinyInt | ArrayType::SmallInt | ArrayType::TinyUnsigned => Type::INT2_ARRAY,
        ArrayType::Int | ArrayType::SmallUnsigned => Type::INT4_ARRAY,
        ArrayType::BigInt | ArrayType::Unsigned | ArrayType::BigUnsigned => Type::INT8_ARRAY,
        ArrayType::Float => Type::FLOAT4_ARRAY,
        ArrayType::Double => Type::FLOAT8_ARRAY,
        ArrayType::String | ArrayType::Enum(_) | ArrayType::Char => Type::TEXT_ARRAY,
        ArrayType::Bytes => Type::BYTEA_ARRAY,
        ArrayType::Json => Type::JSONB_ARRAY,
        ArrayType::ChronoDate => Type::DATE_ARRAY,
        ArrayType::ChronoTime => Type::TIME_ARRAY,
        ArrayType::ChronoDateTime => Type::TIMESTAMP_ARRAY,
        ArrayType::ChronoDateTimeUtc
        | ArrayType::ChronoDateTimeLocal
        | ArrayType::ChronoDateTimeWithTimeZone => Type::TIMESTAMPTZ_ARRAY,
        ArrayType::Uuid => Type::UUID_ARRAY,
        ArrayType::Decimal => Type::NUMERIC_ARRAY,
        #[allow(unreachable_patterns)]
        _ => return None,
    })
}
