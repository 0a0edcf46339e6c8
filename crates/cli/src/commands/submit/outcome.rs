//! The outcomes of lines, and their sums.

use std::fmt;

use neobank_domain::ledger::{GroupReceipt, HoldReceipt, Outcome, Receipt};
use serde::Serialize;
use serde_json::{Value, json};

use super::fields::LineError;
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
    /// The request was posted: what the line prints of it.
    Posted(Value),
    /// The key was posted before.
    Replayed(Value),
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
            LineResult::Posted(done) => with_outcome("posted", done),
            LineResult::Replayed(done) => with_outcome("replayed", done),
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

fn with_outcome(outcome: &str, done: &Value) -> Value {
    let mut document = done.clone();
    if let Some(fields) = document.as_object_mut() {
        fields.insert("outcome".to_owned(), outcome.into());
    }
    document
}

fn transfer(receipt: &Receipt) -> Value {
    let mut document = json!({
        "transfer_id": receipt.transfer_id,
        "reference_number": receipt.reference_number(),
        "amount": receipt.amount,
    });
    if let (Some(hold), Some(fields)) = (receipt.hold, document.as_object_mut()) {
        fields.insert("hold_id".to_owned(), json!(hold));
    }
    document
}

fn hold(receipt: &HoldReceipt) -> Value {
    json!({
        "hold_id": receipt.hold_id,
        "event_id": receipt.event_id,
        "event_type": receipt.event_type.as_str(),
        "amount": receipt.amount,
        "remaining": receipt.remaining,
    })
}

/// Returns the transfers of a group, and its holds and releases if it has some, with null for each
/// other step.
fn group(receipt: &GroupReceipt) -> Value {
    let steps = || receipt.steps.iter().map(Option::as_ref);
    let transfers = steps().map(|step| step?.transfer().map(transfer));
    let mut document = json!({
        "group_id": receipt.group_id,
        "transfers": transfers.collect::<Vec<_>>(),
    });
    let holds: Vec<_> = steps().map(|step| step?.hold().map(hold)).collect();
    if let Some(fields) = document.as_object_mut()
        && holds.iter().any(Option::is_some)
    {
        fields.insert("holds".to_owned(), json!(holds));
    }
    document
}

impl From<Outcome> for LineResult {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Posted(receipt) => Self::Posted(transfer(&receipt)),
            Outcome::Replayed(receipt) => Self::Replayed(transfer(&receipt)),
            Outcome::GroupPosted(receipt) => Self::Posted(group(&receipt)),
            Outcome::GroupReplayed(receipt) => Self::Replayed(group(&receipt)),
            Outcome::Hold(receipt) => Self::Posted(hold(&receipt)),
            Outcome::HoldReplayed(receipt) => Self::Replayed(hold(&receipt)),
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
