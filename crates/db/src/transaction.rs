//! Transactions and savepoints.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::{BoxFuture, join};
use sea_orm::Statement;
use thiserror::Error;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::begin::{Begin, Turn};
use crate::config::Pooler;
use crate::error::{DatabaseError, is_aborted_transaction, proves_no_commit};
use crate::executor::{Executor, parameters, typed};
use crate::pooled_connection::PooledConnection;
use crate::session::Place;

/// How isolated a transaction is from others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IsolationLevel {
    /// Each statement sees what was committed before it began. Enough where rows are locked before they are decided on.
    #[default]
    ReadCommitted,
    /// The whole transaction sees one snapshot (snapshot isolation).
    RepeatableRead,
    /// As if transactions ran one after another; be ready to run them again.
    Serializable,
}

/// What a transaction is to be like.
#[derive(Clone, Debug, Default)]
pub struct TransactionOptions {
    /// How isolated it is.
    pub isolation: IsolationLevel,
    /// Whether it may only read.
    pub read_only: bool,
    /// Its own limit on a wait for a lock, instead of the configuration's.
    pub lock_timeout: Option<Duration>,
    /// Its own limit on a statement, instead of the configuration's.
    pub statement_timeout: Option<Duration>,
    /// Whether prepared statements keep one plan, whatever their parameters are. The server makes a plan anew for each list of
    /// another length otherwise, which costs more than it gains where there is only one good plan.
    pub keep_plans: bool,
}

/// An error of [`Database::transaction`](crate::Database::transaction). Where the transaction is
/// committed all the same, or may be, it holds the value that the work returned.
#[derive(Error)]
pub enum TransactionError<E, T = Infallible> {
    /// The work returned this; everything was rolled back.
    #[error(transparent)]
    Work(E),
    /// The transaction did not start or did not commit; everything was rolled back.
    #[error(transparent)]
    Database(DatabaseError),
    /// The transaction is committed and durable on this server, but the standby that it waits for
    /// has not confirmed it: the wait was cancelled. Do not run it again.
    #[error("{}", DatabaseError::CommittedNotReplicated)]
    NotReplicated {
        /// What the work returned.
        value: T,
    },
    /// The commit was sent and its answer never came: the transaction may have happened or not.
    #[error("{error}")]
    Unknown {
        /// What the work returned. It is true only if the transaction is committed.
        value: T,
        /// [`DatabaseError::CommitUnknown`], with what was seen instead of an answer.
        #[source]
        error: DatabaseError,
    },
}

/// Shows everything but the value, whose type need not be able to.
impl<E: fmt::Debug, T> fmt::Debug for TransactionError<E, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(error) => formatter.debug_tuple("Work").field(error).finish(),
            Self::Database(error) => formatter.debug_tuple("Database").field(error).finish(),
            Self::NotReplicated { .. } => formatter
                .debug_struct("NotReplicated")
                .finish_non_exhaustive(),
            Self::Unknown { error, .. } => formatter
                .debug_struct("Unknown")
                .field("error", error)
                .finish_non_exhaustive(),
        }
    }
}

static NOT_REPLICATED: DatabaseError = DatabaseError::CommittedNotReplicated;

impl<E, T> TransactionError<E, T> {
    /// The error of a commit, and what the work had returned before it.
    pub(crate) fn of_commit(error: DatabaseError, value: T) -> Self {
        match error {
            DatabaseError::CommittedNotReplicated => Self::NotReplicated { value },
            DatabaseError::CommitUnknown { .. } => Self::Unknown { value, error },
            error => Self::Database(error),
        }
    }

    /// The database's error, unless it is the work's own.
    pub fn database(&self) -> Option<&DatabaseError> {
        match self {
            Self::Work(_) => None,
            Self::Database(error) | Self::Unknown { error, .. } => Some(error),
            Self::NotReplicated { .. } => Some(&NOT_REPLICATED),
        }
    }

