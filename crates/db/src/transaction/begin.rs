//! The state of a transaction's `BEGIN`, and its text.

use std::time::Duration;

use tokio::sync::watch;

use super::{IsolationLevel, TransactionOptions};
use crate::config::Pooler;
use crate::error::DatabaseError;
use crate::pool::PooledConnection;

/// The progress of a transaction's `BEGIN`.
///
/// A statement that is pipelined behind a `BEGIN` runs outside of a transaction when the `BEGIN`
/// fails, for example because a cancel request for an earlier statement hits it. Therefore only
/// statements that change nothing are pipelined with the `BEGIN`; every other statement waits for
/// the server's answer to it.
#[derive(Debug)]
pub(crate) struct Begin {
    state: watch::Sender<BeginState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BeginState {
    Unsent,
    Sent,
    Begun,
    Failed,
}

/// The part of a statement in sending the `BEGIN`.
pub(crate) enum BeginClaim<'a> {
    /// The statement sends the `BEGIN`.
    Send(PendingBegin<'a>),
    /// Another statement has sent the `BEGIN`; the server may not have answered it yet.
    Sent,
}

/// A `BEGIN` in flight. Dropped without [`PendingBegin::succeed`], it marks the transaction as
/// failed.
pub(crate) struct PendingBegin<'a> {
    begin: &'a Begin,
    succeeded: bool,
}

impl Begin {
    pub(crate) fn new() -> Self {
        Self {
            state: watch::Sender::new(BeginState::Unsent),
        }
    }

    pub(crate) fn is_unsent(&self) -> bool {
        *self.state.borrow() == BeginState::Unsent
    }

    /// Claims the `BEGIN` for a statement that changes nothing. Never waits, so that statements
    /// keep their order.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::TransactionAborted`] when the `BEGIN` has failed.
    pub(crate) fn claim(&self) -> Result<BeginClaim<'_>, DatabaseError> {
        let mut is_first = false;
        self.state.send_if_modified(|state| {
            is_first = *state == BeginState::Unsent;
            if is_first {
                *state = BeginState::Sent;
            }
            is_first
        });
        if is_first {
            return Ok(BeginClaim::Send(PendingBegin {
                begin: self,
                succeeded: false,
            }));
        }
        if *self.state.borrow() == BeginState::Failed {
            return Err(DatabaseError::TransactionAborted);
        }
        Ok(BeginClaim::Sent)
    }

    /// Returns true when the server has confirmed the `BEGIN`, so that no statement has to wait for
    /// it.
    pub(crate) fn is_begun(&self) -> bool {
        *self.state.borrow() == BeginState::Begun
    }

    /// Returns true when the `BEGIN` is known to have failed.
    pub(crate) fn has_failed(&self) -> bool {
        *self.state.borrow() == BeginState::Failed
    }

    /// Waits for the answer to a `BEGIN` that another statement has sent.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::TransactionAborted`] when the `BEGIN` failed.
    pub(crate) async fn answered(&self) -> Result<(), DatabaseError> {
        let mut state = self.state.subscribe();
        match state
            .wait_for(|state| matches!(state, BeginState::Begun | BeginState::Failed))
            .await
            .as_deref()
        {
            Ok(BeginState::Begun) => Ok(()),
            _ => Err(DatabaseError::TransactionAborted),
        }
    }
}

impl PendingBegin<'_> {
    /// Records that the server has begun the transaction.
    pub(crate) fn succeed(mut self) {
        self.succeeded = true;
    }
}

impl Drop for PendingBegin<'_> {
    fn drop(&mut self) {
        let state = if self.succeeded {
            BeginState::Begun
        } else {
            BeginState::Failed
        };
        self.begin.state.send_replace(state);
    }
}

/// The settings of a transaction whose prepared statements keep a generic plan. They force index
/// look-ups, because a default of the database or the role may have switched these off. JIT is off,
/// because with nested loops disabled the planner's penalty would trigger a compilation for each
/// execution.
const KEEP_PLANS: &str = "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL jit = off; \
     SET LOCAL enable_nestloop = on; SET LOCAL enable_indexscan = on;";

pub(super) fn begin_statement(pooled: &PooledConnection, options: &TransactionOptions) -> String {
    let level = match options.isolation {
        IsolationLevel::ReadCommitted => "READ COMMITTED",
        IsolationLevel::RepeatableRead => "REPEATABLE READ",
        IsolationLevel::Serializable => "SERIALIZABLE",
    };
    let on_standby = pooled
        .connection()
        .server_role()
        .is_some_and(|role| role.in_recovery);
    let access = match (options.read_only, on_standby) {
        (true, _) => " READ ONLY",
        // A standby rejects `READ WRITE` itself, even where only reads follow.
        (false, true) => "",
        (false, false) => " READ WRITE",
    };
    // The level and the access mode are explicit, so that no default of the role or the database
    // weakens them.
    let mut begin = format!("BEGIN ISOLATION LEVEL {level}{access};");
    if options.keep_plans {
        begin.push_str(KEEP_PLANS);
    }
    let config = pooled.config();
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
        // The server reports a commit that no standby confirmed by a warning.
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

pub(super) fn set_local(name: &str, limit: Duration) -> String {
    // PostgreSQL reads 0 as "no limit".
    let milliseconds = limit.as_millis().clamp(1, 2_147_483_647);
    format!("SET LOCAL {name} = {milliseconds};")
}
