//! SeaORM's connection trait on the pool and on transactions: `Entity::find().one(&database)`.

use std::collections::BTreeMap;
use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseConnectionType, DbBackend, DbErr, ExecResult,
    ProxyDatabaseConnection, ProxyDatabaseTrait, ProxyExecResult, ProxyRow, QueryResult,
    RuntimeErr, Statement,
};
use tokio_postgres::Row;

use crate::connection::DirectConnection;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::executor::Executor;
use crate::row::{reject_twins, value};
use crate::transaction::Transaction;

/// Converts to SeaORM's error, which holds a text: the message with its SQLSTATE.
impl From<DatabaseError> for DbErr {
    fn from(error: DatabaseError) -> Self {
        let text = RuntimeErr::Internal(error.to_string());
        match error {
            DatabaseError::Connect { .. }
            | DatabaseError::ConnectionLost { .. }
            | DatabaseError::NoAnswer { .. }
            | DatabaseError::PoolClosed
            | DatabaseError::PoolOverloaded { .. }
            | DatabaseError::PoolTimeout { .. } => Self::Conn(text),
            _ => Self::Query(text),
        }
    }
}

macro_rules! connection_trait {
    ($connection:ty) => {
        #[async_trait::async_trait]
        impl ConnectionTrait for $connection {
            fn get_database_backend(&self) -> DbBackend {
                DbBackend::Postgres
            }

            async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
                Ok(
                    ProxyExecResult::new(0, Executor::execute(self, statement.into()).await?)
                        .into(),
                )
            }

            async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
                self.execute_raw(Statement::from_string(DbBackend::Postgres, sql))
                    .await
            }

            async fn query_one_raw(
                &self,
                statement: Statement,
            ) -> Result<Option<QueryResult>, DbErr> {
                let rows = self.query(statement.into()).await?;
                let first = proxy_rows(rows.get(..1).unwrap_or_default())?;
                Ok(first.into_iter().next().map(QueryResult::from))
            }

            async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
                let rows = proxy_rows(&self.query(statement.into()).await?)?;
                Ok(rows.into_iter().map(QueryResult::from).collect())
            }
        }
    };
}

connection_trait!(Database);
connection_trait!(Transaction);

/// Converts the rows of one result.
///
/// # Errors
///
/// [`DatabaseError::Row`] for a column whose type is not supported or whose value does not fit (a
/// numeric that is not a number), and for two columns of one name, because one would hide the other.
fn proxy_rows(rows: &[Row]) -> Result<Vec<ProxyRow>, DatabaseError> {
    reject_twins(rows)?;
    rows.iter().map(proxy_row).collect()
}

fn proxy_row(row: &Row) -> Result<ProxyRow, DatabaseError> {
    let columns = row.columns().iter().enumerate();
    let values: BTreeMap<String, _> = columns
        .map(|(index, column)| Ok((column.name().to_owned(), value(row, index)?)))
        .collect::<Result<_, DatabaseError>>()?;
    Ok(ProxyRow::new(values))
}

impl DirectConnection {
    /// Converts into SeaORM's connection, for code that takes no other, such as the `SchemaManager`
    /// of its migrations. Statements without parameters are sent as [`DirectConnection::batch`]
    /// sends them.
    ///
    /// SeaORM's transactions hide failures of their `BEGIN` and `COMMIT`. Here such a failure
    /// closes the connection, so that the next statement fails. Send these commands with
    /// [`DirectConnection::batch`] to receive the error.
    #[must_use]
    pub fn into_sea_orm(self: Arc<Self>) -> DatabaseConnection {
        let shared: Arc<Box<dyn ProxyDatabaseTrait>> = Arc::new(Box::new(Shared(self)));
        let connection = ProxyDatabaseConnection::new(DbBackend::Postgres, shared);
        DatabaseConnectionType::ProxyDatabaseConnection(Arc::new(connection)).into()
    }
}

/// A direct connection in the form that SeaORM takes.
#[derive(Debug)]
struct Shared(Arc<DirectConnection>);

impl Shared {
    /// Runs a command whose failure SeaORM cannot receive.
    async fn command(&self, sql: &str) {
        if let Err(error) = self.0.batch(sql).await {
            tracing::error!("{sql} failed, so the connection is closed: {error}");
            self.0.connection.close();
        }
    }
}

#[async_trait::async_trait]
impl ProxyDatabaseTrait for Shared {
    async fn query(&self, statement: Statement) -> Result<Vec<ProxyRow>, DbErr> {
        let rows = Executor::query(&*self.0, statement.into()).await?;
        Ok(proxy_rows(&rows)?)
    }

    async fn execute(&self, statement: Statement) -> Result<ProxyExecResult, DbErr> {
        let has_parameters = statement
            .values
            .as_ref()
            .is_some_and(|values| !values.0.is_empty());
        let rows = if has_parameters {
            Executor::execute(&*self.0, statement.into()).await?
        } else {
            self.0.batch(&statement.sql).await?;
            0
        };
        Ok(ProxyExecResult::new(0, rows))
    }

    async fn begin(&self) {
        self.command("BEGIN").await;
    }

    async fn commit(&self) {
        self.command("COMMIT").await;
    }

    async fn rollback(&self) {
        self.command("ROLLBACK").await;
    }

    /// Closes the connection of a dropped transaction, because a synchronous function cannot send a
    /// `ROLLBACK`.
    fn start_rollback(&self) {
        self.0.connection.close();
    }

    async fn ping(&self) -> Result<(), DbErr> {
        Ok(self.0.batch("").await?)
    }
}