    /// What the work returned, where the transaction is committed or may be.
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::NotReplicated { value } | Self::Unknown { value, .. } => Some(value),
            Self::Work(_) | Self::Database(_) => None,
        }
    }
}

impl<E: From<DatabaseError>, T> TransactionError<E, T> {
    /// One error type, where the work's error can hold the database's. A value is dropped; see
    /// [`TransactionError::into_value`].
    pub fn into_work(self) -> E {
        match self {
            Self::Work(error) => error,
            Self::Database(error) | Self::Unknown { error, .. } => error.into(),
            Self::NotReplicated { .. } => DatabaseError::CommittedNotReplicated.into(),
        }
    }
}

/// A transaction. [`Transaction::commit`] keeps its work; dropped without that, everything is rolled back.
///
/// Statements run with [`Executor`]'s functions. They take `&self`, so several may be under way at once: they are sent
/// one behind the other without waiting for answers, and the server runs them in that order.
#[derive(Debug)]
pub struct Transaction {
    lease: PooledConnection,
    begin: Begin,
    begin_statement: String,
    /// Savepoints that were made since the last statement; they travel with the next one.
    unsent: Mutex<String>,
    savepoints: u32,
    /// The server's own, in force where the deadline leaves more.
    statement_timeout: Duration,
    lock_timeout: Duration,
}

/// A statement that the server knows already, or its text where a pooler forbids that.
#[derive(Clone, Debug)]
pub struct Prepared(PreparedKind);

#[derive(Clone, Debug)]
enum PreparedKind {
    Statement(&'static str, tokio_postgres::Statement),
    Text(&'static str, Vec<Type>),
}

/// Part of a transaction that can be undone alone. [`Savepoint::release`] keeps its work; dropped without that, the work
/// since the savepoint is undone and the transaction around it stays usable.
#[derive(Debug)]
pub struct Savepoint<'a> {
    transaction: &'a mut Transaction,
    name: String,
    open: bool,
}

impl Transaction {
    pub(crate) fn new(mut lease: PooledConnection, options: &TransactionOptions) -> Self {
        if let Some(limit) = options.statement_timeout {
            lease.wait_at_least(limit);
        }
        let begin = begin_statement(&lease, options);
        let config = lease.config();
        let statement_timeout = options
            .statement_timeout
            .unwrap_or(config.statement_timeout);
        let lock_timeout = options.lock_timeout.unwrap_or(config.lock_timeout);
        Self {
            statement_timeout,
            lock_timeout,
            lease,
            begin: Begin::new(),
            begin_statement: begin,
            unsent: Mutex::default(),
            savepoints: 0,
        }
    }

    /// Makes the work durable.
    ///
    /// # Errors
    ///
    /// * [`DatabaseError::TransactionAborted`]: a statement had failed, so the server rolled everything back.
    /// * [`DatabaseError::Server`]: the server refused the commit (a deferred constraint, a serialization failure);
    ///   everything is rolled back.
    /// * [`DatabaseError::ConnectionLost`]: the connection was gone before the commit was sent; everything is rolled back.
    /// * [`DatabaseError::CommittedNotReplicated`]: it is durable here, but the wait for the standby was cancelled.
    /// * [`DatabaseError::CommitUnknown`]: the answer never came. Nobody but the database can tell what happened.
    pub async fn commit(self) -> Result<(), DatabaseError> {
        if self.begin.is_unsent() {
            return Ok(());
        }
        if !self.begin.is_begun() {
            return Err(DatabaseError::TransactionAborted);
        }
        self.lease.time_left("the commit was sent")?;
        self.send_commit().await
    }

    /// Whether the server has answered the `BEGIN`.
    pub(crate) fn is_begun(&self) -> bool {
        self.begin.is_begun()
    }

