use std::time::Duration;

use neobank_db::DatabaseError;
use thiserror::Error;

/// The reason why a rollout stopped. Earlier steps stay; the failed step was rolled back.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// The URL is invalid. It is not shown, since it may hold a password.
    #[error("the database URL cannot be read: {reason}")]
    Url {
        /// The problem.
        reason: String,
    },
    /// The server cannot be reached.
    #[error("no connection to the database: {reason}")]
    Connect {
        /// The reason of the network or the server.
        reason: String,
    },
    /// A pooler stands between the rollout and the server.
    #[error(
        "nothing was done: a pooler such as PgBouncer is in front of the server, and a rollout needs one session; connect \
         to the server directly"
    )]
    Pooler,
    /// The server accepts no writes.
    #[error(
        "nothing was done: the server is a standby and accepts no writes; connect to its primary"
    )]
    Standby,
    /// Another role created, or may change, objects that the rollout would read or execute.
    #[error(
        "nothing was read or executed: {}; remove the other roles' objects, or run the rollout as the role that owns all of them (DB_ROLE)",
        first_of(.problems)
    )]
    Untrusted {
        /// The objects of other roles, one sentence each; at most ten.
        problems: Vec<String>,
    },
    /// The database's encoding cannot represent every character.
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
    /// Rows would be destroyed without a confirmation by the database's name.
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
    /// Another rollout has not ended in time.
    #[error(
        "another rollout has been running on this database for {waited:?}; try again when it has ended"
    )]
    Busy {
        /// The time that this one waited.
        waited: Duration,
    },
    /// The connection does not keep its session, so the rollout's lock is useless.
    #[error(
        "the rollout's lock was lost, and nothing more was done: connect to the server directly, not through a transaction \
         pooler such as PgBouncer in transaction mode"
    )]
    LockLost,
    /// Applied migrations differ from those in the code.
    #[error("no migration was applied: {}", .problems.join("; "))]
    Inconsistent {
        /// The differences, one sentence each.
        problems: Vec<String>,
    },
    /// A table stayed locked in every attempt.
    #[error(
        "{step} was not applied: after {attempts} attempts of {lock_timeout:?} each, another session still holds a lock that it \
         needs; nothing of it is left behind"
    )]
    Locked {
        /// The migration or the objects.
        step: String,
        /// The number of attempts.
        attempts: u32,
        /// The lock timeout of each attempt.
        lock_timeout: Duration,
    },
    /// The server rejected a step.
    #[error("{step} failed: {reason}; nothing of it is left behind")]
    Step {
        /// The migration or the objects.
        step: String,
        /// The server's reason.
        reason: String,
    },
    /// The server rejected a statement of a migration that is not a transaction.
    #[error(
        "{step} failed: {reason}; it is not a transaction, so its earlier statements stay, and the next rollout repeats it"
    )]
    PartOfStep {
        /// The migration.
        step: String,
        /// The server's reason.
        reason: String,
    },
    /// A migration contains `COMMIT` or `ROLLBACK`.
    #[error(
        "{step} ends its transaction by itself: remove COMMIT and ROLLBACK from its SQL; committed changes stay, and it \
         does not count as applied"
    )]
    TransactionEnded {
        /// The migration or the objects.
        step: String,
    },
    /// The connection broke during a commit.
    #[error(
        "the result of {step} is unknown, since the connection broke during its commit ({reason}): check \
         the status, or run the rollout again"
    )]
    Unknown {
        /// The migration or the objects.
        step: String,
        /// The network's error.
        reason: String,
    },
    /// The database failed between the steps.
    #[error("the database failed: {reason}")]
    Database {
        /// Its error.
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

/// Returns the first three problems, and the number of the others, so that the message stays short.
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

/// Returns the server's own message with its SQLSTATE, without the driver's text around it.
pub(crate) fn reason(error: &DatabaseError) -> String {
    match error.server() {
        Some(server) => format!("{} (SQLSTATE {})", server.message, server.sqlstate),
        None => error.to_string(),
    }
}

/// Returns the SQLSTATE of the server's error.
pub(crate) fn sqlstate(error: &DatabaseError) -> Option<&str> {
    Some(error.server()?.sqlstate.as_str())
}
