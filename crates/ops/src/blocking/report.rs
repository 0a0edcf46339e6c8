//! What is told about who blocks whom.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

/// Who blocks whom, at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BlockingReport {
    /// Those that do not wait and are waited for; those that keep most waiting first.
    pub roots: Vec<RootBlocker>,
    /// Those that wait for each other.
    pub cycles: Vec<WaitCycle>,
    /// Who waits for whom. Of a queue, each waiter's holders, and where it only queues, the front of the queue.
    pub edges: Vec<BlockingEdge>,
    /// All sessions and prepared transactions in the edges, by process.
    pub participants: Vec<Participant>,
    /// Sessions that wait for a lock. More than were followed when there are more than
    /// [`WAITERS_MAX`](super::WAITERS_MAX).
    pub lock_waiters_total: u64,
}

/// A session, or a prepared transaction, which has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Who {
    /// A server process.
    Session {
        /// Its number.
        process_id: i32,
    },
    /// A transaction that was prepared for a commit in two phases. `pg_blocking_pids` calls them all 0.
    PreparedTransaction {
        /// Its name (`gid`), or its number where the name is not known any more.
        name: String,
    },
}

/// A session or prepared transaction that does not wait and is waited for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RootBlocker {
    /// Who it is.
    pub who: Who,
    /// Those in an edge with it.
    pub waiters_directly: usize,
    /// Those that would go on, or come nearer to that, without it.
    pub waiters_in_all: usize,
    /// The longest wait of any of them.
    pub longest_wait_seconds: Option<f64>,
}

/// Sessions that wait for each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WaitCycle {
    /// Its members.
    pub members: Vec<Who>,
    /// True: each waits for a lock that the next one holds, or for a safe snapshot: a certain deadlock. False: some of them
    /// only queue, and the server may let them pass by another order of the queue.
    pub is_certain: bool,
    /// True: the server looks for such a cycle after `deadlock_timeout` and ends it. False: a wait for a safe snapshot is
    /// among them, which the server's search does not follow, so that it goes on until one of its sessions is ended.
    pub is_ended_by_server: bool,
    /// What to do.
    pub remedy: String,
}

/// One waits for the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BlockingEdge {
    /// Who waits.
    pub waiter: Who,
    /// For whom.
    pub blocker: Who,
    /// In which way.
    pub kind: EdgeKind,
    /// The mode that the waiter wants.
    pub wanted_mode: Option<String>,
    /// The modes that the blocker has of the same lock and that exclude the wanted one; of one before it in the queue, the
    /// mode that it wants.
    pub blocking_modes: Vec<String>,
}

/// In which way one waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// It has what the waiter wants.
    Holds,
    /// It is before the waiter in the queue, and wants what excludes the waiter's wish.
    Queues,
    /// The waiter wants a snapshot that no serializable transaction can make unsafe (`DEFERRABLE`).
    SafeSnapshot,
}

/// A session or prepared transaction that waits or is waited for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Participant {
    /// Who it is.
    pub who: Who,
    /// The database that it is connected to.
    pub database: Option<String>,
    /// Its role.
    pub username: Option<String>,
    /// What it calls itself.
    pub application_name: Option<String>,
    /// From where it is connected; none for a Unix socket.
    pub client_address: Option<String>,
    /// Such as `client backend`.
    pub backend_type: Option<String>,
    /// Such as `idle in transaction`.
    pub state: Option<String>,
    /// The statement that it runs, or ran last, with its values.
    pub query: Option<String>,
    /// When its transaction began.
    pub transaction_started_at: Option<DateTime<Utc>>,
    /// What it does, as far as others wait for it.
    pub class: Class,
    /// What to do about it.
    pub remedy: String,
    /// What it waits for.
    pub wait: Option<Wait>,
}

