//! The books, by account, transfer and key, beside the calls that made them.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::calls::{Calls, Key};
use crate::books::{Books, Hold, Transfer};
use crate::history::Entry;

/// The calls and the books that the rules compare.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) calls: Calls<'a>,
    pub(super) books: &'a Books,
    /// The entries of each account, by their numbers.
    pub(super) by_account: BTreeMap<Uuid, Vec<&'a Entry>>,
    /// The transfers, with their entries.
    pub(super) transfers: HashMap<Uuid, Posted<'a>>,
    /// The holds.
    pub(super) holds: HashMap<Uuid, &'a Hold>,
    /// The traces of each key in the books.
    pub(super) traces: BTreeMap<&'a str, Traces<'a>>,
}

/// A transfer with its entries.
#[derive(Debug)]
pub(super) struct Posted<'a> {
    pub(super) transfer: &'a Transfer,
    pub(super) entries: Vec<&'a Entry>,
}

/// All that the books have of one key.
#[derive(Debug, Default)]
pub(super) struct Traces<'a> {
    pub(super) transfers: Vec<&'a Transfer>,
    /// The holds that a request under this key made.
    pub(super) holds: Vec<&'a Hold>,
    /// The holds that a request under this key changed, once for each change.
    pub(super) changes: Vec<&'a Hold>,
}

impl<'a> View<'a> {
    pub(super) fn of(calls: Calls<'a>, books: &'a Books) -> Self {
        let mut by_account: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut of_transfer: HashMap<_, Vec<_>> = HashMap::new();
        for entry in &books.entries {
            by_account.entry(entry.account).or_default().push(entry);
            of_transfer.entry(entry.transfer).or_default().push(entry);
        }
        for entries in by_account.values_mut() {
            entries.sort_by_key(|entry| entry.number);
        }
        let mut traces: BTreeMap<_, Traces<'a>> = BTreeMap::new();
        let mut transfers = HashMap::new();
        for transfer in &books.transfers {
            if let Some(key) = &transfer.key {
                traces
                    .entry(key.as_str())
                    .or_default()
                    .transfers
                    .push(transfer);
            }
            let entries = of_transfer.remove(&transfer.id).unwrap_or_default();
            transfers.insert(transfer.id, Posted { transfer, entries });
        }
        for hold in &books.holds {
            if let Some(key) = &hold.key {
                traces.entry(key.as_str()).or_default().holds.push(hold);
            }
            for key in &hold.change_keys {
                traces.entry(key.as_str()).or_default().changes.push(hold);
            }
        }
        Self {
            calls,
            books,
            by_account,
            transfers,
            holds: books.holds.iter().map(|hold| (hold.id, hold)).collect(),
            traces,
        }
    }

    /// Returns the key under which an entry's transfer was made, if a caller has sent it.
    pub(super) fn key_of(&self, entry: &Entry) -> Option<(&'a str, &Key<'a>)> {
        let key = self
            .transfers
            .get(&entry.transfer)?
            .transfer
            .key
            .as_deref()?;
        self.calls.keys.get(key).map(|known| (key, known))
    }
}

impl<'a> Posted<'a> {
    /// Returns the entry of the account that pays, or of the one that is paid.
    pub(super) fn side(&self, pays: bool) -> Option<&'a Entry> {
        let mut entries = self.entries.iter();
        let found = entries.find(|entry| {
            entry
                .amount
                .is_some_and(|amount| amount.is_sign_negative() == pays)
        });
        found.copied()
    }
}
