//! The calls of a history, and what its keys were asked and answered.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Invariant, Violation};
use crate::history::{Answer, CallId, Entry, Event, Operation, Outcome, Request};

/// The calls of a history, by what they asked for.
#[derive(Debug, Default)]
pub(super) struct Calls<'a> {
    /// The number of calls.
    pub(super) count: usize,
    /// The requests, by their keys.
    pub(super) keys: BTreeMap<&'a str, Key<'a>>,
    /// The reads of balances that were answered.
    pub(super) balances: Vec<BalancesRead<'a>>,
    /// The reads of entries that were answered.
    pub(super) entries: Vec<EntriesRead<'a>>,
    /// The answers that fit no call.
    pub(super) violations: Vec<Violation>,
}

/// All that was sent and answered under one key.
#[derive(Debug, Default)]
pub(super) struct Key<'a> {
    /// The attempts, in the order of their sending.
    pub(super) attempts: Vec<Attempt<'a>>,
}

/// One request of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    pub(super) call: CallId,
    pub(super) sent: u64,
    /// The time of the answer; `None` if the process ended before it.
    pub(super) answered: Option<u64>,
    pub(super) request: &'a Request,
    /// The outcome; `None` for a call without an answer.
    pub(super) outcome: Option<&'a Outcome>,
}

/// An answered read, with its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) call: CallId,
    pub(super) sent: u64,
    pub(super) answered: u64,
}

/// A read of balances.
#[derive(Debug)]
pub(super) struct BalancesRead<'a> {
    pub(super) span: Span,
    pub(super) accounts: &'a [Uuid],
    pub(super) balances: &'a [Decimal],
}

/// A read of the entries of an account.
#[derive(Debug)]
pub(super) struct EntriesRead<'a> {
    pub(super) span: Span,
    pub(super) account: Uuid,
    pub(super) entries: &'a [Entry],
}

/// What the caller was told by [`Outcome::Done`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Done<'a> {
    pub(super) call: CallId,
    pub(super) answered: u64,
    pub(super) request: &'a Request,
    pub(super) hold: Option<Uuid>,
    pub(super) entries: &'a [Entry],
}

impl<'a> Calls<'a> {
    /// Pairs each call with its answer.
    pub(super) fn of(events: &'a [Event]) -> Self {
        let mut calls = Self::default();
        let mut sent = BTreeMap::new();
        let mut answers = BTreeMap::new();
        for event in events {
            let (call, known) = match event {
                Event::Sent {
                    call,
                    at,
                    operation,
                } => (call, sent.insert(*call, (*at, operation)).is_some()),
                Event::Answered { call, at, answer } => {
                    (call, answers.insert(*call, (*at, answer)).is_some())
                }
            };
            if known {
                calls.malformed(format!("{call} was sent or answered twice"));
            }
        }
        for call in answers.keys().filter(|call| !sent.contains_key(call)) {
            calls.malformed(format!("{call} was answered and never sent"));
        }
        calls.count = sent.len();
        for (call, (at, operation)) in sent {
            calls.add(call, at, operation, answers.get(&call).copied());
        }
        for key in calls.keys.values_mut() {
            key.attempts
                .sort_by_key(|attempt| (attempt.sent, attempt.call));
        }
        calls
    }

