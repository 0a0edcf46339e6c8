//! The commands of the bench to a process of the load, and its reports; a JSON text a line.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::history::Request;

/// A command of the bench.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub(crate) enum Command {
    /// Sends requests among these accounts, until the next command. The first account is hot.
    Load {
        /// The number of the round, which names the file of the history.
        round: u32,
        /// The accounts.
        accounts: Vec<Uuid>,
    },
    /// Takes over the requests whose outcome a killed process left unknown.
    Inherit {
        /// Their keys.
        requests: Vec<(String, Request)>,
    },
    /// Drops the futures of calls at any of their await points, or no longer.
    DropCalls {
        /// Whether to do so from now on.
        on: bool,
    },
    /// Sends no further request, but repeats those of unknown outcome until they are resolved.
    Settle,
}

/// What a process has done since it began.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The time of the report, on the machine's monotonic clock.
    pub(crate) at: u64,
    /// The round of the last `Load`.
    pub(crate) round: u32,
    /// Acknowledged requests.
    pub(crate) done: u64,
    /// Rejected requests.
    pub(crate) rejected: u64,
    /// Calls that certainly changed nothing, by an error.
    pub(crate) not_executed: u64,
    /// Calls of unknown outcome.
    pub(crate) unknown: u64,
    /// Reads.
    pub(crate) reads: u64,
    /// The time at which the last of the acknowledged requests was sent.
    pub(crate) last_sent: u64,
    /// The sum of the durations of the calls, in microseconds.
    pub(crate) duration_sum: u64,
    /// The longest call of the last report's interval, in microseconds.
    pub(crate) longest: u64,
    /// Requests whose outcome is unknown so far, and calls that run.
    pub(crate) open: u64,
    /// Whether no further request is sent, and `open` is zero.
    pub(crate) is_settled: bool,
}
