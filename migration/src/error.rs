use std::time::Duration;

use neobank_db::DatabaseError;
use thiserror::Error;

/// Why a roll-out stopped. Steps before the one that failed stay; the one that failed left nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// The URL cannot be read. It is not shown, since it may hold a password.
    #[error("the database URL cannot be read: {reason}")]
    Url {
        /// What is wrong.
        reason: String,
    },
    /// The server cannot be reached.
    #[error("no connection to the database: {reason}")]
    Connect {
        /// What the network or the server said.
        reason: String,
    },
    /// A pooler stands between the rollout and the server.
    #[error(
        "nothing was done: a pooler such as PgBouncer stands before the server, and its sessions are not kept; connect \
         to the server directly"
    )]
    Pooler,
    /// The server takes no writes.
    #[error(
        "nothing was done: the server is a standby and takes no writes; connect to its primary"
    )]
    Standby,
    /// Another role made, or may change, what the rollout would read or execute.
    #[error(
        "nothing was read or executed: {}; remove what is not yours, or roll out as the role that owns all of it (DB_ROLE)",
        first_of(.problems)
    )]
    Untrusted {
        /// What is another role's, one sentence each; at most ten.
        problems: Vec<String>,
    },
    /// The database cannot hold every character.
    #[error(
        "nothing was done: the database {database:?} has the encoding {encoding}, and a bank's texts need UTF8; create it \
         with ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding {
        /// The database's name.
        database: String,
        /// Its encoding, as the server names it.
        encoding: String,
    },
    /// Rows would be destroyed, and nothing has named the database.
    #[error(
        "nothing was changed: {table} in the database {database:?} has rows, and they would be destroyed; confirm with \
         the database's name"
    )]
    Unconfirmed {
        /// The database's name.
        database: String,
        /// The first table that has rows.
        table: String,
    },
    /// Another roll-out has not ended in time.
    #[error(
        "another roll-out has been running on this database for {waited:?}; try again when it has ended"
    )]
    Busy {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The connection does not keep its session, so the lock of the roll-out is worth nothing.
    #[error(
        "the roll-out's lock was lost, and nothing more was done: connect to the server directly, not through a transaction \
         pooler such as PgBouncer in transaction mode"
    )]
    LockLost,
    /// Applied migrations differ from those in the code.
    #[error("nothing was rolled out: {}", .problems.join("; "))]
    Inconsistent {
        /// What differs, one sentence each.
        problems: Vec<String>,
    },
    /// A table stayed locked through every attempt.
    #[error(
        "{step} was not applied: after {attempts} attempts of {lock_timeout:?} each, somebody still holds a lock that it \
         needs; nothing of it is left behind"
    )]
    Locked {
        /// The migration or the objects.
        step: String,
        /// How often it was tried.
        attempts: u32,
        /// How long each attempt waited for the lock.
        lock_timeout: Duration,
    },
    /// The server refused a step.
    #[error("{step} failed: {reason}; nothing of it is left behind")]
    Step {
        /// The migration or the objects.
        step: String,
        /// What the server said.
        reason: String,
    },
    /// The server refused a statement of a migration that is not a transaction.
    #[error(
        "{step} failed: {reason}; it is not a transaction, so what it did before stays, and it begins anew the next time"
    )]
    PartOfStep {
        /// The migration.
        step: String,
        /// What the server said.
        reason: String,
    },
    /// A migration contains `COMMIT` or `ROLLBACK`.
    #[error(
        "{step} ends its transaction by itself: take COMMIT and ROLLBACK out of its SQL; what it committed stays, and it \
         does not count as applied"
    )]
    TransactionEnded {
        /// The migration or the objects.
        step: String,
    },
    /// The connection broke during a commit.
    #[error(
        "whether {step} was applied is not known, since the connection broke while it was committed ({reason}): ask for \
         the status, or just try again"
    )]
    Unknown {
        /// The migration or the objects.
        step: String,
        /// What the network said.
        reason: String,
    },
    /// The database failed between the steps.
    #[error("the database failed: {reason}")]
    Database {
        /// What it said.
        reason: String,
    },
}

impl RolloutError {
    pub(crate) fn database(error: &DatabaseError) -> Self {
        Self::Database {
            reason: reason(error),
        }
    }
}

/// The first three, and how many others there are: a message is read at once.
fn first_of(problems: &[String]) -> String {
    let shown = problems.get(..3).unwrap_or(problems);
    let others = problems.len() - shown.len();
    let text = shown.join("; ");
    if others == 0 {
        text
    } else {
        format!("{text}; and {others} more like these")
    }
}

/// The server's own message with its SQLSTATE, without the driver's words around it.
pub(crate) fn reason(error: &DatabaseError) -> String {
    match error.server() {
        Some(server) => format!("{} (SQLSTATE {})", server.message, server.sqlstate),
        None => error.to_string(),
    }
}

/// The five characters of the server's error.
pub(crate) fn sqlstate(error: &DatabaseError) -> Option<&str> {
    Some(error.server()?.sqlstate.as_str())
}
