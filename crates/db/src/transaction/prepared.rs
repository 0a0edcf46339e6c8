//! Prepared statements of a transaction.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::Transaction;
use crate::config::Pooler;
use crate::error::DatabaseError;

/// A statement that is prepared on the server, or its text and types where a transaction pooler
/// rules out prepared statements.
#[derive(Clone, Debug)]
pub struct Prepared(PreparedKind);

#[derive(Clone, Debug)]
enum PreparedKind {
    Statement(&'static str, tokio_postgres::Statement),
    Text(&'static str, Vec<Type>),
}

impl Transaction {
    /// Prepares a statement, once for each connection. Behind a transaction pooler the statement
    /// remains a text, which is sent with its types for each execution.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Server`] when the server cannot parse the statement.
    pub async fn prepare(
        &self,
        sql: &'static str,
        types: &[Type],
    ) -> Result<Prepared, DatabaseError> {
        match self.pooled.config().pooler {
            Pooler::None => {
                // Preparing needs no transaction, so it may be sent before the `BEGIN`.
                if !self.begin.is_unsent() {
                    self.pooled.mark_dirty();
                }
                let statement = self
                    .pooled
                    .answer(self.pooled.connection().prepare(sql, types))
                    .await?;
                Ok(Prepared(PreparedKind::Statement(sql, statement)))
            }
            Pooler::Transaction => Ok(Prepared(PreparedKind::Text(sql, types.to_vec()))),
        }
    }

    /// Runs a prepared statement that changes no data (it may lock rows) and returns its rows. The
    /// first poll of the future sends the statement, pipelined behind `BEGIN` where that has not
    /// been sent.
    ///
    /// The statement must change nothing: it runs outside of a transaction when the `BEGIN` before
    /// it fails. The future returns that failure in any case.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: the server's error, or the failure of the connection.
    pub async fn read_prepared(
        &self,
        prepared: &Prepared,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DatabaseError> {
        prepared.check(parameters)?;
        let client = self.pooled.client();
        let running = self.pooled.statement(prepared.sql());
        let answer = match &prepared.0 {
            PreparedKind::Statement(_, statement) => {
                self.send_with_begin(Box::pin(client.query(statement, parameters)))
                    .await
            }
            PreparedKind::Text(sql, types) => {
                let typed = typed(parameters, types);
                self.send_with_begin(Box::pin(client.query_typed(sql, &typed)))
                    .await
            }
        };
        running.answered();
        answer
    }

    /// Runs a prepared statement and returns the number of rows that it affected. In a transaction
    /// that has begun, the first poll of the future sends it.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: the server's error, or the failure of the connection.
    pub async fn execute_prepared(
        &self,
        prepared: &Prepared,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, DatabaseError> {
        self.execute_within(self.pooled.answer_limit(), prepared, parameters)
            .await
    }

    pub(super) async fn execute_within(
        &self,
        limit: Duration,
        prepared: &Prepared,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, DatabaseError> {
        prepared.check(parameters)?;
        let client = self.pooled.client();
        let running = self.pooled.statement(prepared.sql());
        let answer = match &prepared.0 {
            PreparedKind::Statement(_, statement) => {
                self.send_within(limit, Box::pin(client.execute(statement, parameters)))
                    .await
            }
            PreparedKind::Text(sql, types) => {
                let typed = typed(parameters, types);
                self.send_within(limit, Box::pin(client.execute_typed(sql, &typed)))
                    .await
            }
        };
        running.answered();
        answer
    }
}

impl Prepared {
    const fn sql(&self) -> &'static str {
        match &self.0 {
            PreparedKind::Statement(sql, _) | PreparedKind::Text(sql, _) => sql,
        }
    }

    /// Checks the number of parameters. The driver's own error for a wrong number looks like that
    /// of a lost connection.
    fn check(&self, parameters: &[&(dyn ToSql + Sync)]) -> Result<(), DatabaseError> {
        let wanted = match &self.0 {
            PreparedKind::Statement(_, statement) => statement.params().len(),
            PreparedKind::Text(_, types) => types.len(),
        };
        if parameters.len() == wanted {
            return Ok(());
        }
        Err(DatabaseError::Parameter {
            reason: format!(
                "the statement takes {wanted} parameters and {} were given",
                parameters.len()
            ),
        })
    }
}

fn typed<'a>(
    parameters: &[&'a (dyn ToSql + Sync)],
    types: &[Type],
) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    parameters
        .iter()
        .copied()
        .zip(types.iter().cloned())
        .collect()
}
