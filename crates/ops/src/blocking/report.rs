//! The report of blocking sessions.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

/// The graph of waits at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BlockingReport {
    /// Blockers that do not wait themselves, with the most waiters first.
    pub roots: Vec<RootBlocker>,
    /// Sessions that wait for each other.
    pub cycles: Vec<WaitCycle>,
    /// The waits. A waiter has an edge to each holder that it waits for. A waiter that conflicts with
    /// no holder has an edge to the front of the queue instead.
    pub edges: Vec<BlockingEdge>,
    /// All sessions and prepared transactions in the edges, by process.
    pub participants: Vec<Participant>,
    /// The number of sessions that wait for a lock. Only [`WAITERS_MAX`](super::WAITERS_MAX) of
    /// them are followed.
    pub lock_waiters_total: u64,
}

/// A session, or a prepared transaction, which has no session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Who {
    /// A server process.
    Session {
        /// Its process identifier.
        process_id: i32,
    },
    /// A transaction that was prepared for a two-phase commit. `pg_blocking_pids` reports each of
    /// them as 0.
    PreparedTransaction {
        /// Its name (`gid`), or its number where the name is no longer known.
        name: String,
    },
}

/// A session or prepared transaction that blocks others and does not wait.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RootBlocker {
    /// The session or prepared transaction.
    pub who: Who,
    /// The number of waiters with an edge to it.
    pub waiters_directly: usize,
    /// The number of waiters behind it, over any number of edges.
    pub waiters_in_all: usize,
    /// The longest wait of any of them, in seconds.
    pub longest_wait_seconds: Option<f64>,
}

/// Sessions that wait for each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WaitCycle {
    /// The members of the cycle.
    pub members: Vec<Who>,
    /// `true` for a certain deadlock: each member waits for a lock that the next one holds, or for
    /// a safe snapshot. `false` if some members only queue, so that the server may resolve the
    /// cycle by another order of the queue.
    pub is_certain: bool,
    /// `true` if the server finds such a cycle after `deadlock_timeout` and ends it. `false` if it
    /// contains a wait for a safe snapshot, which the server's search does not follow; it then
    /// lasts until one of its sessions is ended.
    pub is_ended_by_server: bool,
    /// The advice for the operator.
    pub remedy: String,
}

/// An edge of the graph: one session waits for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BlockingEdge {
    /// The waiting session.
    pub waiter: Who,
    /// The session that it waits for.
    pub blocker: Who,
    /// The kind of wait.
    pub kind: EdgeKind,
    /// The mode that the waiter wants.
    pub wanted_mode: Option<String>,
    /// The modes in which the blocker holds the same lock and that conflict with the wanted mode;
    /// for a session before it in the queue, the mode that that session wants.
    pub blocking_modes: Vec<String>,
}

/// The kind of wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EdgeKind {
    /// The blocker holds a lock that conflicts with the wanted one.
    Holds,
    /// The blocker is before the waiter in the queue, and wants a conflicting mode.
    Queues,
    /// The waiter wants a snapshot that no serializable transaction can make unsafe (`DEFERRABLE`).
    SafeSnapshot,
}

/// A session or prepared transaction that waits or blocks.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Participant {
    /// The session or prepared transaction.
    pub who: Who,
    /// Its database.
    pub database: Option<String>,
    /// Its role.
    pub username: Option<String>,
    /// Its `application_name`.
    pub application_name: Option<String>,
    /// The client's address; none for a Unix socket.
    pub client_address: Option<String>,
    /// The kind of process, such as `client backend`.
    pub backend_type: Option<String>,
    /// The session's state, such as `idle in transaction`.
    pub state: Option<String>,
    /// The current or last statement, with its values.
    pub query: Option<String>,
    /// The start of its transaction.
    pub transaction_started_at: Option<DateTime<Utc>>,
    /// The class of its activity.
    pub class: Class,
    /// The advice for the operator.
    pub remedy: String,
    /// Its wait.
    pub wait: Option<Wait>,
}

/// The activity of a session that blocks others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Class {
    /// It waits itself.
    Waiting,
    /// It runs a statement.
    Active,
    /// It is idle in a transaction, perhaps after an error.
    IdleInTransaction,
    /// It is idle outside of a transaction and holds an advisory lock of its session.
    IdleWithSessionLock,
    /// A prepared transaction, which survives a restart of the server.
    PreparedTransaction,
    /// Autovacuum.
    Autovacuum,
    /// Another background process of the server.
    Background,
    /// The server does not track its activity, because `track_activities` is off for it.
    Untracked,
    /// The role may not see it, or it has ended in between.
    Unknown,
}

/// A wait for a lock or a safe snapshot.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Wait {
    /// The start of the wait; none for a moment after it began. For a safe snapshot, the start of
    /// the statement.
    pub since: Option<DateTime<Utc>>,
    /// The length of the wait, in seconds.
    pub seconds: Option<f64>,
    /// The lock; none for a safe snapshot.
    pub lock: Option<AwaitedLock>,
    /// The number of all blockers that the server reports, with the whole queue before the session.
    pub blockers_total: usize,
    /// The roots of all paths from this session.
    pub roots: Vec<Who>,
    /// The index of its own cycle in [`BlockingReport::cycles`].
    pub cycle: Option<usize>,
    /// The cycles that it waits for without belonging to them.
    pub behind_cycles: Vec<usize>,
    /// The number of edges to the nearest root.
    pub depth: usize,
}

/// A lock that a session waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AwaitedLock {
    /// The type, such as `transactionid`, which is how a session waits for a row that another
    /// transaction has changed.
    pub lock_type: String,
    /// The mode, such as `ShareLock`.
    pub mode: String,
    /// The database of the locked object; none for an object that all databases share.
    pub database: Option<String>,
    /// The schema of the table, when it is in the monitor's own database.
    pub relation_schema: Option<String>,
    /// The table, or the table of the row.
    pub relation_name: Option<String>,
    /// The table's oid, also in other databases.
    pub relation_id: Option<i64>,
    /// The page of the row.
    pub page: Option<i32>,
    /// The row's number in its page.
    pub tuple: Option<i16>,
    /// The key of an advisory lock with 64 bits; a text in JSON.
    #[serde(serialize_with = "crate::as_text::option")]
    pub advisory_key: Option<i64>,
    /// Both keys of an advisory lock with 32 bits each: `(1, 2)`.
    pub advisory_pair: Option<String>,
    /// The key's name in the registry: the namespace.
    pub lock_namespace: Option<String>,
    /// The key's name in the registry: the identifier.
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
    /// Returns the details of a session or prepared transaction in the edges.
    #[must_use]
    pub fn participant(&self, who: &Who) -> Option<&Participant> {
        self.participants.iter().find(|one| one.who == *who)
    }
}

impl fmt::Display for AwaitedLock {
    /// Writes a readable form: `row (0,1) of "banking"."accounts"`, `advisory lock customer "…"`.
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
