//! All data of one screen, read at one moment.

use std::time::Duration;

use chrono::{DateTime, Utc};
use neobank_ops::blocking::{BlockingReport, EdgeKind, Participant, Who};
use neobank_ops::live::{CountersRow, SessionRow};
use neobank_ops::{Monitor, OpsError, Section};

use super::tree::{Branch, Link, Place, branches};

/// The state of the server at one moment.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Sample {
    /// The time of the sample.
    pub taken_at: DateTime<Utc>,
    /// Every session.
    pub sessions: Section<Vec<SessionRow>>,
    /// The tree of blocking sessions, line by line.
    pub blocking: Section<Vec<BlockingLine>>,
    /// The server's connections.
    pub places: Section<Places>,
    /// The counters of work so far.
    pub counters: Section<CountersRow>,
}

/// Use of the server's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Places {
    /// Connections in use.
    pub used: i64,
    /// Connections for ordinary roles.
    pub usable: i32,
}

/// One line of the tree of blocking sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct BlockingLine {
    /// The distance to its root.
    pub depth: usize,
    /// The kind of line: `root`, `waits`, `queues`, `cycle` and others.
    pub place: &'static str,
    /// The process identifier; none for a prepared transaction and for the headline of a cycle.
    pub process_id: Option<i32>,
    /// The process identifier as a text, or the name of the prepared transaction.
    pub name: String,
    /// The number of waiters behind a root.
    pub waiters: Option<usize>,
    /// The length of its wait, in milliseconds; for a root, the longest wait behind it.
    pub wait_milliseconds: Option<i64>,
    /// The lock that it waits for.
    pub lock: Option<String>,
    /// The mode that it wants.
    pub mode: Option<String>,
    /// Its role.
    pub username: Option<String>,
    /// Its database.
    pub database: Option<String>,
    /// Its `application_name`.
    pub application_name: Option<String>,
    /// Its state, such as `idle in transaction`.
    pub state: Option<String>,
    /// The current or last statement.
    pub statement: Option<String>,
    /// The advice for the operator.
    pub remedy: String,
}

/// Reads all data.
///
/// # Errors
///
/// [`OpsError`] when the server cannot be queried; a missing result is in its [`Section`].
pub async fn sample(monitor: &Monitor) -> Result<Sample, OpsError> {
    let places = monitor.connection_limits().await?.map(|row| Places {
        used: row.tightest_used,
        usable: row.tightest_usable,
    });
    Ok(Sample {
        taken_at: Utc::now(),
        sessions: monitor.sessions().await?,
        blocking: monitor.blocking().await?.map(|report| lines(&report)),
        places,
        counters: monitor.counters().await?,
    })
}

/// Returns a report as lines: roots first, waiters below them.
pub(super) fn lines(report: &BlockingReport) -> Vec<BlockingLine> {
    let roots: Vec<Who> = report.roots.iter().map(|root| root.who.clone()).collect();
    let cycles: Vec<Vec<Who>> = report
        .cycles
        .iter()
        .map(|cycle| cycle.members.clone())
        .collect();
    let links: Vec<Link> = report
        .edges
        .iter()
        .map(|edge| Link {
            waiter: edge.waiter.clone(),
            blocker: edge.blocker.clone(),
            kind: edge.kind,
        })
        .collect();
    branches(&roots, &cycles, &links)
        .iter()
        .map(|branch| line(report, branch))
        .collect()
}

fn line(report: &BlockingReport, branch: &Branch) -> BlockingLine {
    let person = branch.who.as_ref().and_then(|who| report.participant(who));
    let mut line = person.map(described).unwrap_or_default();
    line.depth = branch.depth;
    line.name = branch
        .who
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    line.process_id = match &branch.who {
        Some(Who::Session { process_id }) => Some(*process_id),
        _ => None,
    };
    line.place = match branch.place {
        Place::Root => "blocks",
        Place::Waits(EdgeKind::Queues) => "queues",
        Place::Waits(EdgeKind::SafeSnapshot) => "wants a safe snapshot",
        Place::Waits(_) => "waits",
        Place::Member => "in the cycle",
        Place::Cycle(_) => "cycle",
    };
    match branch.place {
        Place::Root => {
            let root = report
                .roots
                .iter()
                .find(|root| Some(&root.who) == branch.who.as_ref());
            line.waiters = root.map(|root| root.waiters_in_all);
            let longest = root.and_then(|root| root.longest_wait_seconds);
            line.wait_milliseconds = longest.and_then(milliseconds);
        }
        Place::Cycle(number) => {
            if let Some(cycle) = report.cycles.get(number) {
                line.waiters = Some(cycle.members.len());
                line.remedy.clone_from(&cycle.remedy);
                let certain = if cycle.is_certain {
                    "a deadlock"
                } else {
                    "perhaps a deadlock"
                };
                line.statement = Some(format!("{certain}: {}", cycle.remedy));
            }
        }
        Place::Waits(_) | Place::Member => {}
    }
    line
}

fn described(person: &Participant) -> BlockingLine {
    let wait = person.wait.as_ref();
    let lock = wait.and_then(|wait| wait.lock.as_ref());
    BlockingLine {
        wait_milliseconds: wait.and_then(|wait| wait.seconds).and_then(milliseconds),
        lock: lock.map(ToString::to_string),
        mode: lock.map(|lock| lock.mode.clone()),
        username: person.username.clone(),
        database: person.database.clone(),
        application_name: person.application_name.clone(),
        state: person.state.clone(),
        statement: person.query.clone(),
        remedy: person.remedy.clone(),
        ..BlockingLine::default()
    }
}

fn milliseconds(seconds: f64) -> Option<i64> {
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    i64::try_from(wait.as_millis()).ok()
}
