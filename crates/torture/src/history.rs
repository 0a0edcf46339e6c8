//! The history: what a load sent, and what it was answered.
//!
//! Each process writes its own file, outside of the database: one JSON text a line, [`Event::Sent`]
//! before a call and [`Event::Answered`] after it. A call without an answer is of unknown outcome.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A line of a history.
///
/// # Example
///
/// ```
/// use neobank_torture::history::{Answer, Event};
///
/// let line = concat!(
///     r#"{"event":"answered","call":{"process":2,"number":17},"at":86400,"#,
///     r#""answer":{"answer":"outcome","outcome":{"outcome":"unknown","error":"timeout"}}}"#,
/// );
/// let event: Event = serde_json::from_str(line)?;
/// assert!(matches!(event, Event::Answered { at: 86_400, answer: Answer::Outcome { .. }, .. }));
/// assert_eq!(serde_json::to_string(&event)?, line);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The call is about to be made.
    Sent {
        /// The call.
        call: CallId,
        /// The time, in microseconds of the machine's monotonic clock, which all processes share.
        at: u64,
        /// What the call asks for.
        operation: Operation,
    },
    /// The call has ended.
    Answered {
        /// The call.
        call: CallId,
        /// The time, on the same clock.
        at: u64,
        /// What the caller knows now.
        answer: Answer,
    },
}

/// A call: its process, and its number in that process.
///
/// # Example
///
/// ```
/// use neobank_torture::history::CallId;
///
/// let call = CallId {
///     process: 2,
///     number: 17,
/// };
/// assert_eq!(call.to_string(), "call 17 of process 2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId {
    /// The process's number.
    pub process: u32,
    /// The call's number, from 0.
    pub number: u64,
}

/// What a call asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum Operation {
    /// A request under an idempotency key. The caller repeats a request of unknown outcome under
    /// the same key, as a further call.
    Write {
        /// The idempotency key.
        key: String,
        /// The request.
        request: Request,
    },
    /// Requests that the caller sends as one list, each with its own key and outcome.
    Batch {
        /// The keys and requests, in order.
        requests: Vec<(String, Request)>,
    },
    /// The balances of accounts in one snapshot.
    ReadBalances {
        /// The accounts.
        accounts: Vec<Uuid>,
    },
    /// All entries of an account, in one snapshot.
    ReadEntries {
        /// The account.
        account: Uuid,
    },
}

/// A request that moves or reserves money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// A transfer.
    Transfer(Movement),
    /// Movements that happen together or not at all.
    Group {
        /// The movements, in order.
        steps: Vec<Movement>,
    },
    /// A reservation.
    Hold {
        /// The movement that a capture makes.
        movement: Movement,
        /// The time after which it cannot be captured, in milliseconds since 1970, by the server's
        /// clock.
        expires_at: Option<i64>,
    },
    /// A transfer of an amount that a hold has reserved.
    Capture {
        /// The hold.
        hold: Uuid,
        /// The amount; `None` for all.
        amount: Option<Decimal>,
        /// Whether the rest of the hold is released.
        is_final: bool,
    },
    /// The end of a hold.
    Release {
        /// The hold.
        hold: Uuid,
    },
    /// The reversal of a transfer.
    Reversal {
        /// The transfer.
        transfer: Uuid,
        /// The amount; `None` for all that is not yet reversed.
        amount: Option<Decimal>,
    },
}

/// An amount from one account to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// The account that pays.
    pub from: Uuid,
    /// The account that is paid.
    pub to: Uuid,
    /// The amount.
    pub amount: Decimal,
}

/// What a caller knows after a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The outcome of a [`Operation::Write`].
    Outcome {
        /// The outcome.
        outcome: Outcome,
    },
    /// The outcomes of a [`Operation::Batch`], in order.
    Outcomes {
        /// The outcomes.
        outcomes: Vec<Outcome>,
    },
    /// The balances of [`Operation::ReadBalances`], in order.
    Balances {
        /// The book balances.
        balances: Vec<Decimal>,
    },
    /// The entries of [`Operation::ReadEntries`], in order.
    Entries {
        /// The entries.
        entries: Vec<Entry>,
    },
    /// A read that failed.
    ReadFailed {
        /// The error.
        error: String,
    },
}

/// What a caller knows of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The request happened, now or at an earlier call under the same key.
    Done {
        /// The hold that the request made or changed.
        hold: Option<Uuid>,
        /// The entries that the receipt names.
        entries: Vec<Entry>,
        /// Whether an earlier call had made it.
        is_replay: bool,
    },
    /// The ledger rejected the request, and nothing changed.
    Rejected {
        /// The kind of the rejection.
        kind: String,
    },
    /// The request was not executed, as its caller knows for certain; it may be sent again.
    NotExecuted {
        /// The error.
        error: String,
    },
    /// The caller does not know whether the request was executed.
    Unknown {
        /// The error.
        error: String,
    },
}

/// An entry, as a receipt or a statement shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The transfer.
    pub transfer: Uuid,
    /// The account.
    pub account: Uuid,
    /// The number in the account, from 1.
    pub number: i64,
    /// The amount: positive for a credit, negative for a debit. `None` where the answer does not
    /// show it.
    pub amount: Option<Decimal>,
    /// The book balance after the entry.
    pub balance: Decimal,
}

impl fmt::Display for CallId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "call {} of process {}",
            self.number, self.process
        )
    }
}
