//! One anomaly at one level: executes the steps, and reads from the server which session waits.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use neobank_db::{Database, DatabaseError, Executor, statement};

use super::anomaly::{Anomaly, Level};
use super::error::IsolationError;
use super::judge::{History, judge};
use super::report::{Cell, StepRecord, StepResult};
use super::schedule::{Action, SessionName, steps};
use super::scratch::Scratch;
use super::session::{Reply, Request, Session};

/// The longest time of a step before the run fails, far more than any step needs.
pub(super) const STEP_LIMIT: Duration = Duration::from_secs(15);

/// The pause between two reads of `pg_blocking_pids`, which limits the load on the server.
const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// Returns whether a session of this run waits for another one of it.
///
/// Every role may see `application_name`, unlike states and wait events.
const IS_WAITING: &str = "SELECT EXISTS (
    SELECT FROM pg_catalog.pg_stat_activity AS waiter
    JOIN pg_catalog.pg_stat_activity AS blocker
        ON blocker.pid = ANY (pg_catalog.pg_blocking_pids(waiter.pid))
    WHERE waiter.application_name = $1 AND pg_catalog.starts_with(blocker.application_name, $2)
)";

/// The reason why a step failed.
enum Failure {
    Database(DatabaseError),
    TooLate(&'static str),
}

/// The states of a cell's sessions.
struct Run<'a> {
    database: &'a Database,
    scratch: &'a Scratch,
    sessions: BTreeMap<SessionName, Session>,
}

/// Executes an anomaly at a level.
pub(super) async fn observe(
    database: &Database,
    scratch: &Scratch,
    anomaly: Anomaly,
    level: Level,
) -> Result<Cell, IsolationError> {
    scratch.reset(database).await?;
    let mut run = Run {
        database,
        scratch,
        sessions: BTreeMap::new(),
    };
    for session in SessionName::ALL {
        if steps(anomaly).iter().any(|step| step.0 == session) {
            let name = scratch.session_name(session.as_str());
            let begun = Session::begin(database, level, &name).await?;
            run.sessions.insert(session, begun);
        }
    }
    let mut history = History::default();
    for (number, (session, action)) in steps(anomaly).iter().enumerate() {
        let step = number + 1;
        let result = run
            .step(*session, *action)
            .await
            .map_err(|failure| match failure {
                Failure::Database(source) => IsolationError::Step {
                    anomaly,
                    level,
                    step,
                    source,
                },
                Failure::TooLate(what) => IsolationError::Schedule {
                    anomaly,
                    level,
                    step,
                    what,
                    waited: STEP_LIMIT,
                },
            })?;
        history.steps.push(StepRecord {
            session: *session,
            statement: action.text(),
            result,
        });
    }
    history.end = scratch.rows(database).await?;
    Ok(Cell {
        anomaly,
        level,
        observed: judge(anomaly, &history),
        expected: anomaly.expected(level),
        steps: history.steps,
    })
}

impl Run<'_> {
    async fn step(&mut self, name: SessionName, action: Action) -> Result<StepResult, Failure> {
        let Some(session) = self.sessions.get_mut(&name) else {
            return Ok(StepResult::Skipped);
        };
        if let Some(request) = request(action, &self.scratch.table()) {
            session.send(request).await?;
        }
        if let Action::WriteAndWait(_) = action {
            self.until_it_waits(name).await?;
            return Ok(StepResult::Waits);
        }
        let reply = tokio::time::timeout(STEP_LIMIT, session.reply())
            .await
            .map_err(|_| Failure::TooLate("the server did not respond"))?;
        let result = response(reply)?;
        let is_over = matches!(action, Action::Commit | Action::Rollback)
            || matches!(result, StepResult::Rejected { .. });
        if is_over {
            self.end(name).await?;
        }
        Ok(result)
    }

    /// Reads the server's view until the session waits for another one of the run.
    async fn until_it_waits(&self, name: SessionName) -> Result<(), Failure> {
        let waiter = self.scratch.session_name(name.as_str());
        let any = self.scratch.session_name("");
        let deadline = Instant::now() + STEP_LIMIT;
        while Instant::now() < deadline {
            let parameters = [waiter.clone().into(), any.clone().into()];
            if self
                .database
                .fetch_value(statement(IS_WAITING, parameters))
                .await?
            {
                return Ok(());
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        Err(Failure::TooLate("the session did not begin to wait"))
    }

    /// Ends a session whose transaction is over; a rejected one is rolled back, which releases its
    /// locks.
    async fn end(&mut self, name: SessionName) -> Result<(), Failure> {
        let Some(mut session) = self.sessions.remove(&name) else {
            return Ok(());
        };
        // After a commit the session's task has ended and accepts no request.
        if session.send(Request::Rollback).await.is_ok() {
            let _ = tokio::time::timeout(STEP_LIMIT, session.reply()).await;
        }
        Ok(())
    }
}

fn request(action: Action, table: &str) -> Option<Request> {
    // The table's name comes from `Scratch::create`.
    let named = |sql: &str| sql.replace("{table}", table);
    match action {
        Action::Read(sql) => Some(Request::Read(named(sql))),
        Action::Write(sql) | Action::WriteAndWait(sql) => Some(Request::Write(named(sql))),
        Action::Commit => Some(Request::Commit),
        Action::Rollback => Some(Request::Rollback),
        Action::Released => None,
    }
}

/// Rejections by isolation are results; any other error fails the run.
fn response(reply: Reply) -> Result<StepResult, Failure> {
    match reply {
        Ok(Some(rows)) => Ok(StepResult::Rows { rows }),
        Ok(None) => Ok(StepResult::Done),
        Err(DatabaseError::Server(server)) if server.sqlstate.starts_with("40") => {
            Ok(StepResult::Rejected {
                sqlstate: server.sqlstate,
            })
        }
        Err(error) => Err(Failure::Database(error)),
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}
