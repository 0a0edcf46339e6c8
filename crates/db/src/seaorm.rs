//! SeaORM's connection trait on the pool and on transactions: `Entity::find().one(&database)`.

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, ProxyExecResult, QueryResult, RuntimeErr,
    Statement,
};

use crate::database::Database;
use crate::error::DatabaseError;
use crate::executor::{Executor, statement};
use crate::row::query_result;
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
                Ok(ProxyExecResult::new(0, Executor::execute(self, statement).await?).into())
            }

            async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
                self.execute_raw(statement(sql, [])).await
            }

            async fn query_one_raw(
                &self,
                statement: Statement,
            ) -> Result<Option<QueryResult>, DbErr> {
                Ok(self
                    .query(statement)
                    .await?
                    .first()
                    .map(query_result)
                    .transpose()?)
            }

            async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
                Ok(self
                    .query(statement)
                    .await?
                    .iter()
                    .map(query_result)
                    .collect::<Result<_, _>>()?)
            }
        }
    };
}

connection_trait!(Database);
connection_trait!(Transaction);
