//! A transaction of the run, in a task of its own, so that it can wait while the others continue.

use neobank_db::{Database, DatabaseError, Executor, Transaction, TransactionOptions, statement};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::anomaly::Level;
use super::judge::Rows;

/// A request to a session; it replies to one before it takes the next.
#[derive(Debug)]
pub(super) enum Request {
    Read(String),
    Write(String),
    Commit,
    Rollback,
}

pub(super) type Reply = Result<Option<Rows>, DatabaseError>;

/// An open transaction; dropping it rolls it back.
#[derive(Debug)]
pub(super) struct Session {
    requests: mpsc::Sender<Request>,
    replies: mpsc::Receiver<Reply>,
    task: JoinHandle<()>,
}

impl Session {
    /// Begins a transaction of this level, which `pg_stat_activity` shows under this name.
    pub(super) async fn begin(
        database: &Database,
        level: Level,
        name: &str,
    ) -> Result<Self, DatabaseError> {
        let transaction = database.begin_with(TransactionOptions::default()).await?;
        // Settings take no snapshot, so the transaction's snapshot is that of its first step. They
        // end with the transaction, so a pooler may stand in between.
        for setting in [
            format!("SET TRANSACTION ISOLATION LEVEL {}", level.sql()),
            format!("SET LOCAL application_name = '{name}'"),
        ] {
            transaction.execute(statement(&setting, [])).await?;
        }
        // One request at a time: the schedule waits for each reply, or knows that it is pending.
        let (requests, received) = mpsc::channel(1);
        let (reply_sender, replies) = mpsc::channel(1);
        Ok(Self {
            requests,
            replies,
            task: tokio::spawn(serve(transaction, received, reply_sender)),
        })
    }

    pub(super) async fn send(&self, request: Request) -> Result<(), DatabaseError> {
        self.requests
            .send(request)
            .await
            .map_err(|_| DatabaseError::TransactionAborted)
    }

    /// Waits for the reply to the last request; dropping this future loses no reply.
    pub(super) async fn reply(&mut self) -> Reply {
        self.replies
            .recv()
            .await
            .unwrap_or(Err(DatabaseError::TransactionAborted))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    transaction: Transaction,
    mut requests: mpsc::Receiver<Request>,
    replies: mpsc::Sender<Reply>,
) {
    while let Some(request) = requests.recv().await {
        let reply = match request {
            Request::Read(sql) => read(&transaction, &sql).await.map(Some),
            Request::Write(sql) => transaction.execute(statement(&sql, [])).await.map(|_| None),
            Request::Commit => {
                let ended = transaction.commit().await.map(|()| None);
                let _ = replies.send(ended).await;
                return;
            }
            Request::Rollback => {
                let ended = transaction.rollback().await.map(|()| None);
                let _ = replies.send(ended).await;
                return;
            }
        };
        if replies.send(reply).await.is_err() {
            return;
        }
    }
}

/// Reads identifiers and values, as the statement returns them.
pub(super) async fn read(on: &impl Executor, sql: &str) -> Result<Rows, DatabaseError> {
    let rows = on.query(statement(sql, [])).await?;
    rows.iter()
        .map(|row| match (row.try_get(0), row.try_get(1)) {
            (Ok(id), Ok(value)) => Ok((id, value)),
            (Err(error), _) | (_, Err(error)) => Err(DatabaseError::Row {
                reason: error.to_string(),
            }),
        })
        .collect()
}
