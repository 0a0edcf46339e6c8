//! Typed rows from any parameterised statement.

mod lexer;
mod session_statement;

use futures_util::FutureExt;
use neobank_entity::FromRow;
use sea_orm::sea_query::ValueType;
use sea_orm::{DbBackend, EntityTrait, FromQueryResult, QueryTrait, Select, Statement, Value};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::error::DatabaseError;
use crate::parameter::Parameter;
use crate::row;
use session_statement::refuse_session_statement;

pub(crate) use lexer::{Token, tokens};
pub(crate) use session_statement::StatementContext;

/// Runs statements: on the pool ([`Database`](crate::Database)), each as a transaction of its own, or inside a
/// [`Transaction`](crate::Transaction) or a [`Savepoint`](crate::Savepoint).
///
/// # Example
///
/// ```
/// use neobank_db::{Database, Executor, FromQueryResult, statement};
///
/// #[derive(FromQueryResult)]
/// struct Currency {
///     code: String,
///     decimals: i32,
/// }
///
/// async fn currencies(on: &impl Executor) -> Result<Vec<Currency>, neobank_db::DatabaseError> {
///     on.fetch_many(statement(
///         "SELECT code, decimals FROM (VALUES ('CZK', 2), ('JPY', 0)) AS c (code, decimals) WHERE decimals >= $1",
///         [1.into()],
///     ))
///     .await
/// }
/// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let database = Database::connect(neobank_db::DatabaseConfig::from_url(server.url())?).await?;
/// let found = currencies(&database).await?;
/// assert_eq!((found[0].code.as_str(), found[0].decimals), ("CZK", 2));
/// # Ok::<(), neobank_db::DatabaseError>(())
/// # }).unwrap();
/// ```
pub trait Executor: Sync {
    /// The rows as the driver has them; the typed functions below are made from it.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: what the server refused, or how the connection failed.
    #[track_caller]
    fn query(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<Vec<Row>, DatabaseError>> + Send;

    /// Runs a statement and returns how many rows it touched.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: what the server refused, or how the connection failed.
    #[track_caller]
    fn execute(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<u64, DatabaseError>> + Send;

    /// Every row.
    ///
    /// # Errors
    ///
    /// As [`Executor::query`], and [`DatabaseError::Row`] when a row does not fit `T`.
    #[track_caller]
    fn fetch_many<T: FromQueryResult + Send>(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<Vec<T>, DatabaseError>> + Send {
        // Called here and not inside a block, so that the caller's context in the source is known.
        self.query(statement)
            .map(|rows| rows?.iter().map(read).collect())
    }

    /// The first row, or `None` when there is none.
    ///
    /// # Errors
    ///
    /// As [`Executor::fetch_many`].
    #[track_caller]
    fn fetch_one<T: FromQueryResult + Send>(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<Option<T>, DatabaseError>> + Send {
        self.query(statement)
            .map(|rows| rows?.first().map(read).transpose())
    }

    /// Returns every row of a query of an entity, read straight from the driver.
    ///
    /// # Errors
    ///
    /// As [`Executor::fetch_many`].
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_db::{DatabaseError, Executor};
    /// use neobank_entity::banking::accounts;
    /// use neobank_entity::enums::AccountStatus;
    /// use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
    ///
    /// async fn frozen(on: &impl Executor) -> Result<Vec<accounts::Model>, DatabaseError> {
    ///     let frozen = accounts::Column::AccountStatus.eq(AccountStatus::Frozen);
    ///     on.fetch_models(accounts::Entity::find().filter(frozen)).await
    /// }
    /// ```
    #[track_caller]
    fn fetch_models<E>(
        &self,
        query: Select<E>,
    ) -> impl Future<Output = Result<Vec<E::Model>, DatabaseError>> + Send
    where
        E: EntityTrait,
        E::Model: FromRow + Send,
    {
        self.fetch_rows(query.build(DbBackend::Postgres))
    }

    /// Returns the first row of a query of an entity, or `None`.
    ///
    /// # Errors
    ///
    /// As [`Executor::fetch_many`].
    #[track_caller]
    fn fetch_model<E>(
        &self,
        query: Select<E>,
    ) -> impl Future<Output = Result<Option<E::Model>, DatabaseError>> + Send
    where
        E: EntityTrait,
        E::Model: FromRow + Send,
    {
        self.fetch_row(query.build(DbBackend::Postgres))
    }

    /// Returns every row of a statement, read straight from the driver.
    ///
    /// # Errors
    ///
    /// As [`Executor::fetch_many`].
    #[track_caller]
    fn fetch_rows<T: FromRow + Send>(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<Vec<T>, DatabaseError>> + Send {
        self.query(statement)
            .map(|rows| rows?.iter().map(from_row).collect())
    }

    /// Returns the first row of a statement, read straight from the driver, or `None`.
    ///
    /// # Errors
    ///
    /// As [`Executor::fetch_many`].
    #[track_caller]
    fn fetch_row<T: FromRow + Send>(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<Option<T>, DatabaseError>> + Send {
        self.query(statement)
            .map(|rows| rows?.first().map(from_row).transpose())
    }

    /// The first column of the first row.
    ///
    /// # Errors
    ///
    /// As [`Executor::query`], [`DatabaseError::NoRow`], and [`DatabaseError::Row`] when the column does not fit `T`.
    #[track_caller]
    fn fetch_value<T: ValueType + Send>(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<T, DatabaseError>> + Send {
        self.query(statement)
            .map(|rows| row::first_value(rows?.first().ok_or(DatabaseError::NoRow)?))
    }
}

/// A statement from its text and its parameters `$1`, `$2`, …
///
/// The types are the values': an `i64` is sent as `bigint`, a text as `text`. Where the statement needs another type,
/// cast: `$1::text::inet`.
#[must_use]
pub fn statement(sql: &str, parameters: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, parameters)
}

/// Checks that the statement may run here and makes its parameters ready.
pub(crate) fn parameters(
    statement: &mut Statement,
    context: StatementContext,
) -> Result<Vec<Parameter>, DatabaseError> {
    refuse_session_statement(&statement.sql, context)?;
    convert(statement)
}

/// Makes the parameters of a statement ready.
///
/// # Errors
///
/// [`DatabaseError::Parameter`].
pub(crate) fn convert(statement: &mut Statement) -> Result<Vec<Parameter>, DatabaseError> {
    if statement.sql.contains('\0') {
        return Err(DatabaseError::Parameter {
            reason: "the statement's text holds a NUL character".to_owned(),
        });
    }
    let values = statement
        .values
        .take()
        .map(|values| values.0)
        .unwrap_or_default();
    values.into_iter().map(Parameter::new).collect()
}

/// The parameters as the driver takes them.
pub(crate) fn typed(parameters: &[Parameter]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    parameters.iter().map(Parameter::typed).collect()
}

/// Reads a row of [`Executor::query`], with bytes that are not UTF-8 in its texts replaced by U+FFFD.
///
/// For what the server shows of other databases, such as the statements in `pg_stat_activity`: it gives such texts out as
/// they are, in the encoding of the database that they belong to.
///
/// # Errors
///
/// [`DatabaseError::Row`] when the row does not fit `T`.
pub fn read_lossy<T: FromQueryResult>(row: &Row) -> Result<T, DatabaseError> {
    T::from_query_result(&row::lossy_query_result(row)?, "").map_err(DatabaseError::row)
}

fn from_row<T: FromRow>(row: &Row) -> Result<T, DatabaseError> {
    T::from_row(row).map_err(DatabaseError::row)
}

fn read<T: FromQueryResult>(row: &Row) -> Result<T, DatabaseError> {
    T::from_query_result(&row::query_result(row)?, "").map_err(DatabaseError::row)
}
