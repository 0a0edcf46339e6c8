//! Calls as appends to lists and reads of them: the list of an account has its transfers.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;
use uuid::Uuid;

use crate::checker::calls::Key;
use crate::checker::view::View;
use crate::history::Entry;

/// An element of a list: a transfer.
pub(super) type Element = u32;

/// The calls, and the lists after them.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    /// The names of the lists: the accounts.
    pub(super) names: Vec<String>,
    /// The elements of each list at the end.
    pub(super) last: Vec<Vec<Element>>,
    /// The calls that appended or read.
    pub(super) calls: Vec<ListCall>,
}

/// A call.
#[derive(Clone, Debug)]
pub(super) struct ListCall {
    pub(super) name: String,
    pub(super) sent: u64,
    /// The time at which the caller knew that the call had happened; `None` if it never knew.
    pub(super) answered: Option<u64>,
    /// True if the caller knows that the call did not happen.
    pub(super) is_aborted: bool,
    /// The lists, by their indexes, and the elements that were appended to them, in order.
    pub(super) appends: Vec<(usize, Element)>,
    /// The lists, by their indexes, and what was read of them.
    pub(super) reads: Vec<(usize, Seen)>,
}

/// A list as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The first elements of the list at the end.
    Prefix(usize),
    /// Something else.
    Other(Vec<Element>),
}

/// The numbers of accounts and transfers.
#[derive(Debug, Default)]
struct Numbers {
    accounts: HashMap<Uuid, usize>,
    transfers: HashMap<Uuid, Element>,
}

impl Numbers {
    fn element(&mut self, transfer: Uuid) -> Element {
        let next = Element::try_from(self.transfers.len()).unwrap_or(Element::MAX);
        *self.transfers.entry(transfer).or_insert(next)
    }

    fn elements(&mut self, entries: &[Entry]) -> Vec<Element> {
        let transfers = entries.iter().map(|entry| entry.transfer);
        transfers.map(|transfer| self.element(transfer)).collect()
    }
}

impl Lists {
    pub(super) fn of(view: &View<'_>) -> Self {
        let mut lists = Self::default();
        let mut numbers = Numbers::default();
        for (index, account) in view.books.accounts.iter().enumerate() {
            numbers.accounts.insert(account.id, index);
            let entries = view.by_account.get(&account.id);
            let entries = entries.into_iter().flatten();
            let elements = entries.map(|entry| numbers.element(entry.transfer));
            lists.last.push(elements.collect());
            lists.names.push(format!("account {}", account.id));
        }
        for (name, key) in &view.calls.keys {
            lists.calls.extend(appends(view, &mut numbers, name, key));
        }
        lists.reads_of_entries(view, &mut numbers);
        lists.reads_of_balances(view, &numbers);
        lists
    }

    fn reads_of_entries(&mut self, view: &View<'_>, numbers: &mut Numbers) {
        for read in &view.calls.entries {
            let Some(&list) = numbers.accounts.get(&read.account) else {
                continue;
            };
            let there = view
                .by_account
                .get(&read.account)
                .map_or(&[][..], Vec::as_slice);
            let mut pairs = read.entries.iter().zip(there);
            let is_prefix = read.entries.len() <= there.len()
                && pairs.all(|(seen, there)| seen.transfer == there.transfer);
            let seen = if is_prefix {
                Seen::Prefix(read.entries.len())
            } else {
                Seen::Other(numbers.elements(read.entries))
            };
            self.calls.push(ListCall {
                name: read.span.call.to_string(),
                sent: read.span.sent,
                answered: Some(read.span.answered),
                is_aborted: false,
                appends: Vec::new(),
                reads: vec![(list, seen)],
            });
        }
    }

    /// Takes a balance as a read of a list, if the account had it after one entry only.
    fn reads_of_balances(&mut self, view: &View<'_>, numbers: &Numbers) {
        let after: Vec<_> = view
            .books
            .accounts
            .iter()
            .map(|account| {
                let entries = view.by_account.get(&account.id);
                let entries = entries.into_iter().flatten();
                let balances = entries.map(|entry| entry.balance);
                only_once(std::iter::once(account.opening_balance).chain(balances))
            })
            .collect();
        for read in &view.calls.balances {
            let balances = read.accounts.iter().zip(read.balances);
            let reads = balances.filter_map(|(account, balance)| {
                let list = *numbers.accounts.get(account)?;
                let length = (*after.get(list)?.get(balance)?)?;
                Some((list, Seen::Prefix(length)))
            });
            let reads: BTreeMap<_, _> = reads.collect();
            if !reads.is_empty() {
                self.calls.push(ListCall {
                    name: read.span.call.to_string(),
                    sent: read.span.sent,
                    answered: Some(read.span.answered),
                    is_aborted: false,
                    appends: Vec::new(),
                    reads: reads.into_iter().collect(),
                });
            }
        }
    }

    /// Returns the elements that a read saw.
    pub(super) fn elements<'a>(&'a self, list: usize, seen: &'a Seen) -> &'a [Element] {
        match seen {
            Seen::Prefix(length) => {
                let last = self.last.get(list).map_or(&[][..], Vec::as_slice);
                last.get(..*length).unwrap_or(last)
            }
            Seen::Other(elements) => elements,
        }
    }
}

/// Returns the call that appended what a key has in the books. If the books have nothing of a key
/// that was acknowledged, it is what its receipt named.
fn appends(view: &View<'_>, numbers: &mut Numbers, name: &str, key: &Key<'_>) -> Option<ListCall> {
    let transfers = view
        .traces
        .get(name)
        .map_or(&[][..], |traces| traces.transfers.as_slice());
    let posted = transfers
        .iter()
        .filter_map(|transfer| view.transfers.get(&transfer.id));
    let mut entries: Vec<&Entry> = posted.flat_map(|posted| &posted.entries).copied().collect();
    if entries.is_empty() {
        entries = key.done().next()?.entries.iter().collect();
    }
    entries.sort_by_key(|entry| (entry.account, entry.number));
    let appends: Vec<_> = entries
        .into_iter()
        .filter_map(|entry| {
            let list = *numbers.accounts.get(&entry.account)?;
            Some((list, numbers.element(entry.transfer)))
        })
        .collect();
    let sent = key
        .begin()
        .or_else(|| key.attempts.first().map(|attempt| attempt.sent))?;
    (!appends.is_empty()).then(|| ListCall {
        name: format!("key {name:?}"),
        sent,
        answered: key.end(),
        is_aborted: key.begin().is_none(),
        appends,
        reads: Vec::new(),
    })
}

/// Returns the positions of balances; `None` for those that are there more than once.
fn only_once(balances: impl Iterator<Item = Decimal>) -> HashMap<Decimal, Option<usize>> {
    let mut positions = HashMap::new();
    for (position, balance) in balances.enumerate() {
        positions
            .entry(balance)
            .and_modify(|known| *known = None)
            .or_insert(Some(position));
    }
    positions
}
