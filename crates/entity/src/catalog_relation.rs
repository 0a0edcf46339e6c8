//! The macro by which each relation of `pg_catalog` becomes an enum of its columns.

/// Declares the columns of a relation: each with its name, the oldest version that was read and has
/// it, and the newest one where a newer one has it no longer.
macro_rules! catalog_relation {
    (
        $(#[$about:meta])*
        $name:ident = $relation:literal {
            $($(#[$meaning:meta])* $column:ident = $text:literal, $since:literal, $until:expr;)+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$meaning])* $column,)+
        }

        impl $name {
            /// The relation's schema and name, as `sea-query` takes a table.
            pub const TABLE: (&'static str, &'static str) = ("pg_catalog", $relation);

            /// Every column of the versions that were read.
            pub const ALL: &'static [Self] = &[$(Self::$column),+];

            /// Returns the column's name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$column => $text),+
                }
            }

            /// Returns the oldest of [`VERSIONS`] that has the column.
            #[must_use]
            pub const fn since(self) -> u32 {
                match self {
                    $(Self::$column => $since),+
                }
            }

            /// Returns the newest of [`VERSIONS`] that has the column, or `None` where the newest
            /// version that was read has it.
            #[must_use]
            pub const fn until(self) -> Option<u32> {
                match self {
                    $(Self::$column => $until),+
                }
            }

            /// Returns the column of the relation that a query calls `alias`.
            pub fn of(self, alias: &'static str) -> Expr {
                Expr::col((alias, self))
            }
        }

        impl Iden for $name {
            fn quoted(&self) -> Cow<'static, str> {
                Cow::Borrowed(self.as_str())
            }

            fn unquoted(&self) -> &str {
                self.as_str()
            }
        }
    };
}

pub(crate) use catalog_relation;