    fn add(
        &mut self,
        call: CallId,
        sent: u64,
        operation: &'a Operation,
        answered: Option<(u64, &'a Answer)>,
    ) {
        if answered.is_some_and(|(at, _)| at < sent) {
            self.malformed(format!("{call} was answered before it was sent"));
        }
        let at = answered.map(|(at, _)| at);
        let span = at.map(|answered| Span {
            call,
            sent,
            answered,
        });
        let answer = answered.map(|(_, answer)| answer);
        match (operation, answer) {
            (Operation::Write { key, request }, None) => {
                self.attempt(key, call, (sent, at), request, None);
            }
            (Operation::Write { key, request }, Some(Answer::Outcome { outcome })) => {
                self.attempt(key, call, (sent, at), request, Some(outcome));
            }
            (Operation::Batch { requests }, None) => {
                for (key, request) in requests {
                    self.attempt(key, call, (sent, at), request, None);
                }
            }
            (Operation::Batch { requests }, Some(Answer::Outcomes { outcomes })) => {
                if requests.len() != outcomes.len() {
                    let (asked, told) = (requests.len(), outcomes.len());
                    self.malformed(format!("{call} has {told} outcomes for {asked} requests"));
                }
                for (index, (key, request)) in requests.iter().enumerate() {
                    self.attempt(key, call, (sent, at), request, outcomes.get(index));
                }
            }
            (Operation::ReadBalances { accounts }, Some(Answer::Balances { balances })) => {
                if accounts.len() != balances.len() {
                    let (asked, told) = (accounts.len(), balances.len());
                    self.malformed(format!("{call} has {told} balances of {asked} accounts"));
                }
                self.balances.extend(span.map(|span| BalancesRead {
                    span,
                    accounts,
                    balances,
                }));
            }
            (Operation::ReadEntries { account }, Some(Answer::Entries { entries })) => {
                self.entries.extend(span.map(|span| EntriesRead {
                    span,
                    account: *account,
                    entries,
                }));
            }
            (
                Operation::ReadBalances { .. } | Operation::ReadEntries { .. },
                None | Some(Answer::ReadFailed { .. }),
            ) => {}
            (_, Some(_)) => {
                self.malformed(format!("the answer of {call} does not fit what was asked"));
                self.attempts_without_answer(call, sent, operation);
            }
        }
    }

    /// Keeps the requests of a call whose answer says nothing about them.
    fn attempts_without_answer(&mut self, call: CallId, sent: u64, operation: &'a Operation) {
        match operation {
            Operation::Write { key, request } => {
                self.attempt(key, call, (sent, None), request, None);
            }
            Operation::Batch { requests } => {
                for (key, request) in requests {
                    self.attempt(key, call, (sent, None), request, None);
                }
            }
            Operation::ReadBalances { .. } | Operation::ReadEntries { .. } => {}
        }
    }

    fn attempt(
        &mut self,
        key: &'a str,
        call: CallId,
        (sent, answered): (u64, Option<u64>),
        request: &'a Request,
        outcome: Option<&'a Outcome>,
    ) {
        self.keys.entry(key).or_default().attempts.push(Attempt {
            call,
            sent,
            answered,
            request,
            outcome,
        });
    }

    fn malformed(&mut self, detail: String) {
        self.violations.push(Violation {
            invariant: Invariant::WellFormed,
            detail,
        });
    }
}

impl<'a> Attempt<'a> {
    /// Returns true if the caller knows that this attempt changed nothing.
    pub(super) const fn changed_nothing(&self) -> bool {
        matches!(
            self.outcome,
            Some(Outcome::Rejected { .. } | Outcome::NotExecuted { .. })
        )
    }

    /// Returns true if the caller does not know the outcome.
    pub(super) const fn is_unknown(&self) -> bool {
        matches!(self.outcome, None | Some(Outcome::Unknown { .. }))
    }

    /// Returns what the caller was told of a request that happened.
    pub(super) fn done(&self) -> Option<Done<'a>> {
        match (self.outcome, self.answered) {
            (Some(Outcome::Done { hold, entries, .. }), Some(answered)) => Some(Done {
                call: self.call,
                answered,
                request: self.request,
                hold: *hold,
                entries,
            }),
            _ => None,
        }
    }
}

impl<'a> Key<'a> {
    /// Returns the answers that say that the request happened.
    pub(super) fn done(&self) -> impl Iterator<Item = Done<'a>> {
        self.attempts.iter().filter_map(Attempt::done)
    }

    /// Returns the earliest time at which the request can have happened, which is none if each
    /// caller knows that it did not.
    pub(super) fn begin(&self) -> Option<u64> {
        let mut attempts = self.attempts.iter();
        attempts
            .find(|attempt| !attempt.changed_nothing())
            .map(|attempt| attempt.sent)
    }

    /// Returns the time from which on the request is known to have happened.
    pub(super) fn end(&self) -> Option<u64> {
        self.done().map(|done| done.answered).min()
    }

    /// Returns the calls, as a text.
    pub(super) fn calls(&self) -> String {
        let calls: Vec<_> = self
            .attempts
            .iter()
            .map(|attempt| attempt.call.to_string())
            .collect();
        calls.join(", ")
    }
}
