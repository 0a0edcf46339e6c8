//! Statements on the pool, each in a transaction of its own.

use std::panic::Location;

use neobank_entity::Statement;
use tokio_postgres::Row;

use super::Database;
use crate::error::DatabaseError;
use crate::executor::{Executor, StatementContext, parameters, typed};
use crate::pool::PooledConnection;
use crate::transaction::TransactionOptions;

impl Executor for Database {
    #[track_caller]
    fn query(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<Vec<Row>, DatabaseError>> + Send {
        self.query_at(statement, Location::caller())
    }

    #[track_caller]
    fn execute(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<u64, DatabaseError>> + Send {
        self.execute_at(statement, Location::caller())
    }
}

impl Database {
    async fn query_at(
        &self,
        mut statement: Statement,
        location: &'static Location<'static>,
    ) -> Result<Vec<Row>, DatabaseError> {
        if self.needs_transaction() {
            let transaction = self
                .begin_at(TransactionOptions::default(), location)
                .await?;
            let rows = transaction.query(statement).await?;
            transaction.commit().await?;
            return Ok(rows);
        }
        let parameters = parameters(&mut statement, StatementContext::Pool)?;
        let pooled = self.connections.take(location, None).await?;
        let client = pooled.client();
        autocommit(
            &pooled,
            &statement.sql,
            Box::pin(client.query_typed(&statement.sql, &typed(&parameters))),
        )
        .await
    }

    async fn execute_at(
        &self,
        mut statement: Statement,
        location: &'static Location<'static>,
    ) -> Result<u64, DatabaseError> {
        if self.needs_transaction() {
            let transaction = self
                .begin_at(TransactionOptions::default(), location)
                .await?;
            let count = transaction.execute(statement).await?;
            transaction.commit().await?;
            return Ok(count);
        }
        let parameters = parameters(&mut statement, StatementContext::Pool)?;
        let pooled = self.connections.take(location, None).await?;
        let client = pooled.client();
        autocommit(
            &pooled,
            &statement.sql,
            Box::pin(client.execute_typed(&statement.sql, &typed(&parameters))),
        )
        .await
    }
}

/// Runs a statement in autocommit mode. After any answer of the server no transaction is open;
/// after anything else the connection is recovered before the next checkout.
async fn autocommit<T>(
    pooled: &PooledConnection,
    sql: &str,
    statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, DatabaseError> {
    pooled.mark_dirty();
    let running = pooled.statement(sql);
    let answer = pooled.answer(statement).await;
    running.answered();
    if matches!(answer, Ok(_) | Err(DatabaseError::Server(_))) {
        pooled.mark_clean();
    }
    if answer.is_ok() && pooled.connection().take_not_replicated() {
        return Err(DatabaseError::CommittedNotReplicated);
    }
    answer
}
