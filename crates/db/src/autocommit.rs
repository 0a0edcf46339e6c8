//! Prepared statements that are a transaction of their own: one round trip, in which the server also commits.

use std::panic::Location;

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::database::Database;
use crate::error::{DatabaseError, proves_no_commit};
use crate::pooled_connection::PooledConnection;

/// A pool whose statements need no transaction around them to keep to their limits.
#[derive(Clone, Copy, Debug)]
pub struct Autocommit<'a>(&'a Database);

/// What a statement that wrote gave back.
#[derive(Debug)]
#[non_exhaustive]
pub struct Written {
    /// Its rows.
    pub rows: Vec<Row>,
    /// Whether the standbys have it that the server waits for; false when somebody cancelled that wait. It is durable here.
    pub replicated: bool,
}

impl Database {
    /// For statements that run alone. None behind a transaction pooler and with a deadline: there only a transaction carries
    /// the limits of a statement.
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
    /// [`DatabaseError`]: why there was no connection, what the server refused, or how the connection failed.
    #[track_caller]
    pub fn read(
        &self,
        sql: &'static str,
        types: &[Type],
        parameters: &[&(dyn ToSql + Sync)],
    ) -> impl Future<Output = Result<Vec<Row>, DatabaseError>> + Send {
        let location = Location::caller();
        async move {
            let lease = self.0.lease(location).await?;
            let statement = prepare(&lease, sql, types, parameters).await?;
            let running = lease.statement(sql);
            let answer = lease
                .answer(Box::pin(lease.client().query(&statement, parameters)))
                .await;
            running.answered();
            if matches!(answer, Ok(_) | Err(DatabaseError::Server(_))) {
                lease.mark_clean();
            }
            answer
        }
    }

    /// Runs a statement that may change something, prepared once for each connection. It is committed when it returns.
    ///
    /// A statement whose answer was lost may still be on its way to the server: unlike a commit, whose transaction holds its
    /// locks, it can arrive after everybody has looked. Give it something that whoever looks can take away from it.
    ///
    /// # Errors
    ///
    /// * [`DatabaseError::CommitUnknown`]: the answer never came. Nobody but the database can tell what happened.
    /// * Any other: why there was no connection, or what the server refused; nothing was changed.
    #[track_caller]
    pub fn write(
        &self,
        sql: &'static str,
        types: &[Type],
        parameters: &[&(dyn ToSql + Sync)],
    ) -> impl Future<Output = Result<Written, DatabaseError>> + Send {
        let location = Location::caller();
        async move {
            let lease = self.0.lease(location).await?;
            let statement = prepare(&lease, sql, types, parameters).await?;
            if lease.client().is_closed() {
                lease.mark_broken();
                let end = lease.connection().end();
                return Err(end.unwrap_or_else(|| DatabaseError::lost("closed before it was sent")));
            }
            send(&lease, sql, &statement, parameters).await
        }
    }
}

async fn prepare(
    lease: &PooledConnection,
    sql: &'static str,
    types: &[Type],
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<tokio_postgres::Statement, DatabaseError> {
    lease.mark_dirty();
    let prepared = lease.answer(lease.connection().prepare(sql, types)).await;
    if matches!(prepared, Ok(_) | Err(DatabaseError::Server(_))) {
        lease.mark_clean();
    }
    let statement = prepared?;
    let (wanted, given) = (statement.params().len(), parameters.len());
    // The driver's own words for this look like those for a lost connection.
    if wanted != given {
        return Err(DatabaseError::Parameter {
            reason: format!("the statement takes {wanted} parameters and {given} were given"),
        });
    }
    Ok(statement)
}

async fn send(
    lease: &PooledConnection,
    sql: &'static str,
    statement: &tokio_postgres::Statement,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Written, DatabaseError> {
    // Its commit has a limit of its own, as one that is sent as a statement.
    let limit = lease.written_limit();
    let mut is_definite = false;
    lease.mark_dirty();
    let running = lease.statement(sql);
    let answer = lease
        .answer_within(
            limit,
            Box::pin(async {
                let answer = lease.client().query(statement, parameters).await;
                is_definite = answer.as_ref().err().is_some_and(proves_no_commit);
                answer
            }),
        )
        .await;
    running.answered();
    match answer {
        Ok(rows) => {
            lease.mark_clean();
            let replicated = !lease.connection().take_not_replicated();
            Ok(Written { rows, replicated })
        }
        Err(error) if is_definite => {
            lease.mark_clean();
            Err(error)
        }
        // The driver could not write the message, so nothing was sent.
        Err(error @ DatabaseError::Parameter { .. }) => Err(error),
        Err(error) => {
            lease.mark_broken();
            Err(DatabaseError::CommitUnknown {
                reason: error.to_string(),
            })
        }
    }
}
