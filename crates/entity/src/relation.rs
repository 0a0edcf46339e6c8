//! The identifiers of a table or view, and the reading of its rows.

/// Declares the `Entity` and the `Column`s of a table or view, and implements `FromRow` for its
/// `Model`.
macro_rules! relation {
    ($schema:literal . $name:literal { $($field:ident => $column:ident),+ $(,)? }) => {
        /// The identifier of the table or view in a query.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Entity;

        impl Entity {
            /// The name of its schema.
            pub const SCHEMA: &'static str = $schema;
            /// Its name, without the schema's.
            pub const NAME: &'static str = $name;

            /// Returns the name with its schema, for `FROM`, `INSERT INTO` and `UPDATE`.
            #[must_use]
            pub fn table_ref(self) -> sea_query::TableRef {
                sea_query::IntoTableRef::into_table_ref(($schema, $name))
            }

            /// Returns a query of every column of every row. Callers add conditions, an order and a
            /// limit.
            #[must_use]
            pub fn select() -> sea_query::SelectStatement {
                let mut query = sea_query::Query::select();
                query
                    .columns(Column::ALL.map(|column| (Self, column)))
                    .from(Self.table_ref());
                query
            }
        }

        impl sea_query::Iden for Entity {
            fn quoted(&self) -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed($name)
            }

            fn unquoted(&self) -> &str {
                $name
            }
        }

        /// The identifier of a column in a query.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Column {
            $(
                #[doc = concat!("`", stringify!($field), "`.")]
                $column,
            )+
        }

        impl Column {
            /// Every column, in the order of the schema.
            pub const ALL: [Self; [$(Self::$column),+].len()] = [$(Self::$column),+];

            /// Returns the column's name in the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$column => stringify!($field),)+
                }
            }
        }

        impl sea_query::Iden for Column {
            fn quoted(&self) -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(self.as_str())
            }

            fn unquoted(&self) -> &str {
                self.as_str()
            }
        }

        impl crate::FromRow for Model {
            fn from_row(row: &tokio_postgres::Row) -> Result<Self, crate::RowError> {
                Ok(Self {
                    $($field: crate::FromColumn::from_column(row, stringify!($field))?,)+
                })
            }
        }
    };
}

pub(crate) use relation;
