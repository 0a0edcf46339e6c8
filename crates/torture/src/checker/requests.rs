//! Requests: what their callers know is so in the books.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::calls::Done;
use super::view::{Traces, View};
use super::{Invariant, Report};
use crate::history::{Entry, Outcome, Request};

/// Requires a trace of each acknowledged request.
pub(super) fn acknowledged_are_present(view: &View<'_>, report: &mut Report) {
    report.checked.keys += view.calls.keys.len();
    for (key, known) in &view.calls.keys {
        let Some(done) = known.done().next() else {
            continue;
        };
        report.checked.acknowledged += 1;
        if !view.traces.contains_key(key) {
            let call = done.call;
            report.violation(
                Invariant::AcknowledgedPresent,
                format!(
                    "{call} was told that key {key:?} is done, and the books have nothing of it"
                ),
            );
        }
    }
}

/// Requires that the books have just what each receipt named.
pub(super) fn answers_are_in_the_books(view: &View<'_>, report: &mut Report) {
    for (key, known) in &view.calls.keys {
        let Some(traces) = view.traces.get(key) else {
            continue;
        };
        for done in known.done() {
            if let Err(difference) = compare(view, traces, &done) {
                let call = done.call;
                report.violation(
                    Invariant::AnswerInBooks,
                    format!("the receipt of {call} for key {key:?} {difference}"),
                );
            }
        }
    }
}

fn compare(view: &View<'_>, traces: &Traces<'_>, done: &Done<'_>) -> Result<(), String> {
    let posted = traces
        .transfers
        .iter()
        .filter_map(|transfer| view.transfers.get(&transfer.id));
    let mut booked: BTreeMap<_, _> = posted
        .flat_map(|posted| &posted.entries)
        .map(|entry| ((entry.account, entry.number), *entry))
        .collect();
    for told in done.entries {
        let name = (told.account, told.number);
        match booked.remove(&name) {
            Some(entry) if is_same(told, entry) => {}
            Some(entry) => return Err(format!("names {}, not {}", shown(told), shown(entry))),
            None => return Err(format!("names {}, which is not there", shown(told))),
        }
    }
    if let Some(entry) = booked.values().next() {
        return Err(format!("lacks {}", shown(entry)));
    }
    let mut holds = traces
        .holds
        .iter()
        .chain(&traces.changes)
        .map(|hold| hold.id);
    match (done.hold, done.request) {
        (Some(told), _) if holds.any(|hold| hold == told) => Ok(()),
        (Some(told), _) => Err(format!(
            "names hold {told}, which the key did not make or change"
        )),
        (None, Request::Hold { .. }) => Err("names no hold".to_owned()),
        (None, _) => Ok(()),
    }
}

/// Requires that the books have nothing of a request that no attempt can have made.
pub(super) fn rejected_are_absent(view: &View<'_>, report: &mut Report) {
    for (key, known) in &view.calls.keys {
        if known.begin().is_some() {
            continue;
        }
        report.checked.rejected += 1;
        if view.traces.contains_key(key) {
            let calls = known.calls();
            report.violation(
                Invariant::RejectedAbsent,
                format!("key {key:?} was not executed, says each of {calls}, and is in the books"),
            );
        }
    }
}

/// Requires the same receipt at each attempt, and no rejection after a receipt.
pub(super) fn answers_are_stable(view: &View<'_>, report: &mut Report) {
    for (key, known) in &view.calls.keys {
        let mut answers = known.done();
        let Some(first) = answers.next() else {
            continue;
        };
        report.checked.repeated += usize::from(known.attempts.len() > 1);
        for other in answers {
            let is_same = first.hold == other.hold && same_entries(first.entries, other.entries);
            if first.request == other.request && !is_same {
                let (one, two) = (first.call, other.call);
                report.violation(
                    Invariant::StableAnswer,
                    format!("{one} and {two} have different receipts for key {key:?}"),
                );
            }
        }
        for attempt in &known.attempts {
            let is_rejected = matches!(attempt.outcome, Some(Outcome::Rejected { .. }));
            let earlier = known
                .done()
                .find(|done| done.answered < attempt.sent && done.request == attempt.request);
            if let (true, Some(earlier)) = (is_rejected, earlier) {
                let (one, two) = (earlier.call, attempt.call);
                report.violation(
                    Invariant::StableAnswer,
                    format!("{one} has a receipt for key {key:?}, and {two} was rejected after it"),
                );
            }
        }
    }
}

/// Requires that each request of unknown outcome was repeated until there was an outcome.
pub(super) fn unknown_are_resolved(view: &View<'_>, report: &mut Report) {
    for (key, known) in &view.calls.keys {
        let unknown = known.attempts.iter().filter(|attempt| attempt.is_unknown());
        let Some(last) = unknown
            .map(|attempt| attempt.answered.unwrap_or(attempt.sent))
            .max()
        else {
            continue;
        };
        report.checked.unknown += 1;
        let is_resolved = known.done().next().is_some()
            || known.attempts.iter().any(|attempt| {
                attempt.sent >= last && matches!(attempt.outcome, Some(Outcome::Rejected { .. }))
            });
        if !is_resolved {
            let calls = known.calls();
            report.violation(
                Invariant::UnknownResolved,
                format!("the outcome of key {key:?} is unknown after {calls}"),
            );
        }
    }
}

/// Requires that a caller has sent the key of everything in the books.
pub(super) fn keys_were_sent(view: &View<'_>, report: &mut Report) {
    let mut phantom = |name: &str, id: Uuid, key: Option<&str>| {
        if key.is_none_or(|key| !view.calls.keys.contains_key(key)) {
            let key = key.map_or("no key".to_owned(), |key| format!("key {key:?}"));
            report.violation(
                Invariant::NoPhantom,
                format!("{name} {id} has {key}, which no caller has sent"),
            );
        }
    };
    for transfer in &view.books.transfers {
        phantom("transfer", transfer.id, transfer.key.as_deref());
    }
    for hold in &view.books.holds {
        phantom("hold", hold.id, hold.key.as_deref());
        for key in &hold.change_keys {
            phantom("a change of hold", hold.id, Some(key));
        }
    }
    for entry in &view.books.entries {
        if !view.transfers.contains_key(&entry.transfer) {
            report.violation(
                Invariant::NoPhantom,
                format!("{} is of no transfer", shown(entry)),
            );
        }
    }
}

/// Returns true if two answers name the same entry. One of them may lack the amount.
pub(super) fn is_same(one: &Entry, two: &Entry) -> bool {
    let amounts = one.amount.zip(two.amount);
    (one.transfer, one.account, one.number, one.balance)
        == (two.transfer, two.account, two.number, two.balance)
        && amounts.is_none_or(|(one, two)| one == two)
}

fn same_entries(one: &[Entry], two: &[Entry]) -> bool {
    let sorted = |entries: &[Entry]| {
        let mut entries = entries.to_vec();
        entries.sort_by_key(|entry| (entry.account, entry.number));
        entries
    };
    let (one, two) = (sorted(one), sorted(two));
    one.len() == two.len() && one.iter().zip(&two).all(|(one, two)| is_same(one, two))
}

/// Returns an entry's text.
pub(super) fn shown(entry: &Entry) -> String {
    let Entry {
        transfer,
        account,
        number,
        amount,
        balance,
    } = entry;
    let amount = amount.map_or(String::new(), |amount| format!(" of {amount}"));
    format!("entry {number} of account {account}{amount} to {balance}, of transfer {transfer}")
}
