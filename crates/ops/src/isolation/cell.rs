//! One anomaly at one level: the steps are carried out, and the server's own view tells who waits.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use neobank_db::{Database, DatabaseError, Executor, statement};

use super::anomaly::{Anomaly, Level};
use super::error::IsolationError;
use super::judge::{History, judge};
use super::report::{Answer, Cell, StepRecord};
use super::schedule::{Action, SessionName, steps};
use super::scratch::Scratch;
use super::session::{Reply, Request, Session};

/// How long a step may take before the run is given up: far more than any step needs, less than an operator's patience.
pub(super) const STEP_LIMIT: Duration = Duration::from_secs(15);

/// Between two looks at who waits for whom, so as not to burden the server.
const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// Whether a session of this run waits for another one of it.
///
/// `application_name` is shown to everybody, unlike states and wait events.
const IS_WAITING: &str = "SELECT EXISTS (
    SELECT FROM pg_catalog.pg_stat_activity AS waiter
    JOIN pg_catalog.pg_stat_activity AS blocker
        ON blocker.pid = ANY (pg_catalog.pg_blocking_pids(waiter.pid))
    WHERE waiter.application_name = $1 AND pg_catalog.starts_with(blocker.application_name, $2)
)";

/// Why a step could not be seen through.
enum Failure {
    Database(DatabaseError),
    TooLate(&'static str),
}

/// Where a cell's sessions stand.
struct Run<'a> {
    database: &'a Database,
    scratch: &'a Scratch,
    sessions: BTreeMap<SessionName, Session>,
}

/// Carries an anomaly out at a level.
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
        let answer = run
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
            answer,
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
    async fn step(&mut self, name: SessionName, action: Action) -> Result<Answer, Failure> {
        let Some(session) = self.sessions.get_mut(&name) else {
            return Ok(Answer::Skipped);
        };
        if let Some(request) = request(action, &self.scratch.table()) {
            session.ask(request).await?;
        }
        if let Action::WriteAndWait(_) = action {
            self.until_it_waits(name).await?;
            return Ok(Answer::Waits);
        }
        let reply = tokio::time::timeout(STEP_LIMIT, session.reply())
            .await
            .map_err(|_| Failure::TooLate("the server did not answer"))?;
        let answer = answer(reply)?;
        let is_over = matches!(action, Action::Commit | Action::Rollback)
            || matches!(answer, Answer::Rejected { .. });
        if is_over {
            self.end(name).await?;
        }
        Ok(answer)
    }

    /// Looks at the server's own view until it says that the session waits for another one of the run.
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
        Err(Failure::TooLate("the session did not come to wait"))
    }

    /// Lets go of a session whose transaction is over; one that was refused is rolled back, which frees its locks.
    async fn end(&mut self, name: SessionName) -> Result<(), Failure> {
        let Some(mut session) = self.sessions.remove(&name) else {
            return Ok(());
        };
        // After a commit there is nobody to ask any more.
        if session.ask(Request::Rollback).await.is_ok() {
            let _ = tokio::time::timeout(STEP_LIMIT, session.reply()).await;
        }
        Ok(())
    }
}

fn request(action: Action, table: &str) -> Option<Request> {
    // The table's name is our own, see `Scratch::create`.
    let named = |sql: &str| sql.replace("{table}", table);
    match action {
        Action::Read(sql) => Some(Request::Read(named(sql))),
        Action::Write(sql) | Action::WriteAndWait(sql) => Some(Request::Write(named(sql))),
        Action::Commit => Some(Request::Commit),
        Action::Rollback => Some(Request::Rollback),
        Action::Released => None,
    }
}

/// Refusals for the sake of isolation are what is looked for; any other error is one.
fn answer(reply: Reply) -> Result<Answer, Failure> {
    match reply {
        Ok(Some(rows)) => Ok(Answer::Rows { rows }),
        Ok(None) => Ok(Answer::Done),
        Err(DatabaseError::Server(server)) if server.sqlstate.starts_with("40") => {
            Ok(Answer::Rejected {
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
