//! Reading enums from text columns.

/// Implements reading an enum, with its `FromStr`, from a column of type text or of a domain over
/// it.
macro_rules! text_column {
    ($type:ty) => {
        impl<'row> tokio_postgres::types::FromSql<'row> for $type {
            fn from_sql(
                column: &tokio_postgres::types::Type,
                raw: &'row [u8],
            ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
                let text = <&str as tokio_postgres::types::FromSql>::from_sql(column, raw)?;
                Ok(text.parse()?)
            }

            fn accepts(column: &tokio_postgres::types::Type) -> bool {
                <&str as tokio_postgres::types::FromSql>::accepts(column)
            }
        }

        crate::from_row::from_column!($type);

        // With the feature, SeaORM's derive implements it.
        #[cfg(not(feature = "sea-orm"))]
        impl From<$type> for sea_query::Value {
            fn from(value: $type) -> Self {
                value.as_str().into()
            }
        }
    };
}

pub(crate) use text_column;