/// What a session does that others wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Class {
    /// It waits itself.
    Waiting,
    /// It runs a statement.
    Active,
    /// It is in a transaction and does nothing, perhaps after an error.
    IdleInTransaction,
    /// It is in no transaction: what it holds it holds for its session, an advisory lock.
    IdleWithSessionLock,
    /// A prepared transaction, which survives even a restart.
    PreparedTransaction,
    /// Autovacuum.
    Autovacuum,
    /// Another process of the server's own.
    Background,
    /// The server does not track what it does, because `track_activities` is off for it.
    Untracked,
    /// The role may not see it, or it has ended meanwhile.
    Unknown,
}

/// A wait.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Wait {
    /// Since when; none for a moment after it began. Of a safe snapshot: since the statement began.
    pub since: Option<DateTime<Utc>>,
    /// For how long.
    pub seconds: Option<f64>,
    /// For which lock; none for a safe snapshot.
    pub lock: Option<AwaitedLock>,
    /// All that the server says it waits for, the whole queue before it included.
    pub blockers_total: usize,
    /// Those at the end of all ways from here.
    pub roots: Vec<Who>,
    /// The cycle that it is part of, by its place in [`BlockingReport::cycles`].
    pub cycle: Option<usize>,
    /// The cycles that it waits for without being part of them.
    pub behind_cycles: Vec<usize>,
    /// How many edges there are to the nearest root.
    pub depth: usize,
}

/// A lock that a session waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AwaitedLock {
    /// Such as `transactionid`, which is how a row that another transaction has changed is waited for.
    pub lock_type: String,
    /// Such as `ShareLock`.
    pub mode: String,
    /// The database that it is in; none for what all databases share.
    pub database: Option<String>,
    /// The schema of the table, when it is in the monitor's own database.
    pub relation_schema: Option<String>,
    /// The table, or the table of the row.
    pub relation_name: Option<String>,
    /// Its oid, also in other databases.
    pub relation_id: Option<i64>,
    /// The page of the row.
    pub page: Option<i32>,
    /// The row's place in its page.
    pub tuple: Option<i16>,
    /// The key of an advisory lock, of 64 bits; a text in JSON.
    #[serde(serialize_with = "crate::as_text::option")]
    pub advisory_key: Option<i64>,
    /// Both keys of an advisory lock, of 32 bits each: `(1, 2)`.
    pub advisory_pair: Option<String>,
    /// What the registry calls the key: the namespace.
    pub lock_namespace: Option<String>,
    /// What the registry calls the key: the identifier.
    pub lock_identifier: Option<String>,
}

impl fmt::Display for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session { process_id } => write!(formatter, "{process_id}"),
            Self::PreparedTransaction { name } => write!(formatter, "prepared {name:?}"),
        }
    }
}

impl BlockingReport {
    /// What is known of one in the edges.
    #[must_use]
    pub fn participant(&self, who: &Who) -> Option<&Participant> {
        self.participants.iter().find(|one| one.who == *who)
    }
}

impl fmt::Display for AwaitedLock {
    /// For people: `row (0,1) of "banking"."accounts"`, `advisory lock customer "…"`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.page.zip(self.tuple);
        let relation = match (&self.relation_schema, &self.relation_name, self.relation_id) {
            (Some(schema), Some(name), _) => Some(format!("{schema:?}.{name:?}")),
            (_, _, Some(id)) => Some(format!(
                "relation {id} in database {:?}",
                self.database.as_deref().unwrap_or_default()
            )),
            _ => None,
        };
        match (relation, row, self.advisory_key, &self.advisory_pair) {
            (Some(relation), Some((page, tuple)), ..) => {
                write!(formatter, "row ({page},{tuple}) of {relation}")
            }
            (Some(relation), None, ..) => write!(formatter, "{} {relation}", self.lock_type),
            (_, _, Some(key), _) => match (&self.lock_namespace, &self.lock_identifier) {
                (Some(namespace), Some(identifier)) => {
                    write!(formatter, "advisory lock {namespace} {identifier:?}")
                }
                _ => write!(formatter, "advisory lock {key}"),
            },
            (_, _, _, Some(pair)) => write!(formatter, "advisory lock {pair}"),
            _ => formatter.write_str(&self.lock_type),
        }
    }
}
