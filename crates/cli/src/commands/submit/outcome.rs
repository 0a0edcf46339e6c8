//! The outcomes of lines, and their sums.

use std::fmt;

use neobank_domain::ledger::{Outcome, Receipt};
use serde::Serialize;
use serde_json::{Value, json};

use super::line::LineError;
use crate::error::CommandError;

/// The outcome of one line.
#[derive(Clone, Debug)]
pub(super) struct LineOutcome {
    pub(super) line: u64,
    pub(super) key: Option<String>,
    pub(super) result: LineResult,
}

/// The result of a line.
#[derive(Clone, Debug)]
pub(super) enum LineResult {
    /// The request was posted.
    Posted(Box<Receipt>),
    /// The key was posted before.
    Replayed(Box<Receipt>),
    /// The ledger rejected the request.
    Rejected(CommandError),
    /// The line is no request.
    Invalid(LineError),
    /// The answer to the commit was lost.
    Unknown,
}

/// The number of lines with each outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Summary {
    posted: u64,
    replayed: u64,
    rejected: u64,
    invalid: u64,
    unknown: u64,
}

impl LineOutcome {
    /// Returns the outcome as a JSON object.
    pub(super) fn document(&self) -> Value {
        let mut document = match &self.result {
            LineResult::Posted(receipt) => posted("posted", receipt),
            LineResult::Replayed(receipt) => posted("replayed", receipt),
            LineResult::Rejected(error) => json!({
                "outcome": "rejected",
                "kind": error.kind,
                "message": error.message,
            }),
            LineResult::Invalid(error) => json!({
                "outcome": "invalid",
                "field": error.field,
                "message": error.message,
            }),
            LineResult::Unknown => json!({ "outcome": "unknown" }),
        };
        if let Some(fields) = document.as_object_mut() {
            fields.insert("line".to_owned(), self.line.into());
            fields.insert("key".to_owned(), self.key.clone().into());
        }
        document
    }
}

fn posted(outcome: &str, receipt: &Receipt) -> Value {
    json!({
        "outcome": outcome,
        "transfer_id": receipt.transfer_id,
        "reference_number": receipt.reference_number(),
        "amount": receipt.amount,
    })
}

impl From<Outcome> for LineResult {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Posted(receipt) => Self::Posted(Box::new(receipt)),
            Outcome::Replayed(receipt) => Self::Replayed(Box::new(receipt)),
            Outcome::Rejected(rejection) => Self::Rejected(rejection.into()),
            _ => Self::Unknown,
        }
    }
}

impl Summary {
    /// Counts a line.
    pub(super) const fn count(&mut self, outcome: &LineOutcome) {
        let count = match outcome.result {
            LineResult::Posted(_) => &mut self.posted,
            LineResult::Replayed(_) => &mut self.replayed,
            LineResult::Rejected(_) => &mut self.rejected,
            LineResult::Invalid(_) => &mut self.invalid,
            LineResult::Unknown => &mut self.unknown,
        };
        *count += 1;
    }

    /// Returns the number of lines.
    pub(super) const fn lines(&self) -> u64 {
        self.posted + self.replayed + self.rejected + self.invalid + self.unknown
    }

    /// Returns true when a line was rejected or invalid.
    pub(super) const fn has_wrong(&self) -> bool {
        self.rejected + self.invalid > 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} lines: {} posted, {} replayed, {} rejected, {} invalid",
            self.lines(),
            self.posted,
            self.replayed,
            self.rejected,
            self.invalid
        )?;
        if self.unknown > 0 {
            write!(formatter, ", {} unknown", self.unknown)?;
        }
        Ok(())
    }
}
