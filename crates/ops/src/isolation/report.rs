//! What was seen, beside what was expected.

use std::fmt;

use serde::Serialize;

use super::anomaly::{Anomaly, Level, Outcome};
use super::judge::Rows;
use super::schedule::SessionName;

/// The forty cells: each anomaly at each level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct IsolationReport {
    /// The server's version, as `server_version_num` has it: `150018` for 15.18.
    pub server_version: i32,
    /// By anomaly, then by level.
    pub cells: Vec<Cell>,
}

/// One anomaly at one level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Cell {
    /// What was tried.
    pub anomaly: Anomaly,
    /// At which level all its sessions ran.
    pub level: Level,
    /// What became of it on this server, just now.
    pub observed: Outcome,
    /// What PostgreSQL documents.
    pub expected: Outcome,
    /// What each session did and what the server answered, in order.
    pub steps: Vec<StepRecord>,
}

/// One step, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StepRecord {
    /// Who did it.
    pub session: SessionName,
    /// What it did.
    pub statement: String,
    /// What the server did.
    pub answer: Answer,
}

/// What the server did with a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// It returned rows of the table: identifier and value.
    Rows {
        /// In the order of their identifiers.
        rows: Rows,
    },
    /// It did what was asked.
    Done,
    /// It made the session wait for another of them.
    Waits,
    /// It refused, and the transaction is over.
    Rejected {
        /// Why.
        sqlstate: String,
    },
    /// Not asked, because the transaction was over already.
    Skipped,
}

impl IsolationReport {
    /// The cells where the server did something else than it documents: never any.
    pub fn surprises(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(|cell| !cell.is_as_expected())
    }

    /// The cell of an anomaly and a level.
    #[must_use]
    pub fn cell(&self, anomaly: Anomaly, level: Level) -> Option<&Cell> {
        self.cells
            .iter()
            .find(|cell| (cell.anomaly, cell.level) == (anomaly, level))
    }
}

impl Cell {
    /// Whether the server did what it documents.
    #[must_use]
    pub fn is_as_expected(&self) -> bool {
        self.observed == self.expected
    }
}

impl fmt::Display for IsolationReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:<41}", "")?;
        for level in Level::ALL {
            write!(formatter, "{level:<18}")?;
        }
        for anomaly in Anomaly::ALL {
            write!(formatter, "\n{:<41}", anomaly.to_string())?;
            for level in Level::ALL {
                match self.cell(anomaly, level) {
                    Some(cell) if cell.is_as_expected() => {
                        write!(formatter, "{:<18}", cell.observed)?;
                    }
                    Some(cell) => {
                        write!(formatter, "{} (NOT {}) ", cell.observed, cell.expected)?;
                    }
                    None => write!(formatter, "{:<18}", "-")?,
                }
            }
        }
        writeln!(formatter)?;
        let surprises = self.surprises().count();
        write!(
            formatter,
            "{} cells were observed on server version {}, {surprises} of them not as PostgreSQL documents",
            self.cells.len(),
            self.server_version
        )
    }
}
