//! The observed results beside the expected ones.

use std::fmt;

use serde::Serialize;

use super::anomaly::{Anomaly, Level, Outcome};
use super::judge::Rows;
use super::schedule::SessionName;

/// The forty cells: each anomaly at each level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct IsolationReport {
    /// The server's version as in `server_version_num`: `150018` for 15.18.
    pub server_version: i32,
    /// The cells by anomaly, then by level.
    pub cells: Vec<Cell>,
}

/// One anomaly at one level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Cell {
    /// The anomaly.
    pub anomaly: Anomaly,
    /// The level of all its sessions.
    pub level: Level,
    /// The result on this server.
    pub observed: Outcome,
    /// The result that PostgreSQL documents.
    pub expected: Outcome,
    /// The steps of the sessions with the server's responses, in order.
    pub steps: Vec<StepRecord>,
}

/// One step with its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StepRecord {
    /// The session.
    pub session: SessionName,
    /// The statement.
    pub statement: String,
    /// The server's response.
    #[serde(rename = "answer")]
    pub result: StepResult,
}

/// The server's response to a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepResult {
    /// It returned rows of the table: identifier and value.
    Rows {
        /// The rows in the order of their identifiers.
        rows: Rows,
    },
    /// It executed the statement.
    Done,
    /// The session waits for another session of the run.
    Waits,
    /// It rejected the statement, and the transaction is aborted.
    Rejected {
        /// The SQLSTATE.
        sqlstate: String,
    },
    /// The statement was not sent, because the transaction had ended already.
    Skipped,
}

impl IsolationReport {
    /// Returns the cells whose result differs from the documentation: none on any known version.
    pub fn surprises(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(|cell| !cell.is_as_expected())
    }

    /// Returns the cell of an anomaly and a level.
    #[must_use]
    pub fn cell(&self, anomaly: Anomaly, level: Level) -> Option<&Cell> {
        self.cells
            .iter()
            .find(|cell| (cell.anomaly, cell.level) == (anomaly, level))
    }
}

impl Cell {
    /// Returns `true` if every result is the documented one.
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
            "{} cells were observed on server version {}, {surprises} of them different from PostgreSQL's documentation",
            self.cells.len(),
            self.server_version
        )
    }
}
