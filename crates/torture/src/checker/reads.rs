//! Reads: each shows an account as it was after one of its entries, at the read's time.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;
use uuid::Uuid;

use super::calls::{EntriesRead, Span};
use super::requests::{is_same, shown};
use super::view::View;
use super::windows::Windows;
use super::{Invariant, Report};
use crate::books::Account;
use crate::history::Entry;

/// An account, for reads of it.
struct Read<'a> {
    entries: &'a [&'a Entry],
    /// The numbers of entries after which the account had a balance, ascending.
    counts: HashMap<Decimal, Vec<usize>>,
    windows: Windows,
}

/// Requires that reads show prefixes of an account's entries, and the balances after them, which
/// have all that was acknowledged before the read and nothing that was sent after it.
pub(super) fn reads_show_prefixes(view: &View<'_>, report: &mut Report) {
    let accounts: BTreeMap<Uuid, Read<'_>> = view
        .books
        .accounts
        .iter()
        .map(|account| (account.id, Read::of(view, account)))
        .collect();
    report.checked.entries_reads += view.calls.entries.len();
    for read in &view.calls.entries {
        match accounts.get(&read.account) {
            Some(account) => account.entries_read(read, report),
            None => unknown(read.span, read.account, report),
        }
    }
    report.checked.balances_reads += view.calls.balances.len();
    for read in &view.calls.balances {
        for (id, balance) in read.accounts.iter().zip(read.balances) {
            match accounts.get(id) {
                Some(account) => account.balance_read(read.span, *id, *balance, report),
                None => unknown(read.span, *id, report),
            }
        }
    }
}

impl<'a> Read<'a> {
    fn of(view: &'a View<'_>, account: &Account) -> Self {
        let entries = view
            .by_account
            .get(&account.id)
            .map_or(&[][..], Vec::as_slice);
        let mut counts: HashMap<_, Vec<_>> = HashMap::new();
        counts.entry(account.opening_balance).or_default().push(0);
        for (count, entry) in (1..).zip(entries) {
            counts.entry(entry.balance).or_default().push(count);
        }
        Self {
            entries,
            counts,
            windows: Windows::of(view, entries),
        }
    }

    fn entries_read(&self, read: &EntriesRead<'_>, report: &mut Report) {
        let EntriesRead {
            span,
            account,
            entries,
        } = read;
        let call = span.call;
        let mut pairs = entries.iter().zip(self.entries);
        if let Some((seen, there)) = pairs.find(|(seen, there)| !is_same(seen, there)) {
            let (seen, there) = (shown(seen), shown(there));
            report.violation(
                Invariant::ReadOfPrefix,
                format!("{call} read {seen}, in the place of {there}"),
            );
        } else if let Some(more) = entries.get(self.entries.len()) {
            let more = shown(more);
            report.violation(
                Invariant::ReadOfPrefix,
                format!("{call} read {more}, which is not in the books"),
            );
        } else {
            self.in_time(*span, *account, &[entries.len()], report);
        }
    }

    fn balance_read(&self, span: Span, account: Uuid, balance: Decimal, report: &mut Report) {
        match self.counts.get(&balance) {
            Some(counts) => self.in_time(span, account, counts, report),
            None => {
                let call = span.call;
                report.violation(
                    Invariant::ReadOfPrefix,
                    format!("{call} read {balance} in account {account}, which it never had"),
                );
            }
        }
    }

    /// Requires that one of the numbers of entries, which are ascending, fits the time of the read.
    fn in_time(&self, span: Span, account: Uuid, counts: &[usize], report: &mut Report) {
        let least = self.windows.at_least(span.sent);
        let most = self.windows.at_most(span.answered);
        let enough = counts.partition_point(|count| *count < least);
        if counts.get(enough).is_some_and(|count| *count <= most) {
            return;
        }
        let call = span.call;
        let detail = counts.get(enough).map_or_else(
            || {
                let seen = counts.last().copied().unwrap_or_default();
                format!("shows {seen} entries, after {least} had been acknowledged")
            },
            |seen| format!("shows {seen} entries, before more than {most} had been asked for"),
        );
        report.violation(
            Invariant::RealTimeRead,
            format!("{call} of account {account} {detail}"),
        );
    }
}

fn unknown(span: Span, account: Uuid, report: &mut Report) {
    let call = span.call;
    report.violation(
        Invariant::ReadOfPrefix,
        format!("{call} read account {account}, which is not in the books"),
    );
}
