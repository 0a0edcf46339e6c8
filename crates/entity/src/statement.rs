//! A statement: its text and the values of its parameters.

use sea_query::{PostgresQueryBuilder, QueryStatementWriter, Value, Values};

/// The text of a statement and the values of its parameters `$1`, `$2`, …
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The text, in PostgreSQL's SQL.
    pub sql: String,
    /// The values of the parameters in their order; `None` is the same as an empty list.
    pub values: Option<Values>,
}

impl Statement {
    /// Returns a statement of this text with these parameters.
    #[must_use]
    pub fn new(sql: impl Into<String>, parameters: impl IntoIterator<Item = Value>) -> Self {
        Self {
            sql: sql.into(),
            values: Some(Values(parameters.into_iter().collect())),
        }
    }

    /// Returns a built query as a statement.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_entity::Statement;
    /// use neobank_entity::banking::accounts::{Column, Entity};
    /// use neobank_entity::enums::AccountStatus;
    /// use sea_query::{Expr, ExprTrait};
    ///
    /// let mut frozen = Entity::select();
    /// frozen.and_where(Expr::col(Column::AccountStatus).eq(AccountStatus::Frozen.as_str()));
    /// let statement = Statement::from_query(&frozen);
    /// assert!(statement.sql.contains(r#"FROM "banking"."accounts" WHERE "account_status" = $1"#));
    /// ```
    #[must_use]
    pub fn from_query(query: &impl QueryStatementWriter) -> Self {
        let (sql, values) = query.build(PostgresQueryBuilder);
        Self {
            sql,
            values: Some(values),
        }
    }
}

#[cfg(feature = "sea-orm")]
impl From<sea_orm::Statement> for Statement {
    fn from(statement: sea_orm::Statement) -> Self {
        Self {
            sql: statement.sql,
            values: statement.values,
        }
    }
}
