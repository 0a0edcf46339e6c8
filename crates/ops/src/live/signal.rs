//! Cancelling a statement and terminating a session, without hitting another one.

use chrono::{DateTime, Utc};
use neobank_db::{FromRow, Statement};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

/// A signal to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// `pg_cancel_backend`: its statement ends with an error, the session stays.
    Cancel,
    /// `pg_terminate_backend`: the session ends, and its transaction is rolled back.
    Terminate,
}

/// A session as the caller saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Target {
    /// The process identifier.
    pub process_id: i32,
    /// The time of its connection, because the server reuses process identifiers.
    pub backend_start: DateTime<Utc>,
    /// The start of the statement that the caller saw. A cancellation is for this statement alone.
    pub statement_started_at: Option<DateTime<Utc>>,
}

impl Target {
    /// Creates the target of a signal: the session of this process identifier and this time of
    /// connection.
    #[must_use]
    pub const fn new(process_id: i32, backend_start: DateTime<Utc>) -> Self {
        Self {
            process_id,
            backend_start,
            statement_started_at: None,
        }
    }

    /// Sets the start of the statement that the caller saw.
    #[must_use]
    pub fn with_statement_started_at(
        mut self,
        statement_started_at: impl Into<Option<DateTime<Utc>>>,
    ) -> Self {
        self.statement_started_at = statement_started_at.into();
        self
    }
}

/// The result of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SignalOutcome {
    /// The server has sent it; the session reacts at its next opportunity.
    Sent,
    /// The session has ended, or its process identifier belongs to another one now: nothing was
    /// sent.
    Gone,
    /// The statement to cancel has ended: nothing was sent.
    StatementOver,
    /// The session is the monitor's own: nothing was sent.
    OwnSession,
}

#[derive(Debug, FromRow)]
struct OutcomeRow {
    outcome: String,
}

/// Returns the SQL, which finds the target and signals it in one statement. It is a text, because
/// sea-query cannot express that a function with an effect is called last.
#[must_use]
pub fn statement(signal: Signal, target: &Target) -> Statement {
    match signal {
        Signal::Cancel => neobank_db::statement(
            "SELECT CASE WHEN activity.pid = pg_catalog.pg_backend_pid() THEN 'own'
                WHEN activity.state IS DISTINCT FROM 'active' OR activity.query_start IS DISTINCT FROM $3 THEN 'over'
                WHEN pg_catalog.pg_cancel_backend(activity.pid) THEN 'sent' ELSE 'gone' END AS outcome
            FROM pg_catalog.pg_stat_activity AS activity WHERE activity.pid = $1 AND activity.backend_start = $2",
            [
                target.process_id.into(),
                target.backend_start.into(),
                target.statement_started_at.into(),
            ],
        ),
        Signal::Terminate => neobank_db::statement(
            "SELECT CASE WHEN activity.pid = pg_catalog.pg_backend_pid() THEN 'own'
                WHEN pg_catalog.pg_terminate_backend(activity.pid) THEN 'sent' ELSE 'gone' END AS outcome
            FROM pg_catalog.pg_stat_activity AS activity WHERE activity.pid = $1 AND activity.backend_start = $2",
            [target.process_id.into(), target.backend_start.into()],
        ),
    }
}

impl Monitor {
    /// Sends a signal to the session that the caller saw, and to no other: the statement that sends
    /// it compares process identifier and start. The role needs `pg_signal_backend`, or membership
    /// in the session's role.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`]; a missing privilege is a section without a result.
    pub async fn signal(
        &self,
        signal: Signal,
        target: &Target,
    ) -> Result<Section<SignalOutcome>, OpsError> {
        let rows: Section<Vec<OutcomeRow>> = self.section(statement(signal, target)).await?;
        Ok(
            rows.map(|rows| match rows.first().map(|row| row.outcome.as_str()) {
                Some("sent") => SignalOutcome::Sent,
                Some("over") => SignalOutcome::StatementOver,
                Some("own") => SignalOutcome::OwnSession,
                _ => SignalOutcome::Gone,
            }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn signal_sql_matches_the_snapshots() {
        let target = Target {
            process_id: 4711,
            backend_start: DateTime::UNIX_EPOCH,
            statement_started_at: Some(DateTime::UNIX_EPOCH),
        };
        insta::assert_snapshot!("live_cancel", readable(&statement(Signal::Cancel, &target)));
        insta::assert_snapshot!(
            "live_terminate",
            readable(&statement(Signal::Terminate, &target))
        );
    }
}
