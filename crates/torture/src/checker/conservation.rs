//! Conservation: no call makes or destroys money.

use std::collections::BTreeSet;

use super::amounts::sum;
use super::{Invariant, Report, View};

/// Holds the sum of all accounts against that with which the load began, at each read of all
/// accounts and at the end.
pub(super) fn sum_is_constant(view: &View<'_>, report: &mut Report) {
    let accounts = &view.books.accounts;
    let opening = sum(accounts.iter().map(|account| account.opening_balance));
    let end = sum(accounts.iter().map(|account| account.balance));
    if end != opening {
        report.violation(
            Invariant::Conservation,
            format!("the accounts had {opening} at the beginning and have {end} at the end"),
        );
    }
    let all: BTreeSet<_> = accounts.iter().map(|account| account.id).collect();
    for read in &view.calls.balances {
        let covered: BTreeSet<_> = read.accounts.iter().copied().collect();
        if covered != all || read.accounts.len() != all.len() {
            continue;
        }
        report.checked.covering_reads += 1;
        let seen = sum(read.balances.iter().copied());
        if seen != opening {
            let call = read.span.call;
            report.violation(
                Invariant::Conservation,
                format!("{call} read {seen} in all accounts, which have {opening} together"),
            );
        }
    }
}
