//! How often transactions were run again, and why.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Names are part of the program, SQLSTATEs of PostgreSQL: more than this many pairs is a mistake that must not cost memory.
const PAIRS_MAX: usize = 1000;

/// How often one transaction failed in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryCount {
    /// The transaction's name.
    pub transaction: &'static str,
    /// The SQLSTATE; `lost` for a commit without an answer that had not happened, empty where the server said nothing.
    pub sqlstate: String,
    /// How often it was run again.
    pub retries: u64,
    /// How often it was given up.
    pub failures: u64,
}

/// What became of an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    Retry,
    GiveUp,
}

/// Counts by name and SQLSTATE.
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