    /// Sends statements and then the commit without waiting in between, and returns how many rows each touched.
    ///
    /// When one of them fails, nothing is committed.
    ///
    /// # Errors
    ///
    /// The error of the first statement that failed, else as [`Transaction::commit`].
    pub async fn execute_and_commit(
        self,
        statements: &[(&Prepared, &[&(dyn ToSql + Sync)])],
    ) -> Result<Vec<u64>, DatabaseError> {
        if !self.begin.is_begun() {
            self.begin_and_wait().await?;
        }
        // The limit of a statement may not pass while the answer to the commit behind it is still waited for.
        let limit = self.lease.written_limit();
        let sent_before = self.lease.statements_sent();
        let mut answers: Vec<BoxFuture<'_, Result<u64, DatabaseError>>> =
            Vec::with_capacity(statements.len());
        for (prepared, parameters) in statements {
            answers.push(Box::pin(self.execute_within(limit, prepared, parameters)));
        }
        let mut counts: Vec<Option<u64>> = vec![None; answers.len()];
        // The first poll of each sends it. One that fails before it is sent must keep the commit from being sent.
        let mut failed = None;
        for (place, (answer, count)) in answers.iter_mut().zip(&mut counts).enumerate() {
            match poll_once(answer.as_mut()).await {
                Poll::Ready(Ok(rows)) => *count = Some(rows),
                Poll::Ready(Err(error)) => {
                    failed = Some((place, error));
                    break;
                }
                Poll::Pending => {}
            }
        }
        if let Some((place, error)) = failed {
            // A quick server has answered that the transaction is aborted before the answer that says why was looked at.
            for (answer, count) in answers.iter_mut().zip(&counts).take(place) {
                if count.is_none() {
                    answer.as_mut().await?;
                }
            }
            return Err(error);
        }
        // Nothing may ever run behind the commit.
        if self.lease.statements_sent().wrapping_sub(sent_before) != answers.len() {
            return Err(DatabaseError::Parameter {
                reason: "a statement was not sent".to_owned(),
            });
        }
        let statements = async {
            for (answer, count) in answers.iter_mut().zip(&mut counts) {
                if count.is_none() {
                    *count = Some(answer.as_mut().await?);
                }
            }
            Ok(())
        };
        let mut commit = pin!(self.send_commit());
        let sent = poll_once(commit.as_mut()).await;
        let outcome: Result<(), DatabaseError> = statements.await;
        let committed = match sent {
            Poll::Ready(committed) => committed,
            Poll::Pending => commit.await,
        };
        match (outcome, committed) {
            (Ok(()), Ok(())) => Ok(counts.into_iter().flatten().collect()),
            (Ok(()), Err(error)) => Err(error),
            // The commit may have arrived, or did, whatever was seen of the statements in front of it.
            (
                Err(_),
                Err(
                    error @ (DatabaseError::CommitUnknown { .. }
                    | DatabaseError::CommittedNotReplicated),
                ),
            ) => Err(error),
            (Err(error), Ok(())) => Err(DatabaseError::CommitUnknown {
                reason: error.to_string(),
            }),
            // Nothing was committed; the statement's error tells why.
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// Gives the work up.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::ConnectionLost`]; the server rolls back all the same.
    pub async fn rollback(self) -> Result<(), DatabaseError> {
        if self.begin.is_unsent() {
            return Ok(());
        }
        self.lease
            .answer(self.lease.client().batch_execute("ROLLBACK"))
            .await?;
        self.lease.mark_clean();
        Ok(())
    }

    /// Begins a part that can be undone alone. Savepoints nest.
    pub fn savepoint(&mut self) -> Savepoint<'_> {
        self.savepoints = self.savepoints.wrapping_add(1);
        let name = format!("neobank_{}", self.savepoints);
        self.unsent().push_str(&format!("SAVEPOINT {name};"));
        Savepoint {
            transaction: self,
            name,
            open: true,
        }
    }

    /// Runs `work` as a part that can be undone alone: kept when it returns `Ok`, undone when it returns `Err` or is
    /// dropped. Either way the transaction stays usable.
    ///
    /// # Errors
    ///
    /// As [`Database::transaction`](crate::Database::transaction).
    pub async fn nested<T, E>(
        &mut self,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, TransactionError<E>> {
        let savepoint = self.savepoint();
        match work(savepoint.transaction).await {
            Ok(value) => {
                savepoint
                    .release()
                    .await
                    .map_err(TransactionError::Database)?;
                Ok(value)
            }
            Err(error) => {
                savepoint
                    .rollback()
                    .await
                    .map_err(TransactionError::Database)?;
                Err(TransactionError::Work(error))
            }
        }
    }

    /// Prepares a statement once for each connection. Behind a transaction pooler it stays a text, which is sent with
    /// its types each time.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Server`] for a statement that the server cannot read.
    pub async fn prepare(
        &self,
        sql: &'static str,
        types: &[Type],
    ) -> Result<Prepared, DatabaseError> {
        match self.lease.config().pooler {
            Pooler::None => {
                // Sent before BEGIN where that has not been sent: preparing needs no transaction.
                if !self.begin.is_unsent() {
                    self.lease.mark_dirty();
                }
                let statement = self
                    .lease
                    .answer(self.lease.connection().prepare(sql, types))
                    .await?;
                Ok(Prepared(PreparedKind::Statement(sql, statement)))
            }
            Pooler::Transaction => Ok(Prepared(PreparedKind::Text(sql, types.to_vec()))),
        }
    }

    /// Runs a prepared statement that changes no data (it may lock) and returns its rows. `BEGIN` travels with it, and the
    /// first poll of the future sends both.
    ///
    /// It must change nothing, because it runs on its own when the `BEGIN` in front of it fails; that failure is returned
    /// all the same.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: what the server refused, or how the connection failed.
    pub async fn read_prepared(
        &self,
        prepared: &Prepared,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DatabaseError> {
        prepared.check(parameters)?;
        let client = self.lease.client();
        match &prepared.0 {
            PreparedKind::Statement(sql, statement) => {
                let running = self.lease.statement(sql);
                let answer = self
                    .send_with_begin(Box::pin(client.query(statement, parameters)))
                    .await;
                running.answered();
                answer
            }
            PreparedKind::Text(sql, types) => {
                let typed: Vec<_> = parameters
                    .iter()
                    .copied()
                    .zip(types.iter().cloned())
                    .collect();
                let running = self.lease.statement(sql);
                let answer = self
                    .send_with_begin(Box::pin(client.query_typed(sql, &typed)))
                    .await;
                running.answered();
                answer
            }
        }
    }

    /// Runs a prepared statement and returns how many rows it touched. In a transaction that has begun, the first poll of the
    /// future sends it.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]: what the server refused, or how the connection failed.
    pub async fn execute_prepared(
        &self,
        prepared: &Prepared,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, DatabaseError> {
        self.execute_within(self.lease.answer_limit(), prepared, parameters)
            .await
    }

    async fn execute_within(
        &self,
        limit: Duration,
        prepared: &Prepared,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, DatabaseError> {
        prepared.check(parameters)?;
        let client = self.lease.client();
        match &prepared.0 {
            PreparedKind::Statement(sql, statement) => {
                let running = self.lease.statement(sql);
                let answer = self
                    .send_within(limit, Box::pin(client.execute(statement, parameters)))
                    .await;
                running.answered();
                answer
            }
            PreparedKind::Text(sql, types) => {
                let typed: Vec<_> = parameters
                    .iter()
                    .copied()
                    .zip(types.iter().cloned())
                    .collect();
                let running = self.lease.statement(sql);
                let answer = self
                    .send_within(limit, Box::pin(client.execute_typed(sql, &typed)))
                    .await;
                running.answered();
                answer
            }
        }
    }

    /// Waits until the transaction has begun, then sends a statement and waits for its answer.
    ///
    /// Statements come here on the heap, because each function on the way would hold the driver's large future twice.
    async fn send<T>(
        &self,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        self.send_within(self.lease.answer_limit(), statement).await
    }

    async fn send_within<T>(
        &self,
        limit: Duration,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        if !self.begin.is_begun() {
            self.begin_and_wait().await?;
        }
        self.send_with_savepoints(limit, statement).await
    }

    /// Sends a statement that changes nothing, and `BEGIN` in front of it if need be, without waiting in between.
    async fn send_with_begin<T>(
        &self,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        match self.begin.turn()? {
            Turn::Follow => {
                let answer = self
                    .send_with_savepoints(self.lease.answer_limit(), statement)
                    .await?;
                if self.begin.has_failed() {
                    return Err(DatabaseError::TransactionAborted);
                }
                Ok(answer)
            }
            Turn::Send(beginning) => {
                let limits = self.limits()?;
                let prefix = format!(
                    "{}{}{limits}",
                    self.begin_statement,
                    std::mem::take(&mut *self.unsent())
                );
                self.lease.mark_dirty();
                self.lease
                    .answer(async {
                        // `join` polls the first future first, and a future's first poll sends: the order is kept.
                        let (begun, answer) =
                            join(self.lease.client().batch_execute(&prefix), statement).await;
                        begun?;
                        beginning.succeed();
                        answer
                    })
                    .await
            }
        }
    }

    async fn begin_and_wait(&self) -> Result<(), DatabaseError> {
        match self.begin.turn()? {
            Turn::Follow => {
                // Whoever sent it may have stopped looking at its answer.
                let limit = self.lease.answer_limit();
                let Ok(answered) = tokio::time::timeout(limit, self.begin.answered()).await else {
                    return Err(DatabaseError::NoAnswer { waited: limit });
                };
                answered
            }
            Turn::Send(beginning) => {
                self.lease.mark_dirty();
                self.lease
                    .answer(self.lease.client().batch_execute(&self.begin_statement))
                    .await?;
                beginning.succeed();
                Ok(())
            }
        }
    }

    /// A savepoint that fails leaves the transaction aborted, and the statement behind it fails with it; so these may
    /// travel together.
    async fn send_with_savepoints<T>(
        &self,
        limit: Duration,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        let limits = self.limits()?;
        let prefix = std::mem::take(&mut *self.unsent()) + &limits;
        if prefix.is_empty() {
            return self.lease.answer_within(limit, statement).await;
        }
        self.lease
            .answer_within(limit, async {
                let (made, answer) =
                    join(self.lease.client().batch_execute(&prefix), statement).await;
                made.and(answer)
            })
            .await
    }

    /// What makes the server keep the owner's deadline; nothing without one.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::DeadlineExceeded`] when it has passed.
    fn limits(&self) -> Result<String, DatabaseError> {
        let Some(left) = self.lease.time_left("the statement was sent")? else {
            return Ok(String::new());
        };
        // Rounded up, so that the deadline has passed when the server says so.
        let left = left.saturating_add(Duration::from_millis(1));
        Ok(
            set_local("statement_timeout", self.statement_timeout.min(left))
                + &set_local("lock_timeout", self.lock_timeout.min(left)),
        )
    }

    /// A statement inside an aborted transaction fails, and in one message the commit behind it is not even tried: that
    /// is how an aborted transaction is told from a committed one, which the drivers do not do.
    async fn send_commit(&self) -> Result<(), DatabaseError> {
        let connection = self.lease.connection();
        if connection.client().is_closed() {
            self.lease.mark_broken();
            return Err(connection
                .end()
                .unwrap_or_else(|| DatabaseError::lost("closed before the commit was sent")));
        }
        self.lease.mark_committing();
        let limit = self.lease.commit_limit();
        let commit = connection.client().batch_execute("SELECT; COMMIT");
        match tokio::time::timeout(limit, commit).await {
            Ok(Ok(())) => {
                self.lease.mark_clean();
                if connection.take_not_replicated() {
                    return Err(DatabaseError::CommittedNotReplicated);
                }
                Ok(())
            }
            // From here on the connection is rolled back as it is dropped, which the server needs after a rejection.
            Ok(Err(error)) if is_aborted_transaction(&error) => {
                self.lease.mark_answered();
                Err(DatabaseError::TransactionAborted)
            }
            Ok(Err(error)) if proves_no_commit(&error) => {
                self.lease.mark_answered();
                Err(DatabaseError::from_driver(&error))
            }
            Ok(Err(error)) => {
                self.lease.mark_broken();
                Err(DatabaseError::CommitUnknown {
                    reason: DatabaseError::from_driver(&error).to_string(),
                })
            }
            Err(_) => {
                self.lease.mark_broken();
                Err(DatabaseError::CommitUnknown {
                    reason: format!("no answer within {limit:?}"),
                })
            }
        }
    }

    /// How long the answer to a statement is waited for.
    pub(crate) fn answer_limit(&self) -> Duration {
        self.lease.answer_limit()
    }

    fn unsent(&self) -> std::sync::MutexGuard<'_, String> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Prepared {
    /// The driver's own words for a wrong number of parameters look like those for a lost connection.
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

impl Executor for Transaction {
    async fn query(&self, mut statement: Statement) -> Result<Vec<Row>, DatabaseError> {
        let parameters = parameters(&mut statement, Place::Transaction)?;
        let client = self.lease.client();
        let typed = typed(&parameters);
        let running = self.lease.statement(&statement.sql);
        let answer = self
            .send(Box::pin(client.query_typed(&statement.sql, &typed)))
            .await;
        running.answered();
        answer
    }

    async fn execute(&self, mut statement: Statement) -> Result<u64, DatabaseError> {
        let parameters = parameters(&mut statement, Place::Transaction)?;
        let client = self.lease.client();
        let typed = typed(&parameters);
        let running = self.lease.statement(&statement.sql);
        let answer = self
            .send(Box::pin(client.execute_typed(&statement.sql, &typed)))
            .await;
        running.answered();
        answer
    }
}

impl Savepoint<'_> {
    /// The transaction around it, to run statements on.
    pub fn transaction(&mut self) -> &mut Transaction {
        self.transaction
    }

    /// Keeps the work as part of the transaction around it.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::TransactionAborted`] when a statement since the savepoint had failed; its work is undone and the
    /// transaction stays usable (unless this future is dropped before its end).
    pub async fn release(mut self) -> Result<(), DatabaseError> {
        if self.forget_unsent() {
            return Ok(());
        }
        let release = format!("RELEASE SAVEPOINT {}", self.name);
        // From the first poll on it is sent, and nothing may be sent for this savepoint again.
        self.open = false;
        let lease = &self.transaction.lease;
        let answer = lease.client().batch_execute(&release);
        let aborted = lease
            .answer(async {
                match answer.await {
                    Err(error) if is_aborted_transaction(&error) => Ok(true),
                    other => other.map(|()| false),
                }
            })
            .await?;
        if aborted {
            self.rollback().await?;
            return Err(DatabaseError::TransactionAborted);
        }
        Ok(())
    }

    /// Undoes the work since the savepoint, and releases the locks it took.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::ConnectionLost`]: the whole transaction is lost with it.
    pub async fn rollback(mut self) -> Result<(), DatabaseError> {
        if self.forget_unsent() {
            return Ok(());
        }
        // From the first poll on it is sent, and nothing may be sent for this savepoint again.
        self.open = false;
        let lease = &self.transaction.lease;
        lease
            .answer(lease.client().batch_execute(&self.undo()))
            .await
    }

    /// Whether nothing was sent since the savepoint, which then need not be sent either.
    fn forget_unsent(&mut self) -> bool {
        let begun = format!("SAVEPOINT {};", self.name);
        let mut unsent = self.transaction.unsent();
        let Some(position) = unsent.find(&begun) else {
            return false;
        };
        unsent.truncate(position);
        drop(unsent);
        self.open = false;
        true
    }

    /// As [`Savepoint::release`], without waiting for the answer: if this fails, the transaction is aborted and every later
    /// statement and the commit say so.
    pub(crate) fn release_unanswered(mut self) {
        if self.forget_unsent() {
            return;
        }
        self.open = false;
        self.send_unanswered(&format!("RELEASE SAVEPOINT {}", self.name));
    }

    /// The first poll sends, so whatever the transaction does next comes behind it.
    fn send_unanswered(&self, sql: &str) {
        let mut sending = pin!(self.transaction.lease.client().batch_execute(sql));
        let _ = sending
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
    }

    fn undo(&self) -> String {
        format!(
            "ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}",
            name = self.name
        )
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if !self.open || self.forget_unsent() {
            return;
        }
        // The answer is of no interest: if this fails, the transaction is aborted and every later statement and the commit
        // say so.
        self.send_unanswered(&self.undo());
    }
}

/// Runs two statements of one transaction one behind the other, without waiting in between.
///
/// Both are sent before either is answered, so together they cost one round trip. When the first fails, the server refuses
/// the second too.
///
/// # Errors
///
/// The first's error, else the second's.
pub async fn in_order<A, B>(
    first: impl Future<Output = Result<A, DatabaseError>>,
    second: impl Future<Output = Result<B, DatabaseError>>,
) -> Result<(A, B), DatabaseError> {
    // `join` polls the first future first, and a future's first poll sends.
    let (first, second) = join(first, second).await;
    Ok((first?, second?))
}

/// A plan that is kept must look rows up by their keys, whatever the database or the role says of plans. Where nested loops
/// are switched off, they are taken all the same, at a cost that would ask for a compiler each time.
const KEEP_PLANS: &str = "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL jit = off; \
     SET LOCAL enable_nestloop = on; SET LOCAL enable_indexscan = on;";

fn begin_statement(lease: &PooledConnection, options: &TransactionOptions) -> String {
    let level = match options.isolation {
        IsolationLevel::ReadCommitted => "READ COMMITTED",
        IsolationLevel::RepeatableRead => "REPEATABLE READ",
        IsolationLevel::Serializable => "SERIALIZABLE",
    };
    let on_standby = lease
        .connection()
        .server_role()
        .is_some_and(|role| role.in_recovery);
    let access = match (options.read_only, on_standby) {
        (true, _) => " READ ONLY",
        // A standby refuses the words themselves, even where only reads follow.
        (false, true) => "",
        (false, false) => " READ WRITE",
    };
    // Explicit, so that defaults of the role or the database cannot weaken it.
    let mut begin = format!("BEGIN ISOLATION LEVEL {level}{access};");
    if options.keep_plans {
        begin.push_str(KEEP_PLANS);
    }
    let config = lease.config();
    let behind_pooler = config.pooler == Pooler::Transaction;
    let mut set = |name: &str, own: Option<Duration>, general: Duration| {
        if let Some(limit) = own.or(behind_pooler.then_some(general)) {
            begin.push_str(&set_local(name, limit));
        }
    };
    set(
        "statement_timeout",
        options.statement_timeout,
        config.statement_timeout,
    );
    set("lock_timeout", options.lock_timeout, config.lock_timeout);
    set(
        "idle_in_transaction_session_timeout",
        None,
        config.idle_in_transaction_timeout,
    );
    if behind_pooler {
        // The server tells by a warning that a standby has not confirmed a commit.
        begin.push_str("SET LOCAL client_min_messages = notice;");
    }
    if let (true, Some(role)) = (behind_pooler, &config.role) {
        begin.push_str(&format!(
            "SET LOCAL ROLE \"{}\";",
            role.replace('"', "\"\"")
        ));
    }
    begin
}

fn set_local(name: &str, limit: Duration) -> String {
    // PostgreSQL takes 0 for "no limit", which nobody asked for.
    let milliseconds = limit.as_millis().clamp(1, 2_147_483_647);
    format!("SET LOCAL {name} = {milliseconds};")
}

async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}
