//! The verdict on a round: its history against the books.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::books::Books;
use crate::history::{Answer, Event, Operation, Outcome, Request};

/// What a round's history and books say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judgement {
    /// Requests that were acknowledged.
    pub(crate) acknowledged: usize,
    /// Acknowledged requests that the books lack.
    pub(crate) lost: usize,
    /// Requests that the books have more than once.
    pub(crate) twice: usize,
    /// Entries in the books that no request made, or that a rejected request made.
    pub(crate) phantom: usize,
    /// All violations, for people.
    pub(crate) violations: Vec<String>,
}

/// What is known of a key.
#[derive(Default)]
struct Known<'a> {
    request: Option<&'a Request>,
    calls: usize,
    definite: usize,
    is_done: bool,
}

/// Compares a settled round's history with the books of its accounts.
pub(crate) fn judge(events: &[Event], books: &Books) -> Judgement {
    let mut judgement = Judgement::default();
    let keys = known_keys(events);
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for transfer in &books.transfers {
        *found
            .entry(transfer.key.as_deref().unwrap_or_default())
            .or_default() += 1;
    }
    for hold in &books.holds {
        *found
            .entry(hold.key.as_deref().unwrap_or_default())
            .or_default() += 1;
        for key in &hold.change_keys {
            found.entry(key).or_insert(1);
        }
    }
    for (key, one) in &keys {
        let times = found.get(key).copied().unwrap_or_default();
        let expected = one.request.map_or(1, |request| match request {
            Request::Group { steps } => steps.len(),
            _ => 1,
        });
        if one.is_done {
            judgement.acknowledged += 1;
            if times < expected {
                judgement.lost += 1;
                judgement
                    .violations
                    .push(format!("{key} was acknowledged and is not there"));
            }
        } else if times > 0 && one.calls == one.definite {
            judgement.phantom += 1;
            judgement
                .violations
                .push(format!("{key} was rejected, or failed, and is there"));
        }
        if times > expected {
            judgement.twice += 1;
            judgement
                .violations
                .push(format!("{key} is there {times} times"));
        }
    }
    for key in found.keys().filter(|key| !keys.contains_key(*key)) {
        judgement.phantom += 1;
        judgement
            .violations
            .push(format!("{key:?} is there and was never sent"));
    }
    let sum: Decimal = books.accounts.iter().map(|account| account.balance).sum();
    let opening: Decimal = books
        .accounts
        .iter()
        .map(|account| account.opening_balance)
        .sum();
    if sum != opening {
        judgement
            .violations
            .push(format!("the balances sum to {sum}, not to {opening}"));
    }
    judgement
}

fn known_keys(events: &[Event]) -> BTreeMap<&str, Known<'_>> {
    let mut keys: BTreeMap<&str, Known<'_>> = BTreeMap::new();
    let mut operations = BTreeMap::new();
    for event in events {
        match event {
            Event::Sent {
                call, operation, ..
            } => {
                operations.insert(*call, operation);
                for (key, request) in requests(operation) {
                    let known = keys.entry(key).or_default();
                    known.request = Some(request);
                    known.calls += 1;
                }
            }
            Event::Answered { call, answer, .. } => {
                let Some(operation) = operations.get(call) else {
                    continue;
                };
                let outcomes = match answer {
                    Answer::Outcome { outcome } => std::slice::from_ref(outcome),
                    Answer::Outcomes { outcomes } => outcomes,
                    _ => continue,
                };
                for ((key, _), outcome) in requests(operation).into_iter().zip(outcomes) {
                    let known = keys.entry(key).or_default();
                    match outcome {
                        Outcome::Done { .. } => known.is_done = true,
                        Outcome::Rejected { .. } | Outcome::NotExecuted { .. } => {
                            known.definite += 1;
                        }
                        Outcome::Unknown { .. } => {}
                    }
                }
            }
        }
    }
    keys
}

fn requests(operation: &Operation) -> Vec<(&str, &Request)> {
    match operation {
        Operation::Write { key, request } => vec![(key, request)],
        Operation::Batch { requests } => requests
            .iter()
            .map(|(key, one)| (key.as_str(), one))
            .collect(),
        Operation::ReadBalances { .. } | Operation::ReadEntries { .. } => Vec::new(),
    }
}

/// Returns the kinds of the calls' errors with their numbers, the most frequent first.
pub(crate) fn errors(events: &[Event]) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = |outcome: &Outcome| {
        if let Outcome::NotExecuted { error } | Outcome::Unknown { error } = outcome {
            let mut text = error.clone();
            text.truncate(
                text.char_indices()
                    .nth(90)
                    .map_or(text.len(), |(index, _)| index),
            );
            *counts.entry(text).or_default() += 1;
        }
    };
    for event in events {
        match event {
            Event::Answered {
                answer: Answer::Outcome { outcome },
                ..
            } => count(outcome),
            Event::Answered {
                answer: Answer::Outcomes { outcomes },
                ..
            } => {
                outcomes.iter().for_each(&mut count);
            }
            Event::Answered {
                answer: Answer::ReadFailed { error },
                ..
            } => {
                count(&Outcome::NotExecuted {
                    error: format!("read: {error}"),
                });
            }
            _ => {}
        }
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    sorted
}
