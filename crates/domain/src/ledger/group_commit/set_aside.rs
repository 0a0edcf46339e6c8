//! Requests that are set aside, because another session holds a resource that they need.
//!
//! The resource is an account's row lock, an idempotency key, or the accounts of a batch whose
//! server process does not answer. Requests that need it wait here, one queue for each hold, and
//! return to the main queue when it is free. Other requests overtake them, also those for their
//! second account.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use neobank_db::DatabaseError;

use super::submission::Submission;
use crate::AccountId;

/// The holds, and the submissions behind each.
#[derive(Default)]
pub(super) struct SetAside {
    accounts: HashMap<AccountId, u64>,
    keys: HashMap<String, u64>,
    /// The submissions behind each hold, in the order of their arrival.
    behind: HashMap<u64, VecDeque<Submission>>,
    last: u64,
}

impl SetAside {
    /// Begins a hold on accounts. It replaces an older hold on the same account.
    pub(super) fn hold_accounts(&mut self, accounts: &[AccountId]) -> u64 {
        let number = self.begin();
        for account in accounts {
            self.accounts.insert(*account, number);
        }
        number
    }

    /// Begins a hold on a key, or on nothing for a request without one. Returns `None` if the key
    /// is held already.
    pub(super) fn hold_key(&mut self, key: Option<&str>) -> Option<u64> {
        if key.is_some_and(|key| self.keys.contains_key(key)) {
            return None;
        }
        let number = self.begin();
        if let Some(key) = key {
            self.keys.insert(key.to_owned(), number);
        }
        Some(number)
    }

    fn begin(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.behind.insert(self.last, VecDeque::new());
        self.last
    }

    /// Returns the hold on an account.
    pub(super) fn of_account(&self, account: AccountId) -> Option<u64> {
        self.accounts.get(&account).copied()
    }

    /// Returns the hold that keeps a submission from being executed.
    pub(super) fn of(&self, submission: &Submission) -> Option<u64> {
        if self.behind.is_empty() {
            return None;
        }
        let request = submission.request();
        let by_account = || {
            let mut accounts = request.accounts();
            accounts.find_map(|account| self.of_account(account))
        };
        let key = request.idempotency_key();
        let by_key = key.and_then(|key| self.keys.get(key).copied());
        by_key.or_else(by_account)
    }

    /// Adds a submission at the end behind a hold.
    pub(super) fn push(&mut self, number: u64, mut submission: Submission, now: Instant) {
        submission.set_aside_since(now);
        self.behind.entry(number).or_default().push_back(submission);
    }

    /// Returns a submission to the front behind a hold.
    pub(super) fn push_first(&mut self, number: u64, submission: Submission) {
        self.behind
            .entry(number)
            .or_default()
            .push_front(submission);
    }

    /// Takes the first submission behind a hold.
    pub(super) fn pop(&mut self, number: u64) -> Option<Submission> {
        let behind = self.behind.get_mut(&number)?;
        loop {
            let submission = behind.pop_front()?;
            if !submission.is_over() {
                return Some(submission);
            }
        }
    }

    /// Returns the number of submissions behind all holds.
    pub(super) fn waiting(&self) -> usize {
        let behind = self.behind.values().map(VecDeque::len);
        behind.fold(0, usize::saturating_add)
    }

    /// Drops withdrawn submissions, and gives the error to those that have waited for `longest`.
    /// Returns true when a submission still waits.
    pub(super) fn expire(&mut self, number: u64, longest: Duration, error: &DatabaseError) -> bool {
        let Some(behind) = self.behind.get_mut(&number) else {
            return false;
        };
        let all = std::mem::take(behind);
        for submission in all {
            if submission.is_over() {
                continue;
            }
            if submission.waited_aside() < longest {
                behind.push_back(submission);
            } else {
                submission.answer(Err(error.clone().into()));
            }
        }
        !behind.is_empty()
    }

    /// Ends a hold, and returns the submissions behind it.
    pub(super) fn end(&mut self, number: u64) -> VecDeque<Submission> {
        self.accounts.retain(|_, hold| *hold != number);
        self.keys.retain(|_, hold| *hold != number);
        self.behind.remove(&number).unwrap_or_default()
    }
}
