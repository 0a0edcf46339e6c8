//! Typed rows from any parameterised statement.

mod lexer;
mod session_statement;

use futures_util::FutureExt;
use neobank_entity::{FromRow, Statement};
use sea_query::{Value, ValueType};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::error::DatabaseError;
use crate::parameter::Parameter;
use crate::row;
use session_statement::reject_session_statement;

pub(crate) use lexer::{Token, tokens};
pub(crate) use session_statement::StatementContext;

/// An executor of statements: the pool ([`Database`](crate::Database)), where each statement is a
/// transaction of its own, or a [`Transaction`](crate::Transaction).
///
/// # Example
///
/// ```
/// use neobank_db::{Database, Executor, FromRow, statement};
///
/// #[derive(FromRow)]
/// struct Currency {
///     code: String,
///     decimals: i32,
/// }
///
/// async fn currencies(on: &impl Executor) -> Result<Vec<Currency>, neobank_db::DatabaseError> {
///     on.fetch_many(statement(
///         "SELECT code, decimals FROM (VALUES ('CZK', 2), ('JPY', 0)) AS c (code, decimals)
///          WHERE decimals >= $1",
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
    /// Runs a statement and returns the driver's rows, from which the typed functions below read.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: the server's error, or the failure of the connection.
    #[track_caller]
    fn query(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<Vec<Row>, DatabaseError>> + Send;

    /// Runs a statement and returns the number of rows that it affected.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: the server's error, or the failure of the connection.
    #[track_caller]
    fn execute(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<u64, DatabaseError>> + Send;

    /// Returns every row as a generated model of `neobank-entity`, or as a struct that derives
    /// [`FromRow`](neobank_db_derive::FromRow). Each field is read from the column of its name.
    ///
    /// # Errors
    ///
    /// As [`Executor::query`], and [`DatabaseError::Row`] when a row does not fit `T`.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_db::{DatabaseError, Executor, Statement};
    /// use neobank_entity::banking::accounts;
    /// use neobank_entity::enums::AccountStatus;
    /// use sea_query::{Expr, ExprTrait};
    ///
    /// async fn frozen(on: &impl Executor) -> Result<Vec<accounts::Model>, DatabaseError> {
    ///     let mut frozen = accounts::Entity::select();
    ///     frozen.and_where(Expr::col(accounts::Column::AccountStatus).eq(AccountStatus::Frozen.as_str()));
    ///     on.fetch_many(Statement::from_query(&frozen)).await
    /// }
    /// ```
    #[track_caller]
    fn fetch_many<T: FromRow + Send>(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<Vec<T>, DatabaseError>> + Send {
        // Called here and not inside an async block, so that `#[track_caller]` reports the caller.
        self.query(statement).map(|rows| read_all(&rows?))
    }

    /// Returns the first row, or `None` when the statement returned no row.
    ///
    /// # Errors
    ///
    /// As [`Executor::fetch_many`].
    #[track_caller]
    fn fetch_one<T: FromRow + Send>(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<Option<T>, DatabaseError>> + Send {
        self.query(statement).map(|rows| read_first(&rows?))
    }

    /// Returns the first column of the first row.
    ///
    /// # Errors
    ///
    /// As [`Executor::query`]; [`DatabaseError::NoRow`]; and [`DatabaseError::Row`] when the column
    /// does not fit `T`.
    #[track_caller]
    fn fetch_value<T: ValueType + Send>(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<T, DatabaseError>> + Send {
        self.query(statement)
            .map(|rows| row::first_value(rows?.first().ok_or(DatabaseError::NoRow)?))
    }
}

/// Builds a statement from its text and its parameters `$1`, `$2`, …
///
/// Each value determines the type of its parameter: an `i64` is sent as `bigint`, a string as
/// `text`. Where the statement needs another type, cast: `$1::text::inet`.
#[must_use]
pub fn statement(sql: &str, parameters: impl IntoIterator<Item = Value>) -> Statement {
    Statement::new(sql, parameters)
}

/// Checks that the statement may run in this context, and converts its parameters.
///
/// # Errors
///
/// [`DatabaseError::SessionStatement`], [`DatabaseError::Parameter`].
pub(crate) fn parameters(
    statement: &mut Statement,
    context: StatementContext,
) -> Result<Vec<Parameter>, DatabaseError> {
    reject_session_statement(&statement.sql, context)?;
    convert(statement)
}

/// Converts the parameters of a statement.
///
/// # Errors
///
/// [`DatabaseError::Parameter`] for a NUL character in the text, and for a value without a
/// PostgreSQL type.
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

/// Returns the parameters with their types, as the driver takes them.
pub(crate) fn typed(parameters: &[Parameter]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    parameters.iter().map(Parameter::typed).collect()
}

/// Reads a row of [`Executor::query`] and replaces bytes of its texts that are not UTF-8 by U+FFFD.
///
/// The server returns texts of other databases, such as the statements in `pg_stat_activity`, in
/// the encoding of the database that they belong to.
///
/// # Errors
///
/// [`DatabaseError::Row`] when the row does not fit `T`.
pub fn read_lossy<T: FromRow>(row: &Row) -> Result<T, DatabaseError> {
    T::from_row_lossy(row).map_err(DatabaseError::row)
}

fn read_all<T: FromRow>(rows: &[Row]) -> Result<Vec<T>, DatabaseError> {
    row::reject_twins(rows)?;
    rows.iter()
        .map(|row| T::from_row(row).map_err(DatabaseError::row))
        .collect()
}

fn read_first<T: FromRow>(rows: &[Row]) -> Result<Option<T>, DatabaseError> {
    row::reject_twins(rows)?;
    let first = rows.first().map(T::from_row);
    first.transpose().map_err(DatabaseError::row)
}
