//! The checker: holds a history against the books, and names each violation of an invariant.

mod amounts;
mod calls;
mod conservation;
mod effect;
mod entries;
mod holds;
mod invariant;
mod order;
mod reads;
mod report;
mod requests;
mod reversals;
pub mod serialisability;
#[cfg(test)]
mod tests;
mod view;
mod windows;

pub use invariant::{Invariant, Violation};
pub use report::{Checked, Report};

use crate::books::Books;
use crate::reader::History;
use calls::Calls;
use view::View;

/// Finds the violations of some invariants.
type Rule = fn(&View<'_>, &mut Report);

const RULES: [Rule; 17] = [
    requests::acknowledged_are_present,
    requests::answers_are_in_the_books,
    requests::rejected_are_absent,
    requests::answers_are_stable,
    requests::unknown_are_resolved,
    requests::keys_were_sent,
    effect::effects_are_as_asked,
    entries::transfers_have_two_entries,
    entries::entries_continue_their_account,
    entries::balances_are_within_their_limit,
    conservation::sum_is_constant,
    reads::reads_show_prefixes,
    order::entries_are_in_real_time,
    holds::holds_add_up,
    holds::held_balances_are_open_holds,
    reversals::reversals_are_within_their_transfer,
    serialisability::calls_have_an_order,
];

/// Holds a history against the books that the database has afterwards, by rules of our own and by the
/// crate `adya` ([`serialisability`]).
///
/// The load must be the only user of its accounts, and its calls must have made every entry: what
/// an account has at the beginning is its [opening
/// balance](crate::books::Account::opening_balance).
///
/// # Example
///
/// ```
/// use neobank_torture::checker::{Invariant, check};
/// use neobank_torture::simulation::{Settings, simulate};
///
/// let (history, mut books) = simulate(&Settings::new(7));
/// let report = check(&history, &books);
/// assert!(report.violations.is_empty());
/// assert!(report.checked.acknowledged > 100);
///
/// // A transfer is lost after its acknowledgement.
/// let lost = books.transfers.remove(0);
/// books.entries.retain(|entry| entry.transfer != lost.id);
/// let report = check(&history, &books);
/// assert!(report.violates(Invariant::AcknowledgedPresent));
/// ```
#[must_use]
pub fn check(history: &History, books: &Books) -> Report {
    checked(history, books, &[serialisability::adya_finds_an_order])
}

/// Holds a history against the books by the rules of our own alone, which takes less time.
pub(crate) fn check_by_rules(history: &History, books: &Books) -> Report {
    checked(history, books, &[])
}

fn checked(history: &History, books: &Books, further: &[Rule]) -> Report {
    let mut calls = Calls::of(&history.events);
    let mut report = Report {
        violations: std::mem::take(&mut calls.violations),
        ..Report::default()
    };
    report.checked.calls = calls.count;
    let view = View::of(calls, books);
    for rule in RULES.iter().chain(further) {
        rule(&view, &mut report);
    }
    report
}
