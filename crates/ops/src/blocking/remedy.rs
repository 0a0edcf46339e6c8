//! Advice about a blocking session, as a command to copy.

use super::report::{Class, Who};
use crate::connections::UNTRACKED;

pub(super) fn class(
    is_waiting: bool,
    is_prepared: bool,
    backend_type: Option<&str>,
    state: Option<&str>,
) -> Class {
    match (is_waiting, is_prepared, backend_type, state) {
        (true, ..) => Class::Waiting,
        (_, true, ..) => Class::PreparedTransaction,
        (_, _, Some("autovacuum worker"), _) => Class::Autovacuum,
        (_, _, _, Some("active" | "fastpath function call")) => Class::Active,
        (_, _, _, Some("idle in transaction" | "idle in transaction (aborted)")) => {
            Class::IdleInTransaction
        }
        (_, _, _, Some("idle")) => Class::IdleWithSessionLock,
        (_, _, Some("client backend"), Some(UNTRACKED)) => Class::Untracked,
        (_, _, Some("client backend") | None, _) => Class::Unknown,
        (_, _, Some(_), _) => Class::Background,
    }
}

/// The view `concurrency.v_lock_analysis` has the same texts; a test compares them.
pub(super) fn remedy(class: Class, who: &Who) -> String {
    match (class, who) {
        (Class::PreparedTransaction, Who::PreparedTransaction { name }) => {
            let name = name.replace('\'', "''");
            format!(
                "Decide it in its database: COMMIT PREPARED '{name}'; or ROLLBACK PREPARED '{name}';"
            )
        }
        (_, Who::PreparedTransaction { .. }) => String::new(),
        (class, Who::Session { process_id }) => match class {
            Class::Waiting => "It waits itself: look at its root, or at its cycle.".to_owned(),
            Class::Active => {
                format!(
                    "Let it finish, or end its statement: SELECT pg_catalog.pg_cancel_backend({process_id});"
                )
            }
            Class::IdleInTransaction => format!(
                "End the transaction where it was left open, or the session: SELECT pg_catalog.pg_terminate_backend({process_id});"
            ),
            Class::IdleWithSessionLock => format!(
                "Free the session's lock where it was taken, or end the session: SELECT pg_catalog.pg_terminate_backend({process_id});"
            ),
            Class::Autovacuum => {
                "It cancels itself for waiting sessions, unless it prevents a wraparound: then let it finish."
                    .to_owned()
            }
            Class::Background => "It is a process of the server itself: let it finish.".to_owned(),
            Class::Untracked => format!(
                "Its activity is not tracked: turn track_activities on for it, or end the session: SELECT pg_catalog.pg_terminate_backend({process_id});"
            ),
            Class::Unknown | Class::PreparedTransaction => {
                "Its activity is hidden from this role: use a role with the privileges of pg_monitor."
                    .to_owned()
            }
        },
    }
}

/// Advice about a cycle among locks alone, which the server's deadlock search finds.
pub(super) const fn of_lock_cycle(is_certain: bool) -> &'static str {
    if is_certain {
        "The server ends one of them after deadlock_timeout; take these locks in one order everywhere."
    } else {
        "The server changes the order of the queue, or ends one of them, after deadlock_timeout."
    }
}

/// Advice about a cycle through waits for safe snapshots. Ending such a reader loses nothing,
/// because its transaction is read only. Cancelling its statement alone would leave the lock that
/// it holds.
pub(super) fn of_snapshot_cycle(readers: impl Iterator<Item = i32>) -> String {
    let calls: Vec<String> = readers
        .map(|process_id| format!("SELECT pg_catalog.pg_terminate_backend({process_id});"))
        .collect();
    format!(
        "The server does not look for cycles through a wait for a safe snapshot. End the reader, whose transaction changes nothing: {}",
        calls.join(" ")
    )
}
