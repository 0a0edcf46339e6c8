//! Prepared statements in autocommit mode: one round trip, in which the server also commits.

use std::panic::Location;

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::database::Database;
use crate::error::{DatabaseError, proves_no_commit};
use crate::pool::PooledConnection;

/// A pool whose statements keep to their limits without an explicit transaction.
#[derive(Clone, Copy, Debug)]
pub struct Autocommit<'a>(&'a Database);

/// The result of a statement that wrote.
#[derive(Debug)]
#[non_exhaustive]
pub struct Written {
    /// The rows that the statement returned.
    pub rows: Vec<Row>,
    /// True when the standbys that the server waits for have confirmed the commit; false when that
    /// wait was cancelled. The commit is durable on this server in both cases.
    pub replicated: bool,
}

impl Database {
    /// Returns the pool in autocommit mode. `None` behind a transaction pooler and for a handle
    /// with a deadline, because only a transaction carries the limits of a statement there.
    #[must_use]
    pub fn autocommit(&self) -> Option<Autocommit<'_>> {
        (!self.needs_transaction()).then_some(Autocommit(self))
    }
}

impl Autocommit<'_> {
    /// Runs a statement that changes nothing, prepared once for each connection.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: the reason why no connection was available, the server's error, or the
    /// failure of the connection.
    #[track_caller]
    pub fn read(
        &self,
        sql: &'static str,
        types: &[Type],
        parameters: &[&(dyn ToSql + Sync)],
    ) -> impl Future<Output = Result<Vec<Row>, DatabaseError>> + Send {
        let location = Location::caller();
        async move {
            let pooled = self.0.check_out(location).await?;
            let statement = prepare(&pooled, sql, types, parameters).await?;
            let running = pooled.statement(sql);
            let answer = pooled
                .answer(Box::pin(pooled.client().query(&statement, parameters)))
                .await;
            running.answered();
            if matches!(answer, Ok(_) | Err(DatabaseError::Server(_))) {
                pooled.mark_clean();
            }
            answer
        }
    }

    /// Runs a statement that may write, prepared once for each connection. The statement is
    /// committed when this returns `Ok`.
    ///
    /// A statement whose answer was lost may still reach the server later. A commit cannot do that
    /// unnoticed, because its transaction holds its locks; this statement can run after the
    /// in-doubt resolution has read the database. Therefore the statement must depend on a row or
    /// key that the resolution can take from it.
    ///
    /// # Errors
    ///
    /// * [`DatabaseError::CommitUnknown`]: the server did not answer. Only the database can tell
    ///   whether the statement took effect.
    /// * Any other: the reason why no connection was available, or the server's error; nothing was
    ///   changed.
    #[track_caller]
    pub fn write(
        &self,
        sql: &'static str,
        types: &[Type],
        parameters: &[&(dyn ToSql + Sync)],
    ) -> impl Future<Output = Result<Written, DatabaseError>> + Send {
        let location = Location::caller();
        async move {
            let pooled = self.0.check_out(location).await?;
            let statement = prepare(&pooled, sql, types, parameters).await?;
            if pooled.client().is_closed() {
                pooled.mark_broken();
                let end = pooled.connection().end();
                return Err(end.unwrap_or_else(|| DatabaseError::lost("closed before it was sent")));
            }
            send(&pooled, sql, &statement, parameters).await
        }
    }
}

async fn prepare(
    pooled: &PooledConnection,
    sql: &'static str,
    types: &[Type],
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<tokio_postgres::Statement, DatabaseError> {
    pooled.mark_dirty();
    let prepared = pooled.answer(pooled.connection().prepare(sql, types)).await;
    if matches!(prepared, Ok(_) | Err(DatabaseError::Server(_))) {
        pooled.mark_clean();
    }
    let statement = prepared?;
    let (wanted, given) = (statement.params().len(), parameters.len());
    // The driver's own error for this looks like that of a lost connection.
    if wanted != given {
        return Err(DatabaseError::Parameter {
            reason: format!("the statement takes {wanted} parameters and {given} were given"),
        });
    }
    Ok(statement)
}

async fn send(
    pooled: &PooledConnection,
    sql: &'static str,
    statement: &tokio_postgres::Statement,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Written, DatabaseError> {
    // The implicit commit has the same time as an explicit one.
    let limit = pooled.written_limit();
    let mut is_definite = false;
    pooled.mark_dirty();
    let running = pooled.statement(sql);
    let answer = pooled
        .answer_within(
            limit,
            Box::pin(async {
                let answer = pooled.client().query(statement, parameters).await;
                is_definite = answer.as_ref().err().is_some_and(proves_no_commit);
                answer
            }),
        )
        .await;
    running.answered();
    match answer {
        Ok(rows) => {
            pooled.mark_clean();
            let replicated = !pooled.connection().take_not_replicated();
            Ok(Written { rows, replicated })
        }
        Err(error) if is_definite => {
            pooled.mark_clean();
            Err(error)
        }
        // The driver could not encode the message, so nothing was sent.
        Err(error @ DatabaseError::Parameter { .. }) => Err(error),
        Err(error) => {
            pooled.mark_broken();
            Err(DatabaseError::CommitUnknown {
                reason: error.to_string(),
            })
        }
    }
}
