//! Counters of retries, by transaction and SQLSTATE.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The highest number of pairs of a name and an SQLSTATE. Names come from the program's source, so
/// more pairs are a mistake that must not cost memory.
const PAIRS_MAX: usize = 1000;

/// The number of failures of one transaction with one SQLSTATE.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryCount {
    /// The name of the transaction.
    pub transaction: &'static str,
    /// The SQLSTATE. It is `lost` for a commit without an answer that had not taken effect, and empty
    /// when the error did not come from the server.
    pub sqlstate: String,
    /// The number of retries.
    pub retries: u64,
    /// The number of times that the transaction was given up.
    pub failures: u64,
}

/// The step that follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    Retry,
    GiveUp,
}

/// Counters by name and SQLSTATE.
#[derive(Debug, Default)]
pub(crate) struct RetryCounts(Mutex<BTreeMap<Key, (u64, u64)>>);

type Key = (&'static str, String);

impl RetryCounts {
    pub(crate) fn count(&self, transaction: &'static str, sqlstate: &str, next: AfterFailure) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (transaction, sqlstate.to_owned());
        if counts.len() >= PAIRS_MAX && !counts.contains_key(&key) {
            return;
        }
        let (retries, failures) = counts.entry(key).or_default();
        match next {
            AfterFailure::Retry => *retries += 1,
            AfterFailure::GiveUp => *failures += 1,
        }
    }

    pub(crate) fn all(&self) -> Vec<RetryCount> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .map(
                |((transaction, sqlstate), (retries, failures))| RetryCount {
                    transaction,
                    sqlstate: sqlstate.clone(),
                    retries: *retries,
                    failures: *failures,
                },
            )
            .collect()
    }
}
